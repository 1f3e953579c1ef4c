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
MOST = 10_000
"""Points drawn; of more, as many evenly."""
NAMED = 18
"""Clusters whose names are on the map, the largest; each keeps clear of those before."""


def neighbourhoods(result: Mapping[str, Any]) -> "Figure":
    """The map with its clusters and the names of the largest, and how alike neighbours and random pairs are."""
    figure, (left, right) = canvas(2, width=6.2, height=5.2)
    draw_map(left, result)
    draw_likeness(right, result["alike"])
    return figure


def draw_likeness(axes: "Axes", alike: Mapping[str, Any]) -> None:
    """What neighbours and random pairs have in common: a box holds half of the features, its whiskers nine tenths."""
    ticks = []
    for name, said, colour in (("tokens", "tokens", FIRE), ("contexts", "words around", COOL)):
        for who, values in (("neighbours", "by_feature"), ("random", "by_feature_random")):
            parts = axes.boxplot(
                alike[name][values],
                positions=[len(ticks)],
                widths=0.6,
                showfliers=False,
                patch_artist=True,
                whis=(5, 95),
            )
            parts["boxes"][0].set(
                facecolor=colour if who == "neighbours" else PAPER, edgecolor=colour, alpha=0.7
            )
            parts["medians"][0].set(color=INK)
            pairs = "neighbours" if who == "neighbours" else "random pairs"
            ticks.append(f"{said},\n{pairs}:\nmean {alike[name][who]:.3f}")
    axes.set_xticks(range(len(ticks)), ticks)
    axes.tick_params(axis="x", labelsize=7.5)
    label(axes, title="What neighbours and random pairs have in common", y="0: nothing; 1: all")


def draw_map(axes: "Axes", result: Mapping[str, Any]) -> None:
    """The features as points, coloured by cluster, and names beside the largest clusters."""
    x, y, cluster = (np.array(result[name]) for name in ("x", "y", "cluster"))
    colours = np.where(cluster < 0, SOFT, np.array(SERIES[:-1], object)[cluster % (len(SERIES) - 1)]).tolist()
    many = len(x) > MANY
    every = -(-len(x) // MOST)
    axes.scatter(
        x[::every],
        y[::every],
        s=4 if many else 5,
        c=colours[::every],
        linewidths=0,
        alpha=0.8,
        rasterized=many,
    )
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
    axes.spines[:].set_visible(False)
    shown = f", one in {every} shown" if every > 1 else ""
    held = f"{len(result['clusters']):,} clusters hold {result['clustered_share']:.0%}"
    label(axes, title=f"{result['n_alive']:,} features by direction{shown}; {held}")
