"""Sorting and grouping of long arrays: what sketches, shortlists and tables are made with."""

import numpy as np
from jaxtyping import Bool, Float, Int, Integer


def stable_order(keys: Integer[np.ndarray, " entry"]) -> Int[np.ndarray, " entry"]:
    """The order that sorts keys of 0 and more; equal keys stay in the order they have.

    Where key and index fit one integer, their sorting is some four times faster than ``argsort``.
    """
    bits = len(keys).bit_length()
    if int(keys.max(initial=0)) >> (63 - bits):
        return np.argsort(keys, kind="stable")
    return np.sort((keys.astype(np.int64) << bits) | np.arange(len(keys))) & ((1 << bits) - 1)


def run_starts(sorted_keys: Integer[np.ndarray, " entry"]) -> Int[np.ndarray, " run"]:
    """Where each run of equal keys begins."""
    if not len(sorted_keys):
        return np.zeros(0, np.int64)
    return np.flatnonzero(np.concatenate(([True], sorted_keys[1:] != sorted_keys[:-1])))


def first_of_groups(sorted_groups: Integer[np.ndarray, " entry"], size: int) -> Bool[np.ndarray, " entry"]:
    """True for the first ``size`` entries of every run of equal groups."""
    starts = run_starts(sorted_groups)
    lengths = np.diff(np.append(starts, len(sorted_groups)))
    return np.arange(len(sorted_groups)) - np.repeat(starts, lengths) < size


def falling(values: Float[np.ndarray, " entry"]) -> Int[np.ndarray, " entry"]:
    """A 32-bit number for each positive 32-bit float, the smaller the larger the float: one integer can sort by
    a group and, within it, by falling value.
    """
    return np.int64(0xFFFFFFFF) - values.view(np.uint32).astype(np.int64)
