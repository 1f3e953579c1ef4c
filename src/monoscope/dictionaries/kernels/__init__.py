"""Products with few active features, forward and backward, that never touch the others.

Three sums over *bags*: slots that belong together, one after another, each with a row of a matrix and a value::

    dot_rows      out[s] = (x[bag of s] - origin) . rows[indices[s]]               a few pre-activations
    sum_rows      out[b] = sum_{s in bag b} values[s] * rows[indices[s]]           decoding
    scatter_rows  out[i] = sum_{s: indices[s] = i} values[s] * x[bag of s]         the gradient of rows in both

A bag is what one activation keeps, or a part of that: a decoder that is asked for several reconstructions at
once (Matryoshka, Multi-TopK) sums each part once. The three are closed under differentiation, and gradients
agree with plain autograd on dense codes to rounding. Each is a gather of slots x width numbers, and takes as
long as the memory needs to give them.
"""

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import embedding_bag

from monoscope.dictionaries.kernels.gradients import RowGradient, Slots, bags, sort_slots, weighted_sums

RUN = 512
"""Rows that are summed one after another where all of them are summed."""


def dot_rows(
    x: Float[Tensor, "bag d_model"],
    rows: Float[Tensor, "n_features d_model"],
    indices: Int[Tensor, " slot"],
    starts: Int[Tensor, " bag"],
    *,
    origin: Float[Tensor, " d_model"] | None = None,
    into: RowGradient | None = None,
) -> Float[Tensor, " slot"]:
    """``(x - origin) . rows[indices]``, each slot with the x of its bag; differentiable in all three.

    Args:
        x: one row for each bag.
        rows: what is chosen from.
        indices: the row of each slot.
        starts: the first slot of each bag.
        origin: the point that ``x`` is counted from; its gradient is one product of a vector with ``rows``.
        into: collects the gradient of ``rows``, which autograd then gives none.
    """
    return _DotRows.apply(x, rows, indices, starts, origin, into)  # type: ignore[no-any-return]


def sum_rows(
    values: Float[Tensor, " slot"],
    indices: Int[Tensor, " slot"],
    starts: Int[Tensor, " bag"],
    rows: Float[Tensor, "n_features d_model"],
    *,
    into: RowGradient | None = None,
) -> Float[Tensor, "bag d_model"]:
    """``sum values * rows[indices]`` over each bag; differentiable in ``values`` and ``rows``, as :func:`dot_rows`."""
    return _SumRows.apply(values, indices, starts, rows, into)  # type: ignore[no-any-return]


def pick_rows(
    rows: Float[Tensor, "n_features d_model"],
    indices: Int[Tensor, " picked"],
    *,
    into: RowGradient | None = None,
) -> Float[Tensor, "picked d_model"]:
    """``rows[indices]`` for distinct indices; differentiable in ``rows``, as :func:`dot_rows`."""
    return _PickRows.apply(rows, indices, into)  # type: ignore[no-any-return]


def scatter_rows(
    values: Float[Tensor, " slot"],
    indices: Int[Tensor, " slot"],
    starts: Int[Tensor, " bag"],
    x: Float[Tensor, "bag d_model"],
    n_features: int,
) -> Float[Tensor, "n_features d_model"]:
    """``out[i]``: the sum of ``values * x`` over the slots that hold ``i``; sorting puts them together."""
    order = sort_slots(indices, starts, n_features)
    return weighted_sums(Slots(values[order.order], order.owners, order.edges, order.rows, x))


def take(vector: Float[Tensor, " n_features"], indices: Int[Tensor, " slot"]) -> Float[Tensor, " slot"]:
    """``vector[indices]``, whose gradient is summed in one order.

    That of plain indexing is summed by several threads at once, in whatever order they come: two equal runs
    would end with different bits.
    """
    return _Take.apply(vector, indices)  # type: ignore[no-any-return]


def equal_bags(n_bags: int, size: int, device: torch.device) -> Int[Tensor, " bag"]:
    """Where bags of one size start."""
    return torch.arange(n_bags, device=device) * size


