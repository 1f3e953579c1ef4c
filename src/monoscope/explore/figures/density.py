"""How often features fire."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from monoscope.explore.figures.canvas import COOL, FIRE, canvas, label

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def density(result: Mapping[str, Any]) -> "Figure":
    """A histogram of densities, and densities against the alignment of encoder and direction."""
    figure, (left, right) = canvas(2)
    logs, rare = np.array(result["log10_density"]), np.array(result["ultra_low"], bool)
    alignment = np.array(result["alignment"])
    bins = np.linspace(logs.min(), logs.max() + 1e-9, 40) if len(logs) else 1
    left.hist([logs[~rare], logs[rare]], bins=bins, stacked=True, color=[FIRE, COOL])
    dead = round(result["dead_share"] * result["n_features"])
    label(
        left,
        title=f"{len(logs):,} alive features; {dead:,} never fire",
        x="log10 of the share of tokens",
        y="features",
    )
    right.scatter(logs[~rare], alignment[~rare], s=5, color=FIRE, linewidths=0, alpha=0.6, label="alive")
    if rare.any():
        right.scatter(logs[rare], alignment[rare], s=5, color=COOL, linewidths=0, label="ultra-low cluster")
        right.legend()
    label(
        right,
        title="Where encoder and direction part, training failed",
        x="log10 of the share of tokens",
        y="cosine of encoder and direction",
    )
    return figure
