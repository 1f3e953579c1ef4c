"""Which layer: how well a vector tells held-out pairs apart behind each block, drawn from its
record alone.
"""

from collections.abc import Mapping
from math import ceil
from typing import TYPE_CHECKING, Any

from monoscope.explore.figures.canvas import FIRE, GOLD, INK, SOFT, as_svg, canvas, label

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TICKS = 16
"""Ticks of the axis of blocks, at most."""


def vector_svg(record: Mapping[str, Any]) -> str:
    """The figure of a vector as SVG: the same record gives the same bytes."""
    return as_svg(vector(record))


def vector(record: Mapping[str, Any]) -> "Figure":
    """Held-out accuracy by block with its interval, random directions beside it, the middle half shaded.

    Args:
        record: ``name``, ``method``, ``n_pairs``, ``n_blocks``, ``best_block``, and ``blocks`` with ``block``,
            ``accuracy``, ``low``, ``high``, ``random``.
    """
    figure, axes = canvas(width=5.6, height=3.2)
    rows = record["blocks"]
    x = [row["block"] for row in rows]
    values = [row["accuracy"] for row in rows]
    depth = record["n_blocks"]
    first, beyond = ceil(depth / 4), ceil(3 * depth / 4)
    axes.axvspan(first - 0.5, beyond - 0.5, color=GOLD, alpha=0.1, linewidth=0, label="middle half")
    axes.axhline(0.5, color=INK, linewidth=0.6, linestyle=":")
    axes.plot(
        x,
        [row["random"] for row in rows],
        color=SOFT,
        marker="s",
        markersize=3,
        linestyle="--",
        label="random directions: mean",
    )
    below = [max(0.0, row["accuracy"] - row["low"]) for row in rows]
    above = [max(0.0, row["high"] - row["accuracy"]) for row in rows]
    axes.errorbar(
        x, values, yerr=[below, above], color=FIRE, marker="o", markersize=4, capsize=2, label="learnt, 95 %"
    )
    best = record["best_block"]
    at = values[x.index(best)]
    axes.annotate(
        f"best: {best}", (best, at), xytext=(0, 7), textcoords="offset points", ha="center", color=FIRE
    )
    axes.set_xlim(-0.6, depth - 0.4)
    axes.set_ylim(min(0.4, *(row["low"] for row in rows)) - 0.03, 1.1)
    axes.set_xticks(range(0, depth, 1 + (depth - 1) // TICKS))
    axes.legend(fontsize=7, loc="lower right", frameon=False)
    title = f"{record['name']}: {record['method']}, {record['n_pairs']} pairs, {rows[0]['n_pairs']} held out"
    label(axes, title=title, x="block", y="held-out pairs told apart")
    return figure
