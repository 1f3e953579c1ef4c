"""How alike features of two dictionaries are."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from monoscope.explore.figures.canvas import COOL, FIRE, GOLD, GOOD, LINE, PLUM, SOFT, canvas, label

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def universality(result: Mapping[str, Any]) -> "Figure":
    """A row for each other dictionary: what share of units reach which similarity, and what counterparts write."""
    others = result["others"]
    figure, axes = canvas(2, len(others))
    for (left, right), other in zip(np.reshape(axes, (len(others), 2)), others, strict=True):
        one_model = other["kind"] == "seed"
        curve(left, other["r"], FIRE, "features")
        curve(left, other["neuron_r"], COOL, "features with neurons" if one_model else "neurons")
        curve(left, other["random_r"], SOFT, "random directions")
        left.axvline(result["good"], color=LINE, linewidth=1, zorder=0)
        of = f"another seed, {other['name']}" if one_model else f"{other['model']}, {other['name']}"
        label(left, title=f"{result['run']}\nand {of}", x="r with the best counterpart", y="share below")
        if "logit_weights_r" in other:
            curve(right, other["attribution_r"], GOLD, "attribution, best counterpart")
            curve(right, other["logit_weights_r"], GOOD, "logit weights, of counterparts")
            curve(right, other["logit_weights_random_r"], PLUM, "logit weights, of random pairs")
        else:
            right.text(0.5, 0.5, "directions of this site do not reach the logits", ha="center", color=SOFT)
        label(right, title="What they do to the next token", x="r", y="share below")
        for each in (left, right):
            each.set_xlim(-0.35 if each is right else 0, 1)
            each.set_ylim(0, 1.4)  # Room for the legend.
            each.set_yticks(np.linspace(0, 1, 6))
            if each.get_legend_handles_labels()[0]:
                each.legend(fontsize=7, loc="upper left", frameon=False)
    return figure


def curve(axes: "Axes", values: Sequence[float], colour: str, name: str) -> None:
    """The share of values below each; a point where it is one half."""
    if not len(values):
        return
    at = np.linspace(0, 1, 201)
    middle = float(np.median(values))
    axes.plot(np.quantile(values, at), at, color=colour, label=f"{name}, median {middle:.2f}")
    axes.plot(middle, 0.5, "o", markersize=4, color=colour)
