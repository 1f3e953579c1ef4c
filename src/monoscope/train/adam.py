"""Adam for dictionaries: clipping, the constraint on directions and the step itself in one look at each number."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from monoscope.dictionaries.kernels.compiled import Compiled
from monoscope.dictionaries.kernels.gradients import RowGradient
from monoscope.train.mesh import ALONE, Mesh
from monoscope.train.sharding import COPIED

EPSILON = 6.25e-10
"""Added to the root of the mean square (Gao et al. 2024)."""


class Numbers(NamedTuple):
    """What a step needs to know beside the tensors."""

    first: float
    """Decay of the mean."""
    second: float
    """Decay of the mean square."""
    rate: float
    """Learning rate over the correction of the mean, ``rate / (1 - first^t)``."""
    root: float
    """Root of the correction of the mean square, ``sqrt(1 - second^t)``."""


@final
class Adam:
    """Adam (Kingma and Ba 2015, 1412.6980) with clipped gradients and, where asked, rows held at norm 1.

    For rows of norm 1 the gradient's part along the row is taken away first, since the constraint would undo
    it and the moments count a movement that never happens (Bricken et al. 2023). Then all gradients are scaled
    to a norm of at most ``clip`` together, then comes the step, and then rows are given norm 1 again.

    On a processor parameters, gradients and moments are read once and written once, by compiled loops; all
    together that is most of what a training step does beside its product.
    """

    def __init__(
        self,
        parameters: Mapping[str, nn.Parameter],
        *,
        betas: tuple[float, float],
        clip: float | None,
        unit_rows: frozenset[str] = frozenset(),
        mesh: Mesh = ALONE,
    ) -> None:
        """Moments of zero for each parameter.

        Args:
            parameters: what is moved, by name.
            betas: decays of the mean and of the mean square.
            clip: largest norm of all gradients together; None does not clip.
            unit_rows: names of the matrices whose rows keep norm 1.
            mesh: the ranks that have the other features; ``clip`` is for the gradients of all.
        """
        self.mesh = mesh
        self.parameters, self.betas, self.clip, self.unit_rows = dict(parameters), betas, clip, unit_rows
        self.means = {name: torch.zeros_like(parameter) for name, parameter in parameters.items()}
        self.squares = {name: torch.zeros_like(parameter) for name, parameter in parameters.items()}
        self.n_steps = 0

    @torch.no_grad()
    def step(self, rate: float, gathered: Mapping[str, RowGradient] | None = None) -> None:
        """Move every parameter that has a gradient.

        Args:
            rate: the learning rate.
            gathered: by name of a matrix, what is to be added to its gradient.
        """
        self.n_steps += 1
        first, second = self.betas
        numbers = Numbers(first, second, rate / (1 - first**self.n_steps), (1 - second**self.n_steps) ** 0.5)
        pulls = self._pulls(gathered or {})
        factor: float | Tensor = 1.0
        if self.clip is not None:
            factor = (self.clip / (self._square_norm(pulls).sqrt() + 1e-6)).clamp(max=1.0)
        for name, pull in pulls.items():
            moments = as_rows(self.means[name]), as_rows(self.squares[name])
            pull.move(*moments, name in self.unit_rows, factor, numbers)

    def _square_norm(self, pulls: Mapping[str, "CompiledPull | PlainPull"]) -> Float[Tensor, ""]:
        """The squared norm of the gradients of all ranks, each counted once."""
        squares = {name: pull.square_norm(name in self.unit_rows) for name, pull in pulls.items()}
        none = torch.zeros_like(next(iter(squares.values())))
        copied = sum((square for name, square in squares.items() if name in COPIED), none)
        parts = sum((square for name, square in squares.items() if name not in COPIED), none)
        return self.mesh.features.sum(parts) + copied

    def _pulls(self, gathered: Mapping[str, RowGradient]) -> dict[str, "CompiledPull | PlainPull"]:
        """What moves each parameter that is moved."""
        pulls = {}
        for name, parameter in self.parameters.items():
            more = gathered.get(name)
            if parameter.grad is None and (more is None or more.empty):
                continue
            dense = None if parameter.grad is None else as_rows(parameter.grad)
            pull = CompiledPull if parameter.device.type == "cpu" else PlainPull
            pulls[name] = pull(as_rows(parameter.detach()), dense, more)
        return pulls


def as_rows(tensor: Tensor) -> Float[Tensor, "row d"]:
    """A matrix row after row as it lies in memory; anything else as one row."""
    if tensor.ndim < 2:
        return tensor.reshape(1, -1)
    return tensor if tensor.is_contiguous() else tensor.T


@dataclass(frozen=True)
class PlainPull:
    """A parameter and its gradient, in torch's own operations, of which none waits for a GPU."""

    rows: Float[Tensor, "row d"]
    """The parameter."""
    dense: Float[Tensor, "row d"] | None
    """The gradient that autograd gave."""
    gathered: RowGradient | None
    """What is to be added to it."""

    @cached_property
    def gradient(self) -> Float[Tensor, "row d"]:
        """All of the gradient."""
        dense = torch.zeros_like(self.rows) if self.dense is None else self.dense
        if self.gathered is not None:
            self.gathered.add_to(dense)
        return dense

    def square_norm(self, unit: bool) -> Float[Tensor, ""]:
        """The squared norm of the gradient, of ``unit`` rows without what is along each row.

        For a row of norm 1, ``|g - (g . row) row|^2 = |g|^2 - (g . row)^2``.
        """
        whole = self.gradient.square().sum()
        return whole - (self.gradient * self.rows).sum(1).square().sum() if unit else whole

    def move(
        self,
        mean: Float[Tensor, "row d"],
        square: Float[Tensor, "row d"],
        unit: bool,
        factor: float | Float[Tensor, ""],
        numbers: Numbers,
    ) -> None:
        """One step in place; ``unit`` rows feel no pull along themselves and get norm 1."""
        gradient = self.gradient
        if unit:
            gradient = gradient - (gradient * self.rows).sum(1, keepdim=True) * self.rows
        gradient = gradient * factor
        mean.lerp_(gradient, 1 - numbers.first)
        square.lerp_(gradient.square(), 1 - numbers.second)
        self.rows.addcdiv_(mean, square.sqrt() / numbers.root + EPSILON, value=-numbers.rate)
        if unit:
            self.rows.div_(self.rows.norm(dim=1, keepdim=True))


