"""The largest entries of a product, which is never there as a whole."""

from typing import no_type_check

import torch
import triton
import triton.language as tl
from jaxtyping import Float, Int
from torch import Tensor

from monoscope.dictionaries.kernels.cuda.sums import FUSED, result_type
from monoscope.errors import WrongUse

L2_BYTES = 2**25
"""Scratch that stays in the second-level cache: 40 MB on an A100, 50 MB on an H100 or H200."""
FEWEST_ROWS = 512
"""Rows of a block: enough for reading the encoder to hide behind the arithmetic."""


def largest_products(
    x: Float[Tensor, "batch d_model"],
    encoder: Float[Tensor, "n_features d_model"],
    bias: Float[Tensor, " n_features"],
    k: int,
) -> Int[Tensor, "batch k"]:
    """Indices of the ``k`` largest entries of each row of ``x @ encoder.T + bias``, in rising order of index.

    Exact for the entries as the product rounds them to its type, bfloat16 for instance. Of equal entries those
    of lowest index are taken; NaN counts as infinity.

    Method: cuBLAS writes the entries of a block of rows into scratch memory. Groups of neighbouring entries are
    reduced to their maxima; the ``k`` groups that come first by (maximum, lower index) hold the ``k`` entries
    that come first by (value, lower index), since an entry of any other group comes after those ``k`` maxima.
    One program for each row finds the groups, then the entries among theirs. Each time it builds the ``k``-th
    largest from its highest bit down, by counting; it sorts nothing, and equal entries cost it no more.

    Traffic, for entries of e bytes: an entry takes 2 d_model operations, and 2 e bytes to write it to scratch and
    read it back; maxima and candidates are a small share of that. In bfloat16 at d_model 2304 that makes 1152
    operations a byte. A chip does about 150 (A100), 300 (H100) or 200 (H200) while it moves one byte to or from
    memory, so at those rates the traffic takes 13, 26 or 17 % of the product's time. Half of it is the writing,
    which no product goes without, and scratch that stays in the second-level cache costs next to nothing. But a
    block of R rows reads the whole encoder, for R operations a byte in bfloat16: with few rows the product itself
    waits for memory. So a block has as many rows as stay in the cache, and not fewer than :data:`FEWEST_ROWS`.

    Memory: 32 MiB, or 512 rows of scratch if that is more; 64 MiB for 65,536 features in bfloat16.

    Args:
        x: float32, bfloat16 or float16.
        encoder: one row a feature, in the type of ``x``.
        bias: of any floating type; rounded to that of ``x``.
        k: entries to find in each row.

    Raises:
        WrongUse: ``k`` is below 1 or above ``n_features``, or ``x`` is float64.
    """
    n_features = len(encoder)
    if not 1 <= k <= n_features:
        raise WrongUse(f"k = {k} of {n_features} features cannot be found", "give a k from 1 to n_features")
    dtype = result_type(x, encoder)
    cached = L2_BYTES // (n_features * dtype.itemsize) // 128 * 128
    size = max(1, min(len(x), max(FEWEST_ROWS, cached)))
    scratch, addend = x.new_empty(size, n_features), bias.detach().to(dtype)
    out = torch.empty(len(x), k, dtype=torch.int64, device=x.device)
    with torch.cuda.device_of(x):
        for block, indices in zip(x.detach().split(size), out.split(size), strict=True):
            products = scratch[: len(block)]
            torch.addmm(addend, block, encoder.detach().T, out=products)
            _largest(products, indices)
    return out


