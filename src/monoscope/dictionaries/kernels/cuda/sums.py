"""Weighted sums of few rows, and products with them.

The kernels work on tiles of slots by columns with :data:`TILE` entries: 16 for each of 128 threads, two or four
loads of 16 bytes. A tile is as wide as the rows, at least 16 and at most 512 columns, and what is left goes into
slots: 4 at width 512 and above, 32 at width 64.
"""

from typing import no_type_check

import torch
import triton
import triton.language as tl
from jaxtyping import Float, Int
from torch import Tensor

from monoscope.dictionaries.kernels.gradients import sort_slots
from monoscope.errors import WrongUse

TILE = 2048
"""Entries that a program of 128 threads loads at a time."""
RUN = 512
"""Sorted slots in a part; a feature that fills whole parts is summed by several programs."""
FUSED = {"enable_fp_fusion": True}
"""Multiply and add in one instruction; said outright because the default differs between Triton's versions."""


def dot(
    x: Float[Tensor, "bag d_model"],
    rows: Float[Tensor, "n_features d_model"],
    indices: Int[Tensor, " slot"],
    starts: Int[Tensor, " bag"],
) -> Float[Tensor, " slot"]:
    """``x . rows[indices]``, each slot with the x of its bag.

    Programs have equally many slots, however unequal the bags are.

    Args:
        x: one vector for each bag.
        rows: copied first if not contiguous.
        indices: which row each slot multiplies.
        starts: the first slot of each bag; a bag that starts where the next one does is empty.

    Returns:
        The products, in the wider type of ``x`` and ``rows``.

    Raises:
        WrongUse: ``x`` or ``rows`` is float64.
    """
    out = x.new_empty(len(indices), dtype=result_type(x, rows))
    slots, width = _tile(x.shape[1])
    with torch.cuda.device_of(x):
        owners, grid = _owners(starts, len(indices)), (triton.cdiv(len(indices), slots),)
        x, rows = x.contiguous(), rows.contiguous()
        _dot_kernel[grid](
            x, rows, indices, owners, out, len(indices), x.shape[1], SLOTS=slots, WIDTH=width, **FUSED
        )
    return out


def weighted_sum(
    values: Float[Tensor, " slot"],
    indices: Int[Tensor, " slot"],
    starts: Int[Tensor, " bag"],
    rows: Float[Tensor, "n_features d_model"],
) -> Float[Tensor, "bag d_model"]:
    """``sum values * rows[indices]`` over each bag; zeros for an empty one.

    One program for each bag and block of columns. Bags are not split: there are as many as activations, and
    none is longer than an activation has features.

    Args:
        values: the weight of each slot.
        indices: which row each slot adds.
        starts: the first slot of each bag.
        rows: copied first if not contiguous.

    Returns:
        The sums, in the wider type of ``values`` and ``rows``.

    Raises:
        WrongUse: ``values`` or ``rows`` is float64.
    """
    out = rows.new_empty(len(starts), rows.shape[1], dtype=result_type(values, rows))
    with torch.cuda.device_of(rows):
        _sum(values.contiguous(), indices, starts, rows.contiguous(), out)
    return out


def scatter(
    values: Float[Tensor, " slot"],
    indices: Int[Tensor, " slot"],
    starts: Int[Tensor, " bag"],
    x: Float[Tensor, "bag d_model"],
    n_features: int,
    out: Float[Tensor, "n_features d_model"] | None = None,
) -> Float[Tensor, "n_features d_model"]:
    """``out[i]``: the sum of ``values * x`` over the slots that hold ``i``; zeros where none does.

    A stable sort puts the slots of a feature together, and they are added in that order: equal inputs give
    equal bits, which atomic additions do not. The sorted slots are cut into parts of :data:`RUN`. A part that
    lies within one feature is summed by programs of its own, and the feature adds that sum where its slots would
    have been. So no program adds more than 2 :data:`RUN` slots and one sum for every :data:`RUN` further ones,
    and how many parts there are is known without asking the device.

    Args:
        values: the weight of each slot.
        indices: which row of the result each slot is added to.
        starts: the first slot of each bag.
        x: one vector for each bag.
        n_features: rows of the result.
        out: contiguous memory for the result, of any type; None: new, in the wider type of ``values`` and ``x``.

    Returns:
        The sums; ``out`` if it was given.

    Raises:
        WrongUse: ``values``, ``x`` or ``out`` is float64, or ``out`` is not contiguous.
    """
    out = x.new_empty(n_features, x.shape[1], dtype=result_type(values, x)) if out is None else out
    result_type(out)
    if not out.is_contiguous():
        raise WrongUse(f"out has strides {out.stride()}", "give contiguous memory")
    order = sort_slots(indices, starts, n_features)
    weighted_runs(values[order.order], order.owners, order.edges, order.rows, x, out)
    return out


def weighted_runs(
    values: Float[Tensor, " slot"],
    owners: Int[Tensor, " slot"],
    edges: Int[Tensor, " row_and_one"],
    rows: Int[Tensor, " slot"],
    x: Float[Tensor, "bag d_model"],
    out: Float[Tensor, "row d_model"],
) -> None:
    """What :func:`scatter` does once slots are sorted: ``rows`` has the row of each, ``edges`` where it begins."""
    with torch.cuda.device_of(x):
        _sum(values, owners, edges[:-1], x.contiguous(), out, rows)


