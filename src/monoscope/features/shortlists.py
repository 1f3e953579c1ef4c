"""The examples that are kept of each feature while the corpus streams by: the best few of every group.

Four shortlists serve four ends, and differ in their groups and in what an entry's merit is:

=============  ==============================  ==========================================================
top            group: feature                  merit: activation; one entry for each row of tokens
intervals      group: feature and part of its  merit: 1 / uniform number: a random few of each part
               activation's range
drawn          group: feature                  merit: 1 / uniform number: a random few of all
by mass        group: feature                  merit: activation / -log(uniform number): drawn without
                                               replacement with chances proportional to the activation
                                               (Efraimidis and Spirakis 2006, weighted reservoir sampling)
=============  ==============================  ==========================================================

The uniform numbers are a hash of (seed, feature, position): the same entries are kept however the stream is
cut.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Int, Integer, Shaped, UInt64

from monoscope.features.grouping import falling, first_of_groups, run_starts, stable_order

ENTRY = np.dtype(
    [("group", "<i8"), ("feature", "<i4"), ("position", "<i8"), ("value", "<f4"), ("merit", "<f4")]
)
"""An entry of a shortlist."""

WindowReader = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""(features, positions) -> activations in the window around each position, ``[entry, window]``."""


class Shortlist:
    """The entries of largest merit of every group; of equals the first in the corpus.

    Args:
        n_groups: how many groups there are.
        size: entries kept in a group.
        window: tokens whose activations are kept with an entry; 0 keeps none.
        one_per: when given, at most one entry of a group from each run of that many positions.
    """

    def __init__(self, n_groups: int, size: int, *, window: int = 0, one_per: int | None = None) -> None:
        self._size = size
        self._one_per = one_per
        self._bar = np.zeros(n_groups, np.float32)
        self.entries = np.zeros(0, ENTRY)
        """What is kept, by group and within a group by falling merit."""
        self.windows = np.zeros((0, window), np.float32)
        """Activations around each entry."""

    def restore(
        self, entries: Shaped[np.ndarray, " entry"], windows: Float[np.ndarray, "kept window"]
    ) -> None:
        """Put back what was kept, as it was."""
        self.windows = windows
        self._keep(entries)

    def offer(
        self,
        groups: Integer[np.ndarray, " entry"],
        features: Integer[np.ndarray, " entry"],
        positions: Int[np.ndarray, " entry"],
        values: Float[np.ndarray, " entry"],
        merits: Float[np.ndarray, " entry"],
        *,
        windows: WindowReader | None = None,
    ) -> None:
        """Consider entries of later rows than all before; merits are above 0."""
        passing = np.flatnonzero(merits > self._bar[groups])
        offered = np.zeros(len(passing), ENTRY)
        columns = {
            "group": groups,
            "feature": features,
            "position": positions,
            "value": values,
            "merit": merits,
        }
        for name, column in columns.items():
            offered[name] = column[passing]
        seen = len(self.entries)
        kept = self._keep(np.concatenate([self.entries, offered]))
        if windows is not None:
            fresh = np.flatnonzero(kept >= seen)
            around = np.empty((len(kept), self.windows.shape[1]), np.float32)
            around[kept < seen] = self.windows[kept[kept < seen]]
            around[fresh] = windows(self.entries["feature"][fresh], self.entries["position"][fresh])
            self.windows = around

    def merge(self, later: "Shortlist") -> None:
        """Add what another shortlist kept of later rows."""
        windows = np.concatenate([self.windows, later.windows])
        kept = self._keep(np.concatenate([self.entries, later.entries]))
        self.windows = windows[kept] if windows.shape[1] else np.zeros((0, 0), np.float32)

    def regroup(self, groups: Integer[np.ndarray, " entry"]) -> None:
        """Give the kept entries other groups and keep the best of those."""
        self.entries["group"] = groups
        windows = self.windows
        kept = self._keep(self.entries)
        self.windows = windows[kept] if windows.shape[1] else windows

    def _keep(self, entries: np.ndarray) -> np.ndarray:
        """Rank entries (earlier rows first), keep the best; returns which were kept, in their new order."""
        merit = np.ascontiguousarray(entries["merit"])
        order = stable_order((entries["group"] << 32) | falling(merit))
        if self._one_per is not None:
            run = entries["position"][order] // self._one_per
            pair = entries["group"][order] * (run.max(initial=0) + 1) + run
            by_pair = stable_order(pair)
            order = order[np.sort(by_pair[run_starts(pair[by_pair])])]
        kept = order[first_of_groups(entries["group"][order], self._size)]
        self.entries = entries[kept]
        group, merit = self.entries["group"], self.entries["merit"]
        counts = np.bincount(group, minlength=len(self._bar))
        last = np.cumsum(counts) - 1
        full = counts == self._size
        self._bar = np.zeros_like(self._bar)
        self._bar[full] = merit[last[full]]
        return kept


def uniform_numbers(
    features: Integer[np.ndarray, " entry"], positions: Int[np.ndarray, " entry"], seed: int
) -> tuple[Float[np.ndarray, " entry"], Float[np.ndarray, " entry"]]:
    """Two independent numbers in (0, 1) for each entry: a hash of seed, feature and position."""
    with np.errstate(over="ignore"):
        x = positions.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        x ^= (features.astype(np.uint64) + np.uint64(seed << 32)) * np.uint64(0xD1B54A32D192ED03)
    x = mixed(x)
    return _open_unit(x >> np.uint64(32)), _open_unit(x & np.uint64(0xFFFFFFFF))


def mixed(x: UInt64[np.ndarray, " entry"]) -> UInt64[np.ndarray, " entry"]:
    """The finaliser of SplitMix64: each bit of the result depends on all of ``x``."""
    with np.errstate(over="ignore"):
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
            x = x ^ (x >> np.uint64(shift))
            x *= np.uint64(factor)
    return x ^ (x >> np.uint64(31))


def _open_unit(x: UInt64[np.ndarray, " entry"]) -> Float[np.ndarray, " entry"]:
    """32-bit integers as 32-bit floats that are never 0 and never 1."""
    numbers = (x.astype(np.float32) + np.float32(0.5)) * np.float32(2**-32)
    return np.minimum(numbers, np.float32(1 - 2**-24))
