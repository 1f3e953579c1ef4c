"""Which features fired on each token of a few rows, drawn at random."""

import numpy as np
from jaxtyping import Int, UInt64

from monoscope.features.firings import Firings
from monoscope.features.grouping import stable_order
from monoscope.features.shortlists import mixed


class RowSample:
    """Everything that fired on the rows whose hash is smallest: the same rows however the stream is cut.

    Memory is at most some ``48 * size * context`` bytes for each feature that is active on a token.

    Args:
        size: rows kept.
        context: tokens in a row.
        seed: of the hash.
    """

    def __init__(self, size: int, context: int, seed: int) -> None:
        self._size, self._context, self._seed = size, context, seed
        self._bar = np.uint64(2**64 - 1)
        self.rows = np.zeros(0, np.int64)
        """Numbers of the rows, ascending once packed."""
        self._hashes = np.zeros(0, np.uint64)
        self._parts: list[tuple[np.ndarray, np.ndarray]] = []

    def update(self, firings: Firings) -> None:
        """Consider the rows of one item of the stream, which come after all before."""
        rows = np.arange(firings.rows.start, firings.rows.stop)
        hashes = self._hash(rows)
        chosen = hashes <= self._bar
        mine = np.flatnonzero(chosen[firings.positions // self._context - firings.rows.start])
        self._add(rows[chosen], firings.features[mine], firings.positions[mine])

    def merge(self, later: "RowSample") -> None:
        """Add what another sample kept of later rows."""
        for features, positions in later._parts:
            self._parts.append((features, positions))
        self._add(later.rows, np.zeros(0, np.int32), np.zeros(0, np.int64))

    def restore(
        self, rows: Int[np.ndarray, " row"], features: Int[np.ndarray, " entry"], positions: np.ndarray
    ) -> None:
        """Put back what ``rows`` and :meth:`entries` gave."""
        self._add(rows, features, positions)
        self._pack()

    def entries(self) -> tuple[Int[np.ndarray, " entry"], Int[np.ndarray, " entry"]]:
        """Features (ascending) and flat positions (ascending for each feature) of all that fired on the rows."""
        self._pack()
        features, positions = self._parts[0]
        return features, positions

    def _add(self, rows: np.ndarray, features: np.ndarray, positions: np.ndarray) -> None:
        self.rows = np.concatenate([self.rows, rows])
        self._hashes = np.concatenate([self._hashes, self._hash(rows)])
        self._parts.append((features.astype(np.int32, copy=False), positions))
        if len(self.rows) > 2 * self._size:
            self._pack()

    def _pack(self) -> None:
        """Keep the rows of smallest hash, and what fired on them, by feature and position."""
        kept = np.sort(np.argsort(self._hashes, kind="stable")[: self._size])
        self.rows, self._hashes = self.rows[kept], self._hashes[kept]
        if len(kept) == self._size:
            self._bar = self._hashes.max()
        none = (np.zeros(0, np.int32), np.zeros(0, np.int64))
        features, positions = (np.concatenate(parts) for parts in zip(none, *self._parts, strict=True))
        is_kept = np.zeros(int(positions.max(initial=0)) // self._context + 1, bool)
        is_kept[self.rows[self.rows < len(is_kept)]] = True
        inside = np.flatnonzero(is_kept[positions // self._context])
        features, positions = features[inside], positions[inside]
        order = stable_order(features)
        self._parts = [(features[order], positions[order])]

    def _hash(self, rows: Int[np.ndarray, " row"]) -> UInt64[np.ndarray, " row"]:
        with np.errstate(over="ignore"):
            return mixed(rows.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) ^ np.uint64(self._seed + 1))
