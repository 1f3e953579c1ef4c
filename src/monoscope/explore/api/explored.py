"""A run as a page sees it: whoever knows where its parts lie says so, and the same parts are read once."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from monoscope.features import FeatureIndex
from monoscope.features.labels import Labels
from monoscope.features.map import FeatureMap
from monoscope.vectors import ContrastPair, ControlVector, Shelf

RecordName = Literal["evaluation", "glimpse", "showcase", "splitting", "universality"]
"""The report card, the first picture, the feature at work, and two analyses."""


@dataclass(frozen=True, kw_only=True)
class Explored:
    """Where the answers come from; each is asked anew, since a run may still be growing."""

    facts: Callable[[], Mapping[str, Any]]
    """What :class:`monoscope.explore.api.answers.RunFacts` says."""
    curve: Callable[[], Sequence[Mapping[str, float]]]
    """Points of the training log."""
    record: Callable[[RecordName], Mapping[str, Any] | None]
    """What was written down under a name; None before there is any."""
    forming: Callable[[], Mapping[str, Any]]
    """One feature at the checkpoints so far, as :class:`monoscope.explore.api.answers.Forming` says."""
    index: Callable[[], FeatureIndex | None]
    """The index; None before there is one."""
    labels: Callable[[FeatureIndex], Labels | None]
    """Its labels; None where there are none."""
    map: Callable[[], FeatureMap | None]
    """The map; None while it is being drawn, which asking for it begins."""
    vectors: Shelf
    """The control vectors."""
    keep: Callable[[ControlVector, Sequence[ContrastPair], Path], None]
    """Writes a vector that was learnt, and its pairs, to a place."""
