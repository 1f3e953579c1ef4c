"""How common concepts are that have a feature."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from monoscope.explore.figures.canvas import INK, SERIES, canvas, label

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BINS = 6
"""Groups of concepts of like frequency, as many in each."""


def completeness(result: Mapping[str, Any]) -> "Figure":
    """The share of concepts that have a feature, by frequency, and by frequency times alive features."""
    figure, (left, right) = canvas(2)
    frequency = np.array(result["frequency"])
    for number, width in enumerate(result["widths"]):
        colour, has = SERIES[number % len(SERIES)], np.array(width["has"], float)
        name = f"{width['n_features']:,} features"
        points(left, np.log10(frequency), has, width["fit_unscaled"], colour, name)
        points(right, np.log10(frequency * max(width["alive"], 1)), has, width["fit"], colour, name)
    spans = [each["alive"] for each in result["widths"]]
    if result["fit"] is not None and len(frequency):
        x = np.linspace(np.log10(frequency.min() * min(spans)), np.log10(frequency.max() * max(spans)), 100)
        (whole,) = right.plot(x, logistic(x, result["fit"]), color=INK, linewidth=2, linestyle=":")
        right.legend([whole], ["all widths"], fontsize=7, loc="upper left", frameon=False)
    apart, before = result["spread"], result["spread_unscaled"]
    for axes, factor, x in (
        (left, before, "log10 of the share of training tokens"),
        (right, apart, "log10 of that share x alive features"),
    ):
        axes.axhline(0.5, color=INK, linewidth=0.6)
        axes.set_ylim(-0.05, 1.05)
        said = (
            "the widths' halves cannot be compared" if factor is None else f"halves lie x {factor:.3g} apart"
        )
        label(axes, title=said, x=x, y="concepts that have a feature")
    left.legend(fontsize=7, loc="upper left", frameon=False)
    return figure


def points(
    axes: "Axes",
    x: np.ndarray,
    has: np.ndarray,
    fit: Mapping[str, float] | None,
    colour: str,
    name: str,
) -> None:
    """The share in groups of like ``x``, and the fitted curve."""
    groups = [group for group in np.array_split(np.argsort(x, kind="stable"), BINS) if len(group)]
    axes.plot(
        [x[group].mean() for group in groups],
        [has[group].mean() for group in groups],
        "o",
        color=colour,
        markersize=4,
        label=name,
    )
    if fit is not None and len(x):
        at = np.linspace(x.min(), x.max(), 100)
        axes.plot(at, logistic(at, fit), color=colour, linewidth=1.2)


def logistic(x: np.ndarray, fit: Mapping[str, float]) -> np.ndarray:
    """``1 / (1 + exp(-slope (x - middle)))``."""
    return 1 / (1 + np.exp(-fit["slope"] * (x - fit["middle"])))
