"""Keys and values of texts that are read together, and what happens to them when texts come and go."""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from transformers import DynamicCache

Cache = Any
"""Hugging Face's ``DynamicCache``: its layers are of several kinds, and those made here have keys and values."""


def empty_cache() -> Cache:
    """A cache that keeps all tokens; a layer with a sliding window masks those that it does not look at."""
    return DynamicCache()


def beside(one: Cache, other: Cache) -> Cache:
    """The keys and values of two blocks of texts as one block, the shorter padded on the left."""
    width = max(one.get_seq_length(), other.get_seq_length())

    def padded(x: Float[Tensor, "batch head token d_head"]) -> Float[Tensor, "batch head width d_head"]:
        return torch.nn.functional.pad(x, (0, 0, width - x.shape[2], 0))

    for mine, theirs in zip(one.layers, other.layers, strict=True):
        mine.keys = torch.cat([padded(mine.keys), padded(theirs.keys)])
        mine.values = torch.cat([padded(mine.values), padded(theirs.values)])
    return one


def keep(cache: Cache, rows: Sequence[int], width: int) -> None:
    """Drop the other rows, and all but the last ``width`` tokens."""
    for layer in cache.layers:
        layer.keys = layer.keys[list(rows), :, -width:]
        layer.values = layer.values[list(rows), :, -width:]
