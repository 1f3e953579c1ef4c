"""Centring and one factor for a site's activations, so that training options mean the same at every site."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from monoscope.errors import BrokenInput

Centring = Literal["geometric_median", "mean", "none"]
"""The point activations are counted from."""


@runtime_checkable
class Moments(Protocol):
    """What is known of all the activations of a site (an activation store's statistics have it)."""

    @property
    def mean(self) -> Tensor:
        """``E[x]``."""
        ...

    @property
    def mean_squared_norm(self) -> float:
        """``E|x|^2``."""
        ...


@dataclass(frozen=True)
class Scaling:
    """``apply(x) = (x - centre) * factor``, one factor for all tokens, so that ``E|apply(x)|^2 = d_model``.

    Sites joined for a crosscoder have a factor each, so that none outweighs the others.

    References: Templeton et al. 2024 (the factor); Gao et al. 2024, 2406.04093 (the geometric median).
    """

    centre: Float[Tensor, " d_model"]
    """The point that becomes 0."""
    factor: float | Float[Tensor, " d_model"]
    """What every activation is multiplied with, above 0; one for each entry where sites are joined."""

    def apply(self, x: Float[Tensor, "*batch d_model"]) -> Float[Tensor, "*batch d_model"]:
        """Centred and scaled activations."""
        return (x - self.centre) * self.factor

    def undo(self, x: Float[Tensor, "*batch d_model"]) -> Float[Tensor, "*batch d_model"]:
        """The activations that :meth:`apply` was given."""
        return x / self.factor + self.centre

    @classmethod
    def joined(cls, scalings: Sequence["Scaling"]) -> "Scaling":
        """That of activations side by side, each scaled as it was."""
        factors = [torch.as_tensor(each.factor).expand_as(each.centre) for each in scalings]
        return cls(torch.cat([each.centre for each in scalings]), torch.cat(factors))

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor]) -> "Scaling | None":
        """The scaling with this ``centre`` and ``factor``; None where there are none."""
        if not tensors:
            return None
        factor = tensors["factor"]
        return cls(tensors["centre"], factor if factor.ndim else float(factor))

    @classmethod
    def fit(
        cls, statistics: Moments | None, centring: Centring, sample: Float[Tensor, "batch d_model"]
    ) -> "Scaling":
        """Find the centre and the factor.

        Args:
            statistics: mean and mean squared norm over all activations; None: those of the sample are used.
            centring: which point becomes 0.
            sample: tens of thousands of activations, for the geometric median and in place of statistics.

        Raises:
            BrokenInput: the activations are all alike, or not finite: there is nothing to scale.
        """
        sample = sample.float()
        mean = sample.mean(0) if statistics is None else torch.as_tensor(statistics.mean, dtype=torch.float32)
        squared = float(sample.square().sum(1).mean()) if statistics is None else statistics.mean_squared_norm
        if centring == "geometric_median":
            centre = geometric_median(sample)
        else:
            centre = mean if centring == "mean" else torch.zeros_like(mean)
        spread = squared - 2 * float(centre @ mean) + float(centre @ centre)
        if not 1e-12 * squared < spread < float("inf"):
            raise BrokenInput(
                f"activations with mean squared distance {spread:g} from their centre cannot be scaled",
                "they are all alike or not finite: check the site and the text they were harvested on",
            )
        return cls(centre, (sample.shape[1] / spread) ** 0.5)


def geometric_median(
    points: Float[Tensor, "batch d_model"], *, tolerance: float = 1e-5, steps: int = 100
) -> Float[Tensor, " d_model"]:
    """The point of least summed distance to ``points``: a centre that a few huge activations cannot move.

    Weiszfeld's iteration ``m <- sum_i x_i / |x_i - m| / sum_i 1 / |x_i - m|`` from the mean, until it moves
    by less than ``tolerance`` times the mean distance, at most ``steps`` times. Distances below
    ``tolerance`` of the mean one are raised to it, so that landing on a point is no division by zero.
    """
    median = points.mean(0)
    for _ in range(steps):
        distances = torch.linalg.vector_norm(points - median, dim=1)
        typical = float(distances.mean())
        if typical == 0:
            break
        weights = distances.clamp(min=tolerance * typical).reciprocal()
        moved = weights @ points / weights.sum()
        shift = float((moved - median).norm())
        median = moved
        if shift < tolerance * typical:
            break
    return median