class _Take(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, vector: Tensor, indices: Tensor) -> Tensor:
        ctx.save_for_backward(indices)
        ctx.length = len(vector)
        return vector[indices]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore
        (indices,) = ctx.saved_tensors
        (gradient,) = gradients
        return gradient.new_zeros(ctx.length).index_add_(0, indices, gradient), None


class _DotRows(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, rows: Tensor, indices: Tensor, starts: Tensor,
        origin: Tensor | None, into: RowGradient | None,
    ) -> Tensor:  # fmt: skip
        x = x if origin is None else x - origin
        ctx.save_for_backward(x, rows, indices, starts)
        ctx.into = into
        return _dot(x, rows, indices, starts)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore
        x, rows, indices, starts = ctx.saved_tensors
        gradient = gradients[0].contiguous()
        to_x = _sum(gradient, indices, starts, rows) if ctx.needs_input_grad[0] else None
        to_rows = to_origin = None
        if ctx.needs_input_grad[1]:
            to_rows = _to_rows(ctx.into, gradient, indices, starts, x, len(rows))
        if ctx.needs_input_grad[4]:
            to_origin = -_total(gradient.new_zeros(len(rows)).index_add_(0, indices, gradient), rows)
        return to_x, to_rows, None, None, to_origin, None


class _SumRows(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, values: Tensor, indices: Tensor, starts: Tensor, rows: Tensor, into: RowGradient | None
    ) -> Tensor:
        ctx.save_for_backward(values, indices, starts, rows)
        ctx.into = into
        return _sum(values, indices, starts, rows)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore
        values, indices, starts, rows = ctx.saved_tensors
        gradient = gradients[0].contiguous()
        to_values = _dot(gradient, rows, indices, starts) if ctx.needs_input_grad[0] else None
        to_rows = None
        if ctx.needs_input_grad[3]:
            to_rows = _to_rows(ctx.into, values, indices, starts, gradient, len(rows))
        return to_values, None, None, to_rows, None


class _PickRows(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, indices: Tensor, into: RowGradient | None) -> Tensor:
        ctx.save_for_backward(indices)
        ctx.shape, ctx.into = rows.shape, into
        return rows[indices]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore
        (indices,) = ctx.saved_tensors
        if ctx.into is None:
            return gradients[0].new_zeros(ctx.shape).index_add_(0, indices, gradients[0]), None, None
        ctx.into.add_rows(indices, gradients[0])
        return None, None, None


def _to_rows(
    into: RowGradient | None, values: Tensor, indices: Tensor, starts: Tensor, x: Tensor, n_rows: int
) -> Tensor | None:
    if into is None:
        return scatter_rows(values, indices, starts, x, n_rows)
    into.add_slots(values, indices, starts, x, n_rows)
    return None


def _sum(values: Tensor, indices: Tensor, starts: Tensor, rows: Tensor) -> Tensor:
    if rows.device.type == "cuda":
        from monoscope.dictionaries.kernels import cuda

        return cuda.weighted_sum(values, indices, starts, rows)
    return embedding_bag(indices, rows, starts, per_sample_weights=values, mode="sum")


def _total(values: Tensor, rows: Tensor) -> Tensor:
    """``values @ rows``, summed in the same order by any number of threads."""
    if rows.device.type == "cuda":
        return values @ rows
    n = len(rows)
    return _sum(values, torch.arange(n), torch.arange(0, n, RUN), rows).sum(0)


def _dot(x: Tensor, rows: Tensor, indices: Tensor, starts: Tensor) -> Tensor:
    if rows.device.type == "cuda":
        from monoscope.dictionaries.kernels import cuda

        return cuda.dot(x, rows, indices, starts)
    # The gradient of a weighted sum of rows by its weights is this product, and torch has a kernel for it.
    product = torch.ops.aten._embedding_bag_per_sample_weights_backward
    return product(x.contiguous(), rows, indices, starts, bags(starts, len(indices)), 0)


def halves_are_fast(device: torch.device) -> bool:
    """True where a bfloat16 product is several times faster than a float32 one: GPUs, CPUs with AMX."""
    return device.type != "cpu" or torch.cpu._is_amx_tile_supported()
