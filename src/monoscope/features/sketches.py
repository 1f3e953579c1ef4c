"""What is counted while the corpus streams by: one fixed amount of memory for each feature, no second pass.

Every sketch has ``update`` (one item of the stream) and ``merge`` (another sketch of later rows), and
``update(a); update(b)`` equals ``merge`` of the two: a corpus can be cut and the parts put together. Sums take
activations as multiples of 2^-24, so that up to 5e8 they have the same bits in any order.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, Integer

from monoscope.features.firings import Firings
from monoscope.features.grouping import falling, first_of_groups, run_starts, stable_order

BINS_PER_DECADE = 8
"""Bins of the activation histogram between 1 and 10: an edge is 1.33 times the one before."""
DECADES = (-5, 5)
"""log10 of the smallest and largest activation with a bin of its own; what lies outside goes to the last
bins."""
N_BINS = BINS_PER_DECADE * (DECADES[1] - DECADES[0])
"""Bins of the activation histogram."""
HISTOGRAM_EDGES = np.linspace(DECADES[0], DECADES[1], N_BINS + 1)
"""log10 of the histogram's edges."""


@dataclass
class Moments:
    """Count, sum, largest and logarithmic histogram of each feature's positive activations."""

    n_tokens: int
    """Tokens seen, active or not."""
    count: Int[np.ndarray, " n_features"]
    """Tokens on which the feature was active."""
    total: Float[np.ndarray, " n_features"]
    """Sum of its activations."""
    largest: Float[np.ndarray, " n_features"]
    """Largest activation; 0 when never active."""
    histogram: Int[np.ndarray, "n_features bin"]
    """Tokens in each bin of ``HISTOGRAM_EDGES``."""

    @classmethod
    def empty(cls, n_features: int) -> "Moments":
        """Nothing seen yet."""
        zeros = np.zeros(n_features, np.int64)
        histogram = np.zeros((n_features, N_BINS), np.int64)
        return cls(0, zeros, np.zeros(n_features), np.zeros(n_features, np.float32), histogram)

    def update(self, firings: Firings) -> None:
        """Count one item of the stream."""
        bins = ((np.log10(firings.values) - DECADES[0]) * BINS_PER_DECADE).astype(np.int64)
        cells = firings.features * np.int64(N_BINS) + np.clip(bins, 0, N_BINS - 1)
        np.add.at(self.histogram.reshape(-1), cells, 1)
        n_features = len(self.count)
        self.n_tokens += firings.n_tokens
        self.count += np.bincount(firings.features, minlength=n_features)
        self.total += np.bincount(firings.features, weights=summable(firings.values), minlength=n_features)
        starts = run_starts(firings.features)
        if len(starts):
            active = firings.features[starts]
            self.largest[active] = np.maximum(
                self.largest[active], np.maximum.reduceat(firings.values, starts)
            )

    def merge(self, later: "Moments") -> None:
        """Add what another sketch saw."""
        self.n_tokens += later.n_tokens
        self.count += later.count
        self.total += later.total
        self.largest = np.maximum(self.largest, later.largest)
        self.histogram += later.histogram


def summable(values: Float[np.ndarray, " entry"]) -> Float[np.ndarray, " entry"]:
    """Activations in 64 bits, rounded to multiples of 2^-24: their sums are exact."""
    return np.rint(values.astype(np.float64) * 2**24) * 2**-24


class TokenMass:
    """How often and how strongly each feature fired on each token of the vocabulary.

    Exact for a feature that fires on at most ``size`` different tokens. For others the ``size`` tokens with
    the most activation are kept each time the table is packed, so that counts and masses of the rest are
    lower bounds, which depend on where a corpus was cut.

    Args:
        vocabulary_size: tokens in the vocabulary.
        size: tokens kept for a feature.
    """

    def __init__(self, vocabulary_size: int, size: int = 256) -> None:
        self._vocabulary_size = vocabulary_size
        self._size = size
        self._parts: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        self._packed_entries = 0

    def update(self, firings: Firings, tokens: Integer[np.ndarray, " position"]) -> None:
        """Count one item of the stream; ``tokens`` are the corpus' token ids by flat position."""
        keys = firings.features * np.int64(self._vocabulary_size) + tokens[firings.positions]
        self._add(_summed(keys, summable(firings.values), np.ones(len(keys), np.int64)))

    def merge(self, later: "TokenMass") -> None:
        """Add what another sketch saw."""
        for part in later._parts:
            self._add(part)

    def _add(self, part: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
        self._parts.append(part)
        # Packed when it has grown fourfold: an entry is then sorted few times.
        if sum(len(part[0]) for part in self._parts) > max(4 * self._packed_entries, 1 << 22):
            self._pack()

    def _pack(self) -> None:
        keys, mass, count = _summed(*(np.concatenate([part[i] for part in self._parts]) for i in range(3)))
        features = keys // self._vocabulary_size
        if (np.diff(run_starts(features), append=len(features)) > self._size).any():
            order = stable_order((features << 32) | falling(mass.astype(np.float32)))
            kept = np.sort(order[first_of_groups(features[order], self._size)])
            keys, mass, count = keys[kept], mass[kept], count[kept]
        self._parts = [(keys, mass, count)]
        self._packed_entries = len(keys)

    def restore(
        self,
        keys: Int[np.ndarray, " pair"],
        mass: Float[np.ndarray, " pair"],
        count: Int[np.ndarray, " pair"],
    ) -> None:
        """Put back what :meth:`packed` gave."""
        self._parts = [(keys, mass, count)]
        self._packed_entries = len(keys)

    def packed(
        self,
    ) -> tuple[Int[np.ndarray, " pair"], Float[np.ndarray, " pair"], Int[np.ndarray, " pair"]]:
        """Keys (feature * vocabulary + token, ascending), summed activations and counts."""
        if not self._parts:
            none = np.zeros(0, np.int64)
            return none, np.zeros(0), none
        self._pack()
        return self._parts[0]

    def table(
        self,
    ) -> tuple[
        Int[np.ndarray, " pair"],
        Int[np.ndarray, " pair"],
        Float[np.ndarray, " pair"],
        Int[np.ndarray, " pair"],
    ]:
        """Features (ascending), tokens, summed activations and counts, one entry for each pair that
        occurred.
        """
        keys, mass, count = self.packed()
        return keys // self._vocabulary_size, keys % self._vocabulary_size, mass, count


def _summed(
    keys: Int[np.ndarray, " entry"], mass: Float[np.ndarray, " entry"], count: Int[np.ndarray, " entry"]
) -> tuple[Int[np.ndarray, " pair"], Float[np.ndarray, " pair"], Int[np.ndarray, " pair"]]:
    """Masses and counts added up for equal keys; keys ascending."""
    order = stable_order(keys)
    starts = run_starts(keys[order])
    if not len(starts):
        return keys, mass, count
    return keys[order[starts]], np.add.reduceat(mass[order], starts), np.add.reduceat(count[order], starts)
