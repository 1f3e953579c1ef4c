"""Activations whose features are known, because they were put there."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from monoscope.errors import WrongUse


@dataclass(frozen=True)
class PlantedDictionary:
    """Sparse sums of fixed directions, ``x = codes @ directions``: superposition with the answer at hand.

    Each feature is on with probability ``density``, independently of the others, with a magnitude uniform
    between 0.5 and 1.5.
    """

    directions: Float[Tensor, "n_features d_model"]
    """The planted features, of norm 1."""
    density: float
    """Probability that a feature is on."""

    def sample(self, n: int, seed: int) -> tuple[Float[Tensor, "n d_model"], Float[Tensor, "n n_features"]]:
        """``n`` activations and the codes that made them; equal seeds give equal samples."""
        generator = torch.Generator().manual_seed(seed)
        shape = (n, len(self.directions))
        on = torch.rand(shape, generator=generator) < self.density
        codes = on * (0.5 + torch.rand(shape, generator=generator))
        return codes @ self.directions, codes

    def stream(self) -> "PlantedStream":
        """Endless fresh samples, for training."""
        return PlantedStream(self)

    def recovered(self, learnt: Float[Tensor, "n_learnt d_model"], *, cosine: float = 0.9) -> float:
        """Share of the planted directions that some learnt direction matches with a cosine above
        ``cosine``.
        """
        return float((best_cosines(self.directions, learnt) > cosine).float().mean())


@dataclass(frozen=True)
class PlantedStream:
    """Batches of planted activations; a batch is a function of the seed and its number."""

    planted: PlantedDictionary
    """Where they come from."""

    @property
    def d_model(self) -> int:
        """Width of the activations."""
        return self.planted.directions.shape[1]

    def batches(self, size: int, *, seed: int, start: int = 0) -> Iterator[Float[Tensor, "size d_model"]]:
        """Batches of ``size`` activations, from number ``start`` on, without end."""
        number = start
        while True:
            yield self.planted.sample(size, seed * 1_000_003 + number)[0]
            number += 1

    def sample(self, n: int, seed: int) -> Float[Tensor, "n d_model"]:
        """``n`` activations that no batch holds."""
        return self.planted.sample(n, seed * 1_000_003 - 1)[0]


def planted_dictionary(
    n_features: int, d_model: int, *, density: float = 0.02, seed: int = 0
) -> PlantedDictionary:
    """Random unit directions, more of them than dimensions if you like.

    Raises:
        WrongUse: ``density`` is no probability above 0.
    """
    if not 0 < density <= 1:
        raise WrongUse(f"a density of {density} is no probability above 0", "give a number between 0 and 1")
    rows = torch.randn(n_features, d_model, generator=torch.Generator().manual_seed(seed))
    return PlantedDictionary(rows / rows.norm(dim=1, keepdim=True), density)


def best_cosines(
    planted: Float[Tensor, "n_planted d_model"], learnt: Float[Tensor, "n_learnt d_model"]
) -> Float[Tensor, " n_planted"]:
    """For each planted direction, the largest cosine with any learnt one. Rows of zeros match nothing."""
    unit = learnt / learnt.norm(dim=1, keepdim=True).clamp(min=1e-12)
    return (planted / planted.norm(dim=1, keepdim=True) @ unit.T).amax(1)


def mean_max_cosine(
    planted: Float[Tensor, "n_planted d_model"], learnt: Float[Tensor, "n_learnt d_model"]
) -> float:
    """Mean over planted directions of :func:`best_cosines` (MMCS of Sharkey et al. 2022)."""
    return float(best_cosines(planted, learnt).mean())