def result_type(*tensors: Tensor) -> torch.dtype:
    """The widest type of the tensors.

    Raises:
        WrongUse: it is float64.
    """
    dtype = tensors[0].dtype
    for tensor in tensors:
        dtype = torch.promote_types(dtype, tensor.dtype)
    if dtype == torch.float64:
        raise WrongUse("the CUDA kernels add in float32, and a tensor is float64", "give float32 or narrower")
    return dtype


def _tile(d_model: int) -> tuple[int, int]:
    width = min(512, max(16, triton.next_power_of_2(d_model)))
    return TILE // width, width


def _owners(starts: Tensor, n_slots: int) -> Tensor:
    """The bag of each slot: of bags that start there, the last, which alone is not empty."""
    slots = torch.arange(n_slots, device=starts.device)
    return torch.searchsorted(starts, slots, right=True) - 1


def _sum(
    values: Tensor, indices: Tensor, starts: Tensor, rows: Tensor, out: Tensor, bags: Tensor | None = None
) -> None:
    """Sum each bag; given the bag of every slot, long ones in parts."""
    n_slots, (n_bags, d_model) = len(values), out.shape
    slots, width = _tile(d_model)
    blocks = triton.cdiv(d_model, width)
    launch = {"RUN": 0 if bags is None else RUN, "SLOTS": slots, "WIDTH": width, **FUSED}
    partials = out
    if bags is not None:
        partials = rows.new_empty(n_slots // RUN, d_model, dtype=torch.float32)
        _part_kernel[n_slots // RUN, blocks](values, indices, bags, rows, partials, d_model, **launch)
    tensors, sizes = (values, indices, starts, rows, partials, out), (n_bags, n_slots, d_model)
    _bag_kernel[n_bags, blocks](*tensors, *sizes, **launch)


# The run-time check of shapes must leave kernels alone: Triton compiles their source.


@triton.jit
@no_type_check
def _dot_kernel(x, rows, indices, owners, out, n_slots, d_model, SLOTS: tl.constexpr, WIDTH: tl.constexpr):
    slots = tl.program_id(0) * SLOTS + tl.arange(0, SLOTS)
    there = slots < n_slots
    row = tl.load(indices + slots, mask=there, other=0).to(tl.int64)[:, None] * d_model
    owner = tl.load(owners + slots, mask=there, other=0).to(tl.int64)[:, None] * d_model
    total = tl.zeros((SLOTS, WIDTH), tl.float32)
    for first in range(0, d_model, WIDTH):
        columns = first + tl.arange(0, WIDTH)[None, :]
        inside = there[:, None] & (columns < d_model)
        left = tl.load(x + owner + columns, mask=inside, other=0).to(tl.float32)
        total += left * tl.load(rows + row + columns, mask=inside, other=0).to(tl.float32)
    tl.store(out + slots, tl.sum(total, 1), mask=there)


@triton.jit
@no_type_check
def _add_slots(total, values, indices, rows, first, last, columns, d_model, SLOTS: tl.constexpr):
    for start in range(first, last, SLOTS):
        slots = start + tl.arange(0, SLOTS)
        there = slots < last
        weights = tl.load(values + slots, mask=there, other=0).to(tl.float32)[:, None]
        row = tl.load(indices + slots, mask=there, other=0).to(tl.int64)[:, None] * d_model
        inside = there[:, None] & (columns < d_model)
        total += weights * tl.load(rows + row + columns, mask=inside, other=0).to(tl.float32)
    return total


@triton.jit
@no_type_check
def _part_kernel(
    values,
    indices,
    bags,
    rows,
    partials,
    d_model,
    RUN: tl.constexpr,
    SLOTS: tl.constexpr,
    WIDTH: tl.constexpr,
):
    part = tl.program_id(0)
    first = part * RUN
    if tl.load(bags + first) == tl.load(bags + first + RUN - 1):
        columns = tl.program_id(1) * WIDTH + tl.arange(0, WIDTH)[None, :]
        total = tl.zeros((SLOTS, WIDTH), tl.float32)
        total = _add_slots(total, values, indices, rows, first, first + RUN, columns, d_model, SLOTS)
        place = partials + part.to(tl.int64) * d_model + columns
        tl.store(place, tl.sum(total, 0)[None, :], mask=columns < d_model)


@triton.jit
@no_type_check
def _bag_kernel(
    values,
    indices,
    starts,
    rows,
    partials,
    out,
    n_bags,
    n_slots,
    d_model,
    RUN: tl.constexpr,
    SLOTS: tl.constexpr,
    WIDTH: tl.constexpr,
):
    bag = tl.program_id(0)
    columns = tl.program_id(1) * WIDTH + tl.arange(0, WIDTH)[None, :]
    first = tl.load(starts + bag).to(tl.int32)
    last = tl.load(starts + bag + 1, mask=bag + 1 < n_bags, other=n_slots).to(tl.int32)
    total = tl.zeros((SLOTS, WIDTH), tl.float32)
    if RUN > 0:
        part, end = tl.cdiv(first, RUN), last // RUN
        if part < end:
            total = _add_slots(total, values, indices, rows, first, part * RUN, columns, d_model, SLOTS)
            for start in range(part, end, SLOTS):
                parts = start + tl.arange(0, SLOTS)[:, None]
                inside = (parts < end) & (columns < d_model)
                total += tl.load(partials + parts.to(tl.int64) * d_model + columns, mask=inside, other=0)
            first = end * RUN
    total = _add_slots(total, values, indices, rows, first, last, columns, d_model, SLOTS)
    place = out + bag.to(tl.int64) * d_model + columns
    tl.store(place, tl.sum(total, 0)[None, :], mask=columns < d_model)
