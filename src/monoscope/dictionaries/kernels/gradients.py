"""Gradients of a matrix's rows, kept as what they are summed from instead of as a matrix.

A step of TopK touches each row of encoder and decoder through a few slots. Written out, their gradients are two
matrices as large as the dictionary that are written once and read twice; an optimiser that sums each row when
it moves it needs neither.
"""

from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import embedding_bag


@dataclass(frozen=True, slots=True)
class Slots:
    """Row i's gradient is ``sum values * x[owners]`` over the slots ``edges[i]`` to ``edges[i + 1]``."""

    values: Float[Tensor, " slot"]
    """Weight of each slot."""
    owners: Int[Tensor, " slot"]
    """Row of ``x`` that it adds."""
    edges: Int[Tensor, " row_and_one"]
    """Where each row's slots begin and end."""
    rows: Int[Tensor, " slot"]
    """The row of each slot."""
    x: Float[Tensor, "bag d"]
    """What is added."""


@dataclass(frozen=True, slots=True)
class Sorted:
    """An order of slots in which those of one row are together."""

    order: Int[Tensor, " slot"]
    """The slot that comes at each place."""
    owners: Int[Tensor, " slot"]
    """Its bag."""
    edges: Int[Tensor, " row_and_one"]
    """Where each row's slots begin and end."""
    rows: Int[Tensor, " slot"]
    """The row of each slot, in that order."""


def sort_slots(indices: Int[Tensor, " slot"], starts: Int[Tensor, " bag"], n_rows: int) -> Sorted:
    """Put the slots of each row together, in the order of their bags."""
    narrow = indices.to(torch.int16 if n_rows <= torch.iinfo(torch.int16).max else torch.int32)
    rows, order = narrow.sort(stable=True)
    edges = torch.searchsorted(rows, torch.arange(n_rows + 1, device=rows.device, dtype=rows.dtype))
    return Sorted(order, bags(starts, len(indices))[order], edges, rows)


def bags(starts: Int[Tensor, " bag"], n_slots: int) -> Int[Tensor, " slot"]:
    """The bag that each slot belongs to."""
    ends = torch.cat([starts[1:], starts.new_full((1,), n_slots)])
    numbers = torch.arange(len(starts), device=starts.device)
    return numbers.repeat_interleave(ends - starts, output_size=n_slots)


@final
class Sorter:
    """Sorts slots once, however many matrices they touch."""

    def __init__(self) -> None:
        self.last: tuple[Tensor, Tensor, Sorted] | None = None

    def __call__(self, indices: Int[Tensor, " slot"], starts: Int[Tensor, " bag"], n_rows: int) -> Sorted:
        """The slots in the order of their rows."""
        if self.last is not None and same(self.last[0], indices) and same(self.last[1], starts):
            return self.last[2]
        self.last = (indices, starts, sort_slots(indices, starts, n_rows))
        return self.last[2]


def same(one: Tensor, other: Tensor) -> bool:
    """True for two tensors on the same memory."""
    return one.data_ptr() == other.data_ptr() and one.shape == other.shape


@final
class RowGradient:
    """The gradient of one matrix, collected while autograd goes backward: each kind once a step."""

    def __init__(self, sorter: Sorter | None = None) -> None:
        self.sorter = sorter or Sorter()
        self.slots: Slots | None = None
        self.rows: tuple[Int[Tensor, " picked"], Float[Tensor, "picked d"]] | None = None

    def add_slots(
        self,
        values: Float[Tensor, " slot"],
        indices: Int[Tensor, " slot"],
        starts: Int[Tensor, " bag"],
        x: Float[Tensor, "bag d"],
        n_rows: int,
    ) -> None:
        """``values * x[bag]`` for the row of each slot."""
        assert self.slots is None, "the slots of a matrix are collected once a step"
        order = self.sorter(indices, starts, n_rows)
        self.slots = Slots(values[order.order], order.owners, order.edges, order.rows, x.contiguous())

    def add_rows(self, indices: Int[Tensor, " picked"], gradient: Float[Tensor, "picked d"]) -> None:
        """A gradient for some rows, which are distinct."""
        assert self.rows is None, "the picked rows of a matrix are collected once a step"
        self.rows = (indices, gradient)

    def clear(self) -> None:
        """Begin anew."""
        self.slots = self.rows = self.sorter.last = None

    @property
    def empty(self) -> bool:
        """True when nothing was collected."""
        return self.slots is None and self.rows is None

    def add_to(self, dense: Float[Tensor, "row d"]) -> None:
        """Add it, written out, to a matrix."""
        if self.slots is not None:
            dense += weighted_sums(self.slots)
        if self.rows is not None:
            dense.index_add_(0, *self.rows)


def weighted_sums(slots: Slots) -> Float[Tensor, "row d"]:
    """``sum values * x[owners]`` over the slots of each row."""
    if slots.x.device.type == "cuda":
        from monoscope.dictionaries.kernels import cuda

        out = slots.x.new_empty(len(slots.edges) - 1, slots.x.shape[1])
        cuda.weighted_runs(slots.values, slots.owners, slots.edges, slots.rows, slots.x, out)
        return out
    return embedding_bag(slots.owners, slots.x, slots.edges[:-1], per_sample_weights=slots.values, mode="sum")
