"""The kernels of a processor: what torch's own operations do slowly there, in loops that numba compiles."""

from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from monoscope.dictionaries.kernels.compiled import Compiled, keys

GROUP = 32
"""Entries whose largest stands for them in the first look of :func:`largest_positive`."""
MOST_GROUPS = 2**14
"""More are never made: their number is counted in 16 bits."""


def largest_positive(
    pre: Float[Tensor, "rows n_features"], k: int, out: Int[Tensor, "rows k"] | None = None
) -> Int[Tensor, "rows k"]:
    """Indices of the ``k`` largest entries of each row, as far as they are positive; exact, in no order.

    The rest of a row with fewer positive entries is filled with indices of other entries. Each row is looked
    through once, for the maximum of each of its groups; the ``k``-th largest of these, found bit by bit, is a
    bound that only ``k`` groups reach, and their entries are all that is looked at again.
    """
    rows, n_features = pre.shape
    out = torch.empty(rows, k, dtype=torch.int64) if out is None else out
    groups = min(n_features, max(k, min(-(-n_features // GROUP), MOST_GROUPS)))
    integers = keys(pre)
    _select(rows, integers, k, groups, 8 * integers.element_size() - 1, out)
    return out


def few_codes(
    x: Float[Tensor, "rows d_in"],
    encoder_rows: Float[Tensor, "n_features d_in"],
    encoder_bias: Float[Tensor, " n_features"],
    features: Int[Tensor, " selected"],
    k: int,
) -> Float[Tensor, "rows selected"]:
    """Codes of a few features where the ``k`` largest pre-activations of a row are kept, as far as they are positive.

    A feature is out as soon as its own pre-activation is not positive, or ``k`` others are found above it: only where
    it is active are all others looked at.

    Args:
        x: activations, the dictionary's bias taken away.
        encoder_rows: the encoder, a row for each feature.
        encoder_bias: its bias.
        features: whose codes are wanted.
        k: how many are kept in a row.
    """
    out = torch.empty(len(x), len(features), dtype=x.dtype)
    _few(len(x), x, encoder_rows, encoder_bias, features, k, out)
    return out


def _product(one: Any, other: Any) -> Any:
    total = one.dtype.type(0)
    for j in range(len(one)):
        total += one[j] * other[j]
    return total


@Compiled.using(_product)
def _few(low: int, high: int, x: Any, rows: Any, bias: Any, features: Any, k: int, out: Any) -> None:
    for b in range(low, high):
        for s in range(len(features)):
            feature = features[s]
            own = _product(x[b], rows[feature]) + bias[feature]
            above = 0 if own > 0 else k
            for j in range(len(rows)):
                if above >= k:
                    break
                if j != feature and _product(x[b], rows[j]) + bias[j] > own:
                    above += 1
            out[b, s] = own if above < k else 0


def _kth_largest(entries: Any, n: int, k: int, bits: int) -> int:
    """The k-th largest of the first n integers, bit by bit; 0 where fewer than k are above it."""
    # Counting in the entries' own type is what lets the compiler use whole vectors of short integers.
    key = entries.dtype.type
    found = 0
    for bit in range(bits - 1, -1, -1):
        raised = key(found | (1 << bit))
        count = key(0)
        for i in range(n):
            count = key(count + key(entries[i] >= raised))
        if count >= k:
            found |= 1 << bit
    return found


def _group_maxima(row: Any, maxima: Any) -> None:
    """The largest of the entries that are ``len(maxima)`` apart, for each of them."""
    groups = len(maxima)
    for g in range(groups):
        maxima[g] = row[g]
    for start in range(groups, len(row), groups):
        segment = row[start : start + groups]
        for g in range(len(segment)):
            entry = segment[g]
            maxima[g] = entry if entry > maxima[g] else maxima[g]


def _reaching(row: Any, maxima: Any, bound: int, found: Any, found_keys: Any) -> int:
    """Collect the entries that reach a bound, group after group; returns how many they are."""
    groups, n_found = len(maxima), 0
    for g in range(groups):
        if maxima[g] >= bound:
            members = row[g::groups]
            for j in range(len(members)):
                if members[j] >= bound:
                    found[n_found] = j * groups + g
                    found_keys[n_found] = members[j]
                    n_found += 1
    return n_found


@Compiled.using(_kth_largest, _group_maxima, _reaching)
def _select(low: int, high: int, integers: Any, k: int, groups: int, bits: int, out: Any) -> None:
    n = integers.shape[1]
    maxima = np.empty(groups, integers.dtype)
    found, found_keys = np.empty(n, np.int64), np.empty(n, integers.dtype)
    for b in range(low, high):
        row = integers[b]
        _group_maxima(row, maxima)
        n_found = _reaching(row, maxima, max(1, _kth_largest(maxima, groups, k, bits)), found, found_keys)
        cut = _kth_largest(found_keys, n_found, k, bits) if n_found > k else 0
        slot = 0
        for i in range(n_found):
            if found_keys[i] > cut:
                out[b, slot] = found[i]
                slot += 1
        for i in range(n_found):
            if slot < k and found_keys[i] == cut:
                out[b, slot] = found[i]
                slot += 1
        for j in range(n):
            if slot == k:
                break
            if row[j] <= 0:
                out[b, slot] = j
                slot += 1
