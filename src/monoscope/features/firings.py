"""The activations of a corpus as a sparse stream: which feature fired where, and how strongly."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Bool, Float, Int

from monoscope.activations import ActivationStore
from monoscope.dictionaries import SparseAutoencoder
from monoscope.features.grouping import stable_order

POSITION_BITS = 40
"""Bits of a (feature, position) key that hold the position: corpora of up to a million million tokens."""


@dataclass(frozen=True)
class Firings:
    """Positive codes of whole rows of tokens, sorted by feature and, within a feature, by position."""

    features: Int[np.ndarray, " entry"]
    """Number of the feature."""
    positions: Int[np.ndarray, " entry"]
    """Flat position of the token, row * context + token."""
    values: Float[np.ndarray, " entry"]
    """Activation, above 0."""
    n_tokens: int
    """Usable tokens of the rows, active or not."""
    rows: range = range(0)
    """The rows."""

    @classmethod
    def sort(
        cls,
        features: Int[np.ndarray, " entry"],
        positions: Int[np.ndarray, " entry"],
        values: Float[np.ndarray, " entry"],
        n_tokens: int,
        rows: range = range(0),
    ) -> "Firings":
        """Firings from entries that are in the order of their positions."""
        order = stable_order(features)
        return cls(features[order], positions[order], values[order], n_tokens, rows)

    @cached_property
    def keys(self) -> Int[np.ndarray, " entry"]:
        """One sorted number for each entry's feature and position."""
        return (self.features.astype(np.int64) << POSITION_BITS) | self.positions

    def at(
        self,
        features: Int[np.ndarray, " example"],
        where: Int[np.ndarray, "example window"],
        inside: Bool[np.ndarray, "example window"],
    ) -> Float[np.ndarray, "example window"]:
        """The activation of each example's feature at the positions of its window; 0 where silent or not
        inside.
        """
        wanted = (features.astype(np.int64)[:, None] << POSITION_BITS) | where
        found = np.minimum(np.searchsorted(self.keys, wanted), len(self.keys) - 1)
        return np.where(inside & (self.keys[found] == wanted), self.values[found], np.float32(0))


def stream_firings(
    dictionary: SparseAutoencoder,
    store: ActivationStore,
    *,
    rows: range | None = None,
    offset: int = 0,
    batch: int = 4096,
    entries: int = 1 << 21,
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[Firings]:
    """Encode every usable token of some rows of the store once, in order.

    Each item holds whole rows, so that a window around a token lies in the item that holds the token. Tokens are
    encoded in the same batches wherever the rows begin, so that a token's codes have the same bits.

    Args:
        dictionary: what to encode with; its ``site`` names the activations that are read.
        store: the activations.
        rows: the rows read, one after the other; None: all.
        offset: number of the store's first row in the indexed corpus, which rows and positions of the items
            count from.
        batch: tokens encoded at a time.
        entries: firings an item holds, about; memory is some 100 bytes for each.
        progress: called with (tokens done, tokens in all) of the store after every batch.
    """
    context, device = store.rows.context, dictionary.decoder.device
    rows = range(len(store.rows.tokens)) if rows is None else rows
    ends = np.searchsorted(store.positions, (rows.start * context, rows.stop * context))
    first, last = ends.tolist()
    held = _Held(rows.start, context, offset)
    for positions, x in store.sequential(dictionary.site, batch, first=first // batch * batch):
        if positions[0] >= rows.stop * context:
            break
        with torch.no_grad():
            codes = dictionary.sparse_encode(x.to(device))
        values, indices = codes.values.float().cpu().numpy(), codes.indices.cpu().numpy()
        mine = (positions >= rows.start * context) & (positions < rows.stop * context)
        token, slot = np.nonzero((values > 0) & mine[:, None])
        held.add(
            positions[mine], indices[token, slot].astype(np.int32), positions[token], values[token, slot]
        )
        if held.entries >= entries and (item := held.cut(int(positions[-1]) // context)) is not None:
            yield item
        if progress is not None:
            progress(min(int(np.searchsorted(store.positions, positions[-1])) + 1, last), store.n_tokens)
    item = held.cut(rows.stop)
    if item is not None:
        yield item


class _Held:
    """Encoded tokens whose rows are not complete yet."""

    def __init__(self, row: int, context: int, offset: int) -> None:
        self._row, self._context, self._offset = row, context, offset
        self._parts: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        self._read: list[np.ndarray] = []
        self.entries = 0

    def add(self, read: np.ndarray, features: np.ndarray, positions: np.ndarray, values: np.ndarray) -> None:
        """Hold a batch: the tokens read, and what fired on them."""
        self._parts.append((features, positions, values))
        self._read.append(read)
        self.entries += len(features)

    def cut(self, row: int) -> Firings | None:
        """Take the rows before ``row``; None when no token of them is held."""
        if not self._read:
            return None
        features, positions, values = (np.concatenate([part[i] for part in self._parts]) for i in range(3))
        read, end = np.concatenate(self._read), row * self._context
        cut, n_tokens = int(np.searchsorted(positions, end)), int(np.searchsorted(read, end))
        if n_tokens == 0:
            return None
        shift, first = self._offset * self._context, self._row
        item = Firings.sort(
            features[:cut],
            positions[:cut] + shift,
            values[:cut],
            n_tokens,
            range(first + self._offset, row + self._offset),
        )
        self._parts, self._read = [(features[cut:], positions[cut:], values[cut:])], [read[n_tokens:]]
        self._row, self.entries = row, len(features) - cut
        return item
