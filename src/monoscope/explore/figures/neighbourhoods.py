"""A map of features, and what neighbours have in common."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from monoscope.explore.figures.canvas import COOL, FIRE, INK, PAPER, SERIES, SOFT, canvas, label

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MANY = 1500
"""Points from which they are drawn as a picture, so that the file stays small."""
NAMED = 14
"""Clusters whose names are on the map, the largest; each keeps clear of those before."""


def neighbourhoods(result: Mapping[str, Any]) -> "Figure":
    """The map with its clusters and the names of the largest, and how alike neighbours and random pairs are."""
    figure, (left, right) = canvas(2, width=6.0, height=5.0)
    draw_map(left, result)
    alike = result["alike"]
    for number, (name, colour) in enumerate((("tokens", FIRE), ("contexts", COOL))):
        found = alike[name]
        for place, who in ((2 * number, "neighbours"), (2 * number + 1, "random")):
            values = np.array(found["by_feature" if who == "neighbours" else "by_feature_random"])
            parts = right.boxplot(
                values, positions=[place], widths=0.6, showfliers=False, patch_artist=True, whis=(5, 95)
            )
            parts["boxes"][0].set(
                facecolor=colour if who == "neighbours" else PAPER, alpha=0.7, edgecolor=colour
            )
            parts["medians"][0].set(color=INK)
            right.text(place, values.mean(), f"  {found[who]:.2f}", fontsize=7, va="center", color=INK)
            right.plot(place, values.mean(), "_", color=INK)
    right.set_xticks(
        range(4),
        [
            "tokens:\nneighbours",
            "tokens:\nrandom pairs",
            "words nearby:\nneighbours",
            "words nearby:\nrandom",
        ],
    )
    right.tick_params(axis="x", labelsize=7)
    label(
        right, title="Neighbours have more in common (box: half of the features; number: mean)", y="in common"
    )
    return figure


def draw_map(axes: "Axes", result: Mapping[str, Any]) -> None:
    """The features as points, coloured by cluster, and names beside the largest clusters."""
    x, y, cluster = (np.array(result[name]) for name in ("x", "y", "cluster"))
    colours = np.where(cluster < 0, SOFT, np.array(SERIES[:-1], object)[cluster % (len(SERIES) - 1)]).tolist()
    axes.scatter(x, y, s=5, c=colours, linewidths=0, alpha=0.7, rasterized=len(x) > MANY)
    span = np.array([np.ptp(x), np.ptp(y)]).clip(1e-9)
    placed: list[np.ndarray] = []
    for each in result["clusters"]:
        inside = cluster == each["cluster"]
        middle = np.array([np.median(x[inside]), np.median(y[inside])])
        if not each["label"] or any((abs(middle - other) < span * (0.2, 0.035)).all() for other in placed):
            continue
        placed.append(middle)
        axes.annotate(
            each["label"],
            (float(middle[0]), float(middle[1])),
            fontsize=6.5,
            color=INK,
            ha="center",
            va="center",
            bbox={"facecolor": PAPER, "edgecolor": "none", "alpha": 0.75, "pad": 0.6},
        )
        if len(placed) == NAMED:
            break
    axes.set_xticks([])
    axes.set_yticks([])
    held = f"{len(result['clusters']):,} clusters hold {result['clustered_share']:.0%}"
    label(axes, title=f"{result['n_alive']:,} features by direction; {held}")