def _group_size(n_features: int, k: int) -> int:
    """Entries in a group: what leaves the least to look at, 1 being no groups; a power of two."""
    sizes = [1] + [size for size in (8, 16, 32, 64, 128) if triton.cdiv(n_features, size) >= k]
    return min(sizes, key=lambda size: n_features if size == 1 else n_features // size + size * k)


def _largest(entries: Tensor, out: Tensor) -> None:
    """Write the indices of the largest entries of each row, as many as ``out`` has columns."""
    (n_rows, n_features), k = entries.shape, out.shape[1]
    size = _group_size(n_features, k)
    if size == 1:
        _choose(entries, entries, out, n_features, 1)
        return
    n_groups = triton.cdiv(n_features, size)
    maxima = entries.new_empty(n_rows, n_groups)
    groups = out.new_empty(n_rows, k, dtype=torch.int32)
    at_once = min(4096 // size, triton.next_power_of_2(n_groups))
    grid = (n_rows, triton.cdiv(n_groups, at_once))
    _maxima_kernel[grid](entries, maxima, n_features, n_groups, GROUPS=at_once, SIZE=size, **FUSED)
    _choose(maxima, maxima, groups, n_groups, 1)
    _choose(entries, groups, out, k * size, size)


def _choose(entries: Tensor, groups: Tensor, out: Tensor, n_candidates: int, size: int) -> None:
    """One round of the search: among all entries of a row, or among those of its groups of ``size``."""
    block = triton.next_power_of_2(n_candidates)
    bits = 16 if entries.dtype == torch.bfloat16 else 32
    sizes = (entries.shape[1], n_candidates, out.shape[1])
    launch = {"num_warps": min(16, max(1, block // 512)), **FUSED}
    _choose_kernel[len(entries),](entries, groups, out, *sizes, SIZE=size, BLOCK=block, BITS=bits, **launch)


# The run-time check of shapes must leave kernels alone: Triton compiles their source.


@triton.jit
@no_type_check
def _maxima_kernel(entries, maxima, n_features, n_groups, GROUPS: tl.constexpr, SIZE: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    groups = tl.program_id(1) * GROUPS + tl.arange(0, GROUPS)
    columns = groups[:, None] * SIZE + tl.arange(0, SIZE)[None, :]
    read = tl.load(entries + row * n_features + columns, mask=columns < n_features, other=float("-inf"))
    numbers = read.to(tl.float32)
    numbers = tl.where(numbers != numbers, float("inf"), numbers)
    tl.store(maxima + row * n_groups + groups, tl.max(numbers, 1), mask=groups < n_groups)


@triton.jit
@no_type_check
def _choose_kernel(
    entries,
    groups,
    out,
    n_entries,
    n_candidates,
    k,
    SIZE: tl.constexpr,
    BLOCK: tl.constexpr,
    BITS: tl.constexpr,
):
    row = tl.program_id(0).to(tl.int64)
    candidates = tl.arange(0, BLOCK)
    there = candidates < n_candidates
    if SIZE == 1:
        columns = candidates
    else:
        group = tl.load(groups + row * k + candidates // SIZE, mask=there, other=0)
        columns = group * SIZE + candidates % SIZE
        there = there & (columns < n_entries)
    numbers = tl.load(entries + row * n_entries + columns, mask=there, other=0).to(tl.float32)
    numbers = tl.where(numbers != numbers, float("inf"), numbers)
    # Integers in the order of the numbers: zero for no number, and no difference between the two zeros.
    bits = tl.where(numbers == 0, 0.0, numbers).to(tl.uint32, bitcast=True)
    keys = tl.where(bits >> 31 != 0, ~bits, bits | 0x80000000) >> (32 - BITS)
    keys = tl.where(there, keys, 0)
    smallest = tl.full((), 0, tl.uint32)
    for step in range(BITS):
        guess = smallest | (tl.full((), 1, tl.uint32) << (BITS - 1 - step))
        smallest = tl.where(tl.sum((keys >= guess).to(tl.int32)) >= k, guess, smallest)
    above, equal = keys > smallest, keys == smallest
    room = k - tl.sum(above.to(tl.int32))
    chosen = above | (equal & (tl.cumsum(equal.to(tl.int32), 0) <= room))
    place = tl.cumsum(chosen.to(tl.int32), 0) - 1
    tl.store(out + row * k + place, columns, mask=chosen)
