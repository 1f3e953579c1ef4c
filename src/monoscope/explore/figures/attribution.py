"""Attribution against ablation."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from monoscope.explore.figures.canvas import COOL, FIRE, INK, SOFT, canvas, label

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LINEAR = 0.1
"""Effects below this are drawn to scale, larger ones by their logarithm: most effects are small."""


def attribution(result: Mapping[str, Any]) -> "Figure":
    """Attribution and activation against what switching a feature off does, and both prompt by prompt."""
    figure, (left, middle, right) = canvas(3, width=3.6)
    found = {name: np.array(values) for name, values in result["points"].items()}
    look: dict[str, Any] = {"s": 6, "linewidths": 0, "alpha": 0.45, "rasterized": True}
    left.scatter(found["attribution"], found["ablation"], color=FIRE, **look)
    if len(found["ablation"]):
        ends = [found["ablation"].min(), found["ablation"].max()]
        left.plot(ends, ends, color=SOFT, linewidth=1, linestyle="--")
    label(left, title=said("Attribution", result["r_attribution"]), x="attribution", y="effect of ablation")
    middle.scatter(found["activation"], found["ablation"], color=COOL, **look)
    label(middle, title=said("Activation", result["r_activation"]), x="activation", y="effect of ablation")
    for axes in (left, middle):
        axes.set_yscale("symlog", linthresh=LINEAR)
    left.set_xscale("symlog", linthresh=LINEAR)
    for place, (name, colour) in enumerate((("r_attribution", FIRE), ("r_activation", COOL))):
        values = np.sort([prompt[name] for prompt in result["prompts"]])
        spread = place + np.linspace(-0.28, 0.28, len(values)) if len(values) else []
        right.scatter(spread, values, s=14, color=colour, linewidths=0, alpha=0.8)
        if len(values):
            right.plot([place - 0.32, place + 0.32], [values.mean()] * 2, color=INK, linewidth=1.5)
    right.set_xticks([0, 1], ["attribution", "activation"])
    right.set_xlim(-0.5, 1.5)
    label(right, title=f"{result['n_prompts']} prompts, and their means", y="Pearson r with ablation")
    return figure


def said(what: str, r: float | None) -> str:
    """A panel's title."""
    return what if r is None else f"{what}: mean r = {r:.2f}"
