"""What an export reads: a feature index, or anything that answers like one."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np

from monoscope.errors import BrokenInput
from monoscope.explore.labels import NO_LABELS, Label, with_labels
from monoscope.manifest import Manifest

Advance = Callable[[int, int], None]
"""Told how many features are written, and of how many."""


@runtime_checkable
class Record(Protocol):
    """One feature, as :class:`monoscope.features.FeatureRecord`."""

    def to_json(self) -> dict[str, Any]:
        """Dictionaries, lists and numbers."""
        ...


@runtime_checkable
class Features(Protocol):
    """What is read of :class:`monoscope.features.FeatureIndex`: one record at a time, and one number a feature."""

    n_features: int
    manifest: Manifest

    def record(self, feature: int) -> Record:
        """Everything that is known about a feature."""
        ...

    def statistics(self) -> Mapping[str, np.ndarray]:
        """``density``, ``max_activation`` and ``n_active`` of every feature, among others."""
        ...


@dataclass(frozen=True)
class Origin:
    """Where the features come from."""

    model: str
    """Name of the model."""
    site: str
    """Where in the model."""
    dictionary: str
    """Name of the dictionary."""
    layer: int
    """Number of the site's block."""

    @classmethod
    def of(cls, features: Features) -> "Origin":
        """Read from ``MODEL/SITE/DICTIONARY``, where the model's name may hold slashes.

        Raises:
            BrokenInput: the index does not say where it comes from.
        """
        address = str(features.manifest.content.get("address", ""))
        parts = address.rsplit("/", 2)
        block = parts[1].split(".")[1:2] if len(parts) == 3 else []
        if not block or not block[0].isdecimal():
            raise BrokenInput(f"the index says {address!r} of where it comes from", "index the run again")
        return cls(parts[0], parts[1], parts[2], int(block[0]))

    @property
    def address(self) -> str:
        """``MODEL/SITE/DICTIONARY``."""
        return f"{self.model}/{self.site}/{self.dictionary}"


def cards_of(
    features: Features, advance: Advance, labels: Mapping[int, Label] = NO_LABELS
) -> Iterator[dict[str, Any]]:
    """All records as dictionaries, with their labels, one at a time, in the order of their numbers."""
    for feature in range(features.n_features):
        yield with_labels(features.record(feature).to_json(), labels)
        if (feature + 1) % 64 == 0 or feature + 1 == features.n_features:
            advance(feature + 1, features.n_features)


def as_json(value: Any) -> bytes:
    """Compact JSON in UTF-8, from which the same value is read again, half characters included.

    Raises:
        BrokenInput: a number in it is not finite.
    """
    try:
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        return text.encode("utf-8")
    except UnicodeEncodeError:
        # Half of a surrogate pair has no UTF-8: JSON's escapes have a way to write it.
        return json.dumps(value, separators=(",", ":"), allow_nan=False).encode("ascii")
    except ValueError as error:
        which = value.get("feature") if isinstance(value, dict) else None
        raise BrokenInput(
            f"feature {which} holds a number that is not finite", "index the run again"
        ) from error


def linear_counts(histogram: Mapping[str, Any], edges: np.ndarray) -> np.ndarray:
    """Activations between the edges, estimated from counts in logarithmic bins.

    Within a bin activations are taken to lie evenly; the last edge is the largest activation, and nothing is beyond.

    Args:
        histogram: ``edges`` (log10) and ``counts``, as in a record.
        edges: from 0 to the largest activation.

    Returns:
        One number for each interval; they add up to the histogram's counts.
    """
    if not histogram["counts"]:
        return np.zeros(len(edges) - 1)
    bounds = np.minimum(10.0 ** np.asarray(histogram["edges"]), edges[-1])
    total = np.concatenate([[0.0], np.cumsum(histogram["counts"])])
    # A bin that is empty once it is cut at the largest activation counts as all of it there.
    below = np.interp(edges, bounds, total, left=0.0)
    below[-1] = total[-1]
    return np.diff(below)
