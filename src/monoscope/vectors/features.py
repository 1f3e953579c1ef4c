"""A control vector as a sum of a dictionary's features."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from monoscope.dictionaries import SparseAutoencoder
from monoscope.errors import WrongUse
from monoscope.vectors.checks import check_same_model
from monoscope.vectors.vector import ControlVector
from monoscope.vectors.written import block_written

RANDOM_DIRECTIONS = 16
"""Random directions that make the baseline."""
NOTHING_LEFT = 1e-12
"""Share of a direction's squared length below which what is left is rounding."""


@dataclass(frozen=True)
class FeaturePart:
    """What one feature is of a vector."""

    feature: int
    """Its number."""
    cosine: float
    """Cosine of its direction with the vector's."""
    coefficient: float
    """How much of it is in the sum, in the vector's unit: ``push(b, s) ≈ s * norm * Σ_i coefficient_i d_i``."""
    explained: float
    """Share of the squared length that this feature and those before it explain together."""


@dataclass(frozen=True)
class InFeatures:
    """A vector's direction at one block in features, and what they leave."""

    block: int
    """The block."""
    parts: tuple[FeaturePart, ...]
    """The features in the order in which they were taken."""
    residue: Float[Tensor, " d_model"]
    """What is left of the direction: ``direction = Σ_i coefficient_i d_i + residue``."""
    chance: tuple[float, ...]
    """What as many features explain of a random direction, taken in the same way: the mean of sixteen."""


def in_features(
    vector: ControlVector,
    dictionary: SparseAutoencoder,
    block: int | None = None,
    n: int = 10,
    *,
    seed: int = 0,
) -> InFeatures:
    """The features whose sum comes closest to a vector, by orthogonal matching pursuit.

    Each step takes the feature whose direction has the largest cosine, of either sign, with what is left, and then
    fits all coefficients anew by least squares. It ends early where nothing is left.

    Args:
        vector: what is taken apart.
        dictionary: an autoencoder of the residual stream behind ``block``.
        block: the block; None: the dictionary's.
        n: features at most.
        seed: of the random directions that ``chance`` is measured on.

    Reference: Pati, Rezaiifar and Krishnaprasad 1993.

    Raises:
        MismatchedArtefact: vector and dictionary are of different models or widths.
        UnknownSite: the vector has no direction there.
        WrongUse: the dictionary is of another block, the direction is zero, or ``n`` is no number of features.
    """
    own = block_written(dictionary)
    if block is not None and block != own:
        raise WrongUse(
            f"the dictionary's features are parts of the output of block {own}, not of block {block}",
            f"ask for block {own}, or take a dictionary of blocks.{block}.resid_post",
        )
    check_same_model(vector, model_hash=dictionary.model_hash, d_model=dictionary.d_out)
    if n < 1:
        raise WrongUse(f"{n} is no number of features to take", "give 1 or more")
    n = min(n, dictionary.n_features, dictionary.d_out)
    vector.norm(own)  # says which blocks there are
    target = vector.directions[own].double()
    if not bool(target.any()):
        raise WrongUse(f"the direction of block {own} is zero", "there is nothing to take apart")
    rows = dictionary.directions.cpu().double()
    rows = rows / rows.norm(dim=1, keepdim=True).clamp(min=1e-12)
    taken, coefficients, shares = _pursuit(rows, target, n)
    cosines = (rows[taken] @ target / target.norm()).tolist()
    generator = torch.Generator().manual_seed(seed)
    random = torch.randn(RANDOM_DIRECTIONS, len(target), generator=generator, dtype=torch.float64)
    chance = torch.tensor([_filled(_pursuit(rows, one, n)[2], n) for one in random]).mean(0)
    scale = dictionary.directions[taken].cpu().double().norm(dim=1)
    return InFeatures(
        block=own,
        parts=tuple(map(FeaturePart, taken, cosines, (coefficients / scale).tolist(), shares)),
        residue=(target - coefficients @ rows[taken]).float(),
        chance=tuple(chance[: len(taken)].tolist()),
    )


def _pursuit(
    rows: Float[Tensor, "n_features d_model"], target: Float[Tensor, " d_model"], n: int
) -> tuple[list[int], Float[Tensor, " taken"], list[float]]:
    """Features taken, their coefficients, and the share explained after each; rows have norm 1."""
    taken: list[int] = []
    shares: list[float] = []
    left, coefficients, whole = target, target.new_zeros(0), float(target.square().sum())
    while len(taken) < n and float(left.square().sum()) > NOTHING_LEFT * whole:
        likeness = (rows @ left).abs()
        likeness[taken] = -1.0
        taken.append(int(likeness.argmax()))
        coefficients = torch.linalg.lstsq(rows[taken].T, target[:, None]).solution[:, 0]
        left = target - coefficients @ rows[taken]
        shares.append(1 - float(left.square().sum()) / whole)
    return taken, coefficients, shares


def _filled(shares: list[float], n: int) -> list[float]:
    """The shares after 1 to ``n`` features; once nothing is left it stays so."""
    return shares + shares[-1:] * (n - len(shares))
