"""The control of shuffled weights."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from monoscope.explore.figures.canvas import COOL, FIRE, GOLD, SOFT, canvas, label
from monoscope.explore.figures.cumulative import cumulative, legend

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAMES = {"own": "the run's dictionary", "real": "small", "shuffled": "small, shuffled weights"}
"""What each dictionary is called."""
COLOURS = {"own": GOLD, "real": FIRE, "shuffled": COOL}
"""And its colour."""


def shuffled(result: Mapping[str, Any]) -> "Figure":
    """Distributions of the score by logits, and its means beside those of another feature's judgement."""
    figure, (left, right) = canvas(2)
    found = result["variants"]
    for name, each in found.items():
        cumulative(left, each["scores"], COLOURS[name], NAMES[name])
    left.axvspan(0.45, 0.55, color=SOFT, alpha=0.15, linewidth=0)
    left.set_xlim(0, 1)
    left.set_ylim(0, 1)
    legend(left, loc="upper left", fontsize=8)
    label(left, title="Do the tokens it raises follow its text?", x="right answers", y="share of features")
    places = np.arange(len(found))
    for shift, values, alpha, said in (
        (-0.2, [each["mean"] for each in found.values()], 1.0, "its own tokens"),
        (0.2, [each["anothers"]["mean"] for each in found.values()], 0.4, "another feature's tokens"),
    ):
        heights = np.array([np.nan if value is None else value for value in values])
        right.bar(
            places + shift, heights, 0.36, color=[COLOURS[name] for name in found], alpha=alpha, label=said
        )
    right.axhline(0.5, color=SOFT, linewidth=1, linestyle="--")
    ticks = [f"{NAMES[name]}\n{single(each['single_token'])}" for name, each in found.items()]
    right.set_xticks(places, ticks, fontsize=7)
    right.set_ylim(0, 1)
    label(right, title="Means; pale: asked about another's tokens", y="right answers")
    return figure


def single(share: float | None) -> str:
    """How many features are of one token."""
    return "" if share is None else f"{share:.0%} of single tokens"
