"""What all figures share: size, type, colours, and how they are written."""

import io
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, SOFT, LINE, PAPER = "#23201c", "#6b655b", "#d8d2c6", "#fbfaf7"
"""Text, what is less important, rules, and the ground: the page's colours by day."""
FIRE, COOL, GOOD, GOLD, PLUM = "#c2470b", "#33699c", "#2f7d4f", "#b8860b", "#7d3c78"
"""Colours of series, in their order: ours first."""
SERIES = (FIRE, COOL, GOOD, GOLD, PLUM, SOFT)
"""Colours of series, in their order."""
RULES: Any = {
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.edgecolor": LINE,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": LINE,
    "grid.linewidth": 0.5,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "figure.facecolor": PAPER,
    "axes.facecolor": PAPER,
    "legend.frameon": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "monoscope",
}
"""Matplotlib's settings."""


def canvas(
    columns: int = 1, rows: int = 1, *, width: float = 4.6, height: float = 3.1
) -> "tuple[Figure, Any]":
    """A figure with axes side by side; ``width`` and ``height`` are those of each, in inches.

    Returns:
        The figure, and its axes: one, or an array of them.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(RULES):
        figure = Figure(figsize=(width * columns, height * rows), layout="constrained")
        return figure, figure.subplots(rows, columns)


def label(axes: "Axes", *, title: str = "", x: str = "", y: str = "") -> None:
    """Title and names of the axes."""
    axes.set_title(title, loc="left", fontsize=10, color=INK)
    axes.set_xlabel(x)
    axes.set_ylabel(y)


def as_svg(figure: "Figure") -> str:
    """The figure as SVG: equal figures give equal text."""
    import matplotlib as mpl

    written = io.StringIO()
    with mpl.rc_context(RULES):
        figure.savefig(written, format="svg", metadata={"Date": None})
    return written.getvalue()
