"""The share of values at or below each."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DRAWN = 400
"""Points of a curve, at most."""


def cumulative(axes: "Axes", values: Sequence[float | None], colour: str, name: str = "") -> None:
    """Draw it; values that are None are left out, and of none nothing is drawn."""
    known = np.sort([value for value in values if value is not None])
    if not len(known):
        return
    places = np.unique(np.linspace(0, len(known) - 1, min(DRAWN, len(known))).round().astype(np.int64))
    label: dict[str, Any] = {"label": name} if name else {}
    axes.plot(known[places], (places + 1) / len(known), color=colour, **label)


def legend(axes: "Axes", **options: Any) -> None:
    """A legend without a frame, where anything has a name."""
    if axes.get_legend_handles_labels()[1]:
        axes.legend(frameon=False, **options)
