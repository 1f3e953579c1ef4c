"""How far a direction can be trusted: how well it tells pairs apart that it was not learnt from."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from monoscope.intervals import wilson

RANDOM_DIRECTIONS = 100
"""Random directions that make the baseline."""


@dataclass(frozen=True, kw_only=True)
class Reliability:
    """What a direction does on pairs that were held out; it was learnt again without them for this."""

    accuracy: float
    """Share of the held-out pairs whose positive side projects higher; a tie counts half."""
    low: float
    """Lower end of its 95 % interval."""
    high: float
    """Upper end of its 95 % interval."""
    random: float
    """The same share for random directions, each with the sign that does better on the training pairs: their mean."""
    difference: float
    """Mean difference of a held-out pair along the direction, in mean residual norms."""
    explained: float
    """Share of the held-out differences' squared length that lies along the direction: ``Σ (δ · d)^2 / Σ |δ|^2``."""
    n_pairs: int
    """Held-out pairs."""
    n_groups: int
    """Groups they belong to: the witnesses that the interval counts."""


def accuracy(differences: Float[Tensor, "pair d_model"], direction: Float[Tensor, " d_model"]) -> float:
    """Share of the pairs whose positive side projects higher; a tie counts half."""
    projected = differences.double() @ direction.double()
    return float(((projected > 0).double() + 0.5 * (projected == 0).double()).mean())


def reliability(
    direction: Float[Tensor, " d_model"],
    training: Float[Tensor, "training d_model"],
    held_out: Float[Tensor, "pair d_model"],
    *,
    n_groups: int,
    norm: float,
    seed: int = 0,
) -> Reliability:
    """Measure a direction, learnt from training pairs, on others.

    Args:
        direction: of length 1.
        training: differences of the pairs it was learnt from; they give random directions their sign.
        held_out: differences of the other pairs.
        n_groups: groups that the held-out pairs belong to; the interval is Wilson's for so many trials, since
            pairs of one group are no independent witnesses.
        norm: mean norm of the activations there.
        seed: of the random directions.
    """
    projected = held_out.double() @ direction.double()
    share = accuracy(held_out, direction)
    low, high = wilson(share * n_groups, n_groups)
    return Reliability(
        accuracy=share,
        low=low,
        high=high,
        random=_random_accuracy(training, held_out, seed),
        difference=float(projected.mean()) / norm,
        explained=float(projected.square().sum() / held_out.double().square().sum()),
        n_pairs=len(held_out),
        n_groups=n_groups,
    )


def _random_accuracy(
    training: Float[Tensor, "training d_model"], held_out: Float[Tensor, "pair d_model"], seed: int
) -> float:
    """Mean held-out accuracy of random directions that point where most training pairs do."""
    generator = torch.Generator().manual_seed(seed)
    random = torch.randn(training.shape[1], RANDOM_DIRECTIONS, generator=generator, dtype=torch.float64)
    votes = (training.double() @ random).sign().sum(0)
    projected = (held_out.double() @ random) * torch.where(votes < 0, -1.0, 1.0)
    return float(((projected > 0).double() + 0.5 * (projected == 0).double()).mean())
