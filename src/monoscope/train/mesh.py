"""Several processes that learn one dictionary: who has which part of it, and what they tell one another.

Ranks form a grid, ``data x features``. Those of one row hold a part of the features each and see the same
activations; those of one column hold the same features and see a part of the batch each. Every collective is
called by name, and is the identity where there is nobody to talk to: one process runs the same code.

Two of them are differentiable (Shoeybi et al. 2019, 1909.08053, section 3). Every rank of a row computes the same
loss from the same summed reconstruction, so what flows back to its own summand is the gradient as it is
(:meth:`Axis.sum`); and what all ranks have a copy of, but each uses for its own features alone, needs the sum of
their gradients (:meth:`Axis.shared`).
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from jaxtyping import Bool, Float
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import pad

from monoscope.errors import MonoscopeError, WrongUse

PATIENCE = timedelta(days=1)
"""How long a process waits for another that is alive: the first may harvest meanwhile."""


@dataclass(frozen=True)
class Axis:
    """Ranks along one side of the grid; all of them call the same methods in the same order."""

    size: int = 1
    """How many they are."""
    rank: int = 0
    """Which of them this process is."""
    group: "dist.ProcessGroup | None" = None
    """What they talk through."""

    def sum(self, each: Tensor) -> Tensor:
        """The sum of what each rank gives, the same on all; its gradient is that of every summand.

        Halves are summed in float32.
        """
        return each if self.size == 1 else _Sum.apply(each, self.group)  # type: ignore[return-value]

    def shared(self, copy: Tensor) -> Tensor:
        """A tensor that all ranks have a copy of, for use with each one's own part: gradients are summed."""
        return copy if self.size == 1 else _Shared.apply(copy, self.group)  # type: ignore[return-value]

    @torch.no_grad()
    def mean(self, each: Tensor) -> Tensor:
        """The mean of what each rank gives; a constant."""
        return each if self.size == 1 else self.sum(each) / self.size

    @torch.no_grad()
    def max(self, each: Tensor) -> Tensor:
        """The largest, entry by entry; a constant."""
        if self.size == 1:
            return each
        most = each.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(most, dist.ReduceOp.MAX, group=self.group)
        return most

    @torch.no_grad()
    def average(self, tensors: Iterable[Tensor]) -> None:
        """Put the mean over the ranks in place of each tensor."""
        if self.size == 1:
            return
        for tensor in tensors:
            # An encoder and its gradient are stored feature by feature.
            stored = tensor if tensor.is_contiguous() else tensor.T
            dist.all_reduce(stored, group=self.group)
            stored /= self.size

    def count(self, mine: int) -> int:
        """The sum of a number that each rank has."""
        return mine if self.size == 1 else int(self.sum(torch.tensor(mine)))

    @torch.no_grad()
    def gather(self, each: Tensor, dim: int = 0) -> Tensor:
        """What the ranks give, equal in shape, one after another along ``dim``; a constant."""
        if self.size == 1:
            return each
        each = each.contiguous()
        parts = [torch.empty_like(each) for _ in range(self.size)]
        dist.all_gather(parts, each, group=self.group)
        return torch.cat(parts, dim)

    def of_first(self, each: Tensor) -> Tensor:
        """What the first rank gives; all of them give the same shape."""
        return each if self.size == 1 else self.gather(each)[: len(each)]

    def part(self, whole: Tensor, dim: int = 0) -> Tensor:
        """One of as many equal parts along ``dim`` as there are ranks: a view, and what :meth:`gather` undoes."""
        length = whole.shape[dim] // self.size
        return whole.narrow(dim, self.rank * length, length)

    @torch.no_grad()
    def largest(
        self, candidates: Float[Tensor, "row candidate"], k: int, *, at_most: int | None = None
    ) -> Bool[Tensor, "row candidate"]:
        """Which of this rank's candidates are among the ``k`` largest of their row on all ranks.

        Of equal ones those of lower ranks are taken, and on a rank those that come first.

        Args:
            candidates: not every rank needs to have as many.
            k: how many are wanted of each row.
            at_most: how many candidates of a row a rank may have; None: ``k``.
        """
        mine = candidates.shape[1]
        missing = (k if at_most is None else at_most) - mine
        together = self.gather(pad(candidates, (0, missing), value=-torch.inf), dim=1)
        last = together.topk(min(k, together.shape[1]), dim=1, sorted=False).values.amin(1, keepdim=True)
        above, level = together > last, together == last
        room = k - above.sum(1, keepdim=True)
        return self.part(above | (level & (level.cumsum(1) <= room)), dim=1)[:, :mine]

    def only_largest(
        self, candidates: Float[Tensor, "row candidate"], k: int
    ) -> Float[Tensor, "row candidate"]:
        """The candidates, with 0 for those that :meth:`largest` leaves out; differentiable."""
        return candidates if self.size == 1 else candidates * self.largest(candidates, k)


