"""Features against neurons."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from monoscope.explore.figures.canvas import COOL, FIRE, GOOD, SOFT, canvas, label
from monoscope.explore.figures.cumulative import cumulative, legend

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DRAWN = 1500
"""Points of a scatter, at most."""


def neurons(result: Mapping[str, Any]) -> "Figure":
    """Distributions of the largest correlation with a neuron, and of the feature's agreement with itself."""
    figure, (left, right) = canvas(2)
    largest, itself = np.array(result["max_r"]), np.array(result["split_half"])
    for values, name, colour in (
        (result["max_r"], "features: max |r| with a neuron", FIRE),
        (result["max_r_random"], "random directions: the same", COOL),
        (result["split_half"], "features: split-half r", GOOD),
    ):
        cumulative(left, values, colour, name)
    left.axvline(result["near"], color=SOFT, linewidth=1, linestyle="--")
    left.set_xlim(0, 1)
    left.set_ylim(0, 1)
    legend(left, loc="center", bbox_to_anchor=(0.66, 0.4), fontsize=8)
    share = result["share_near"]
    said = "no feature was judged" if share is None else f"{share:.0%} have max |r| <= {result['near']}"
    label(left, title=f"{result['n_features']:,} features: {said}", x="r", y="share at or below")
    few = slice(None, None, max(1, -(-len(largest) // DRAWN)))
    right.scatter(itself[few], largest[few], s=5, color=FIRE, linewidths=0, alpha=0.5, rasterized=True)
    right.plot([0, 1], [0, 1], color=SOFT, linewidth=1, linestyle="--")
    right.set_xlim(min(0.0, *itself, 0.0) if len(itself) else 0, 1)
    right.set_ylim(0, 1)
    label(right, title="One point a feature", x="split-half r", y="max |r| with a neuron")
    return figure