@dataclass(frozen=True)
class CompiledPull:
    """A parameter and its gradient on a processor; the gradient of a row is summed when the row is at hand."""

    rows: Float[Tensor, "row d"]
    """The parameter."""
    dense: Float[Tensor, "row d"] | None
    """The gradient that autograd gave."""
    gathered: RowGradient | None
    """What is to be added to it."""

    @cached_property
    def sources(self) -> tuple[Tensor, ...]:
        """Everything the gradient is summed from: a matrix, slots and picked rows, each of which may be empty."""
        nothing, nowhere = self.rows.new_empty(0, self.rows.shape[1]), torch.empty(0, dtype=torch.int64)
        dense = nothing if self.dense is None else self.dense
        slots = None if self.gathered is None else self.gathered.slots
        told = (self.rows.new_empty(0), nowhere, nowhere, nothing)
        if slots is not None:
            told = (slots.values, slots.owners, slots.edges, slots.x)
        picked = None if self.gathered is None else self.gathered.rows
        if picked is None:
            return dense, *told, nothing, nowhere
        place = torch.full((len(self.rows),), -1)
        place[picked[0]] = torch.arange(len(picked[0]))
        return dense, *told, picked[1].contiguous(), place

    def square_norm(self, unit: bool) -> Float[Tensor, ""]:
        """As :meth:`PlainPull.square_norm`."""
        found = self.rows.new_empty(len(self.rows))
        _square_norms(len(self.rows), self.rows, *self.sources, found, unit)
        return found.sum()

    def move(
        self,
        mean: Float[Tensor, "row d"],
        square: Float[Tensor, "row d"],
        unit: bool,
        factor: float | Float[Tensor, ""],
        numbers: Numbers,
    ) -> None:
        """As :meth:`PlainPull.move`."""
        scalars = torch.tensor([float(factor), *numbers, EPSILON], dtype=self.rows.dtype)
        _move(len(self.rows), self.rows, *self.sources, mean, square, scalars, unit)
        # torch does not see what compiled loops write, and others ask it whether a tensor is what it was.
        torch.autograd.graph.increment_version(self.rows)


def _gradient_of_row(
    i: int, dense: Any, values: Any, owners: Any, edges: Any, x: Any, picked: Any, place: Any, total: Any
) -> None:
    if len(dense):
        total[:] = dense[i]
    else:
        total[:] = 0
    if len(place) and place[i] >= 0:
        total += picked[place[i]]
    if len(edges):
        slot, end = edges[i], edges[i + 1]
        while slot + 4 <= end:
            first, second = x[owners[slot]], x[owners[slot + 1]]
            third, fourth = x[owners[slot + 2]], x[owners[slot + 3]]
            a, b, c, d = values[slot], values[slot + 1], values[slot + 2], values[slot + 3]
            for j in range(len(total)):
                total[j] += (a * first[j] + b * second[j]) + (c * third[j] + d * fourth[j])
            slot += 4
        while slot < end:
            value, row = values[slot], x[owners[slot]]
            for j in range(len(total)):
                total[j] += value * row[j]
            slot += 1


def _along(one: Any, other: Any) -> Any:
    total = one.dtype.type(0)
    for j in range(len(one)):
        total += one[j] * other[j]
    return total


@Compiled.using(_gradient_of_row, _along)
def _square_norms(
    low: int, high: int, rows: Any, dense: Any, values: Any, owners: Any, edges: Any, x: Any, picked: Any,
    place: Any, found: Any, unit: bool,
) -> None:  # fmt: skip
    slope = np.empty(rows.shape[1], rows.dtype)
    for i in range(low, high):
        _gradient_of_row(i, dense, values, owners, edges, x, picked, place, slope)
        along = _along(slope, rows[i]) if unit else rows.dtype.type(0)
        found[i] = _along(slope, slope) - along * along


@Compiled.using(_gradient_of_row, _along)
def _move(
    low: int, high: int, rows: Any, dense: Any, values: Any, owners: Any, edges: Any, x: Any, picked: Any,
    place: Any, mean: Any, square: Any, scalars: Any, unit: bool,
) -> None:  # fmt: skip
    factor, first, second, rate, root, epsilon = scalars
    one = rows.dtype.type(1)
    slopes = np.empty(rows.shape[1], rows.dtype)
    for i in range(low, high):
        _gradient_of_row(i, dense, values, owners, edges, x, picked, place, slopes)
        row, means, squares = rows[i], mean[i], square[i]
        along = _along(slopes, row) if unit else rows.dtype.type(0)
        for j in range(len(row)):
            slope = (slopes[j] - along * row[j]) * factor
            means[j] = first * means[j] + (one - first) * slope
            squares[j] = second * squares[j] + (one - second) * slope * slope
            row[j] -= rate * means[j] / (np.sqrt(squares[j]) / root + epsilon)
        if unit:
            scale = one / np.sqrt(_along(row, row))
            for j in range(len(row)):
                row[j] *= scale