@dataclass(frozen=True)
class Mesh:
    """The grid; by default a single process."""

    data: Axis = Axis()
    """Ranks with the same features, each with a part of the batch."""
    features: Axis = Axis()
    """Ranks with the same activations, each with a part of the features."""
    every: Axis = Axis()
    """All ranks."""

    @classmethod
    def over(cls, data: int, features: int, device: str = "cpu") -> "Mesh":
        """The grid of all processes of ``torch.distributed``, which must be initialised.

        Args:
            data: parts of the batch.
            features: parts of the features.
            device: kind of device that activations are on, ``cpu`` or ``cuda``.

        Raises:
            WrongUse: there are not ``data * features`` processes.
        """
        from torch.distributed.device_mesh import init_device_mesh

        world = dist.get_world_size()
        if data * features != world:
            raise WrongUse(
                f"{world} processes are no grid of {data} x {features}", "give two numbers with that product"
            )
        grid = init_device_mesh(device, (data, features), mesh_dim_names=("data", "features"))
        axes = {
            name: Axis(size, grid.get_local_rank(name), grid.get_group(name))
            for name, size in (("data", data), ("features", features))
        }
        return cls(**axes, every=Axis(world, dist.get_rank(), dist.group.WORLD))

    @property
    def first(self) -> bool:
        """True for the one process that writes and speaks."""
        return self.every.rank == 0

    def overall(self, each: Tensor) -> Tensor:
        """A sum over features and mean over activations, of each rank's sum over its own and mean over its own."""
        return self.data.mean(self.features.sum(each))

    def agree(self, *flags: bool) -> tuple[bool, ...]:
        """For each flag whether any process raised it, the same on all."""
        if self.every.size == 1:
            return flags
        return tuple(self.every.max(torch.tensor(flags, dtype=torch.uint8)).bool().tolist())

    def meet(self) -> None:
        """Wait until every process is here."""
        self.agree(True)


ALONE = Mesh()
"""One process: every collective is the identity."""


@contextmanager
def torchrun(feature_ranks: int | None = None) -> Iterator[Mesh]:
    """The grid of the processes that ``torchrun`` started; one process where it did not.

    By default all ranks share the features. That costs a sum of reconstructions a step, ``batch x d_out``, where
    sharing the batch costs one of both matrices' gradients; and a dictionary may be larger than one device. All
    processes must see the same folders. Activations are on the CPU, or each process's on a CUDA device of its own.

    Args:
        feature_ranks: how many ranks share the features; each group of so many has a part of the batch.

    Raises:
        WrongUse: the processes cannot be put into such groups.
        MonoscopeError: another process ended within the block.
    """
    world = int(os.environ["WORLD_SIZE"]) if "RANK" in os.environ else 1
    features = world if feature_ranks is None else feature_ranks
    if features < 1 or world % features:
        raise WrongUse(
            f"{world} process{'es' * (world > 1)} cannot be put into groups of {features} that share the features",
            "start more with torchrun --nproc-per-node"
            if features > world
            else f"give --feature-ranks a divisor of {world}",
        )
    if world == 1:
        yield ALONE
        return
    here = int(os.environ.get("LOCAL_WORLD_SIZE", world))
    device = "cuda" if here <= torch.cuda.device_count() else "cpu"
    dist.init_process_group("cpu:gloo,cuda:nccl" if device == "cuda" else "gloo", timeout=PATIENCE)
    try:
        yield Mesh.over(world // features, features, device)
    except RuntimeError as error:
        if not (isinstance(error, dist.DistError) or "by peer" in str(error)):
            raise
        hint = "see what that one says; the same command goes on from the last checkpoint"
        raise MonoscopeError("another process ended, and this one cannot go on without it", hint) from error
    finally:
        dist.destroy_process_group()


class _Sum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, each: Tensor, group: Any) -> Tensor:
        return _total(each, group)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore
        return gradients[0], None


class _Shared(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, copy: Tensor, group: Any) -> Tensor:
        ctx.group = group
        return copy.view_as(copy)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore
        return _total(gradients[0], ctx.group), None


def _total(each: Tensor, group: Any) -> Tensor:
    dtype = torch.float32 if each.dtype in (torch.bfloat16, torch.float16) else each.dtype
    total = each.to(dtype, copy=True, memory_format=torch.contiguous_format)
    dist.all_reduce(total, group=group)
    return total
