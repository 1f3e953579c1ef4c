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

    @classmethod
    def sort(
        cls,
        features: Int[np.ndarray, " entry"],
        positions: Int[np.ndarray, " entry"],
        values: Float[np.ndarray, " entry"],
        n_tokens: int,
    ) -> "Firings":
        """Firings from entries that are in the order of their positions."""
        order = stable_order(features)
        return cls(features[order], positions[order], values[order], n_tokens)

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
    batch: int = 4096,
    entries: int = 1 << 21,
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[Firings]:
    """Encode every usable token of the store once, in order.

    Each item holds whole rows, so that a window around a token lies in the item that holds the token.

    Args:
        dictionary: what to encode with; its ``site`` names the activations that are read.
        store: the activations.
        batch: tokens encoded at a time.
        entries: firings an item holds, about; memory is some 100 bytes for each.
        progress: called with (tokens done, tokens in all) after every batch.
    """
    context, device = store.rows.context, dictionary.decoder.device
    held: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    read: list[np.ndarray] = []
    done = 0
    for positions, x in store.sequential(dictionary.site, batch):
        with torch.no_grad():
            codes = dictionary.sparse_encode(x.to(device))
        values, indices = codes.values.float().cpu().numpy(), codes.indices.cpu().numpy()
        token, slot = np.nonzero(values > 0)
        held.append((indices[token, slot].astype(np.int32), positions[token], values[token, slot]))
        read.append(positions)
        done += len(positions)
        if sum(len(part[0]) for part in held) >= entries:
            row_start = int(positions[-1]) // context * context
            item, held, read = _cut(held, read, row_start)
            if item is not None:
                yield item
        if progress is not None:
            progress(done, store.n_tokens)
    item, _, _ = _cut(held, read, store.rows.tokens.size)
    if item is not None:
        yield item


def _cut(
    held: list[tuple[np.ndarray, np.ndarray, np.ndarray]], read: list[np.ndarray], end: int
) -> tuple[Firings | None, list[tuple[np.ndarray, np.ndarray, np.ndarray]], list[np.ndarray]]:
    """Take what was read before position ``end``; returns it (None when nothing was) and what is left."""
    if not read:
        return None, held, read
    features, positions, values = (np.concatenate([part[i] for part in held]) for i in range(3))
    tokens = np.concatenate(read)
    cut, n_tokens = int(np.searchsorted(positions, end)), int(np.searchsorted(tokens, end))
    if n_tokens == 0:
        return None, held, read
    item = Firings.sort(features[:cut], positions[:cut], values[:cut], n_tokens)
    return item, [(features[cut:], positions[cut:], values[cut:])], [tokens[n_tokens:]]
