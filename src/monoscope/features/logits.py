"""What a direction does straight to the logits, past all later layers."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

LogitWeights = Callable[[Tensor], Tensor]
"""directions ``[batch, d_model]`` -> weights ``[batch, vocabulary]``."""


def logit_weights(
    directions: Float[Tensor, "batch d_model"],
    unembedding: Float[Tensor, "d_model vocabulary"],
    norm_weight: Float[Tensor, " d_model"],
    centres: bool,
) -> Float[Tensor, "batch vocabulary"]:
    """Direct effect of each direction on every logit, per unit of activation, against the median token.

    ``w = (d - mean(d)) * gain @ unembedding``, then ``w - median(w)`` over the vocabulary. The last norm's
    gain is folded in and its division by the activation's size is left out; the mean of ``d`` is removed only
    when the norm removes it (LayerNorm). Shifting the median to 0 also takes out whatever is equal for all
    tokens, which a softmax does not see (Bricken et al. 2023, "Towards Monosemanticity", logit weights). The
    direction must be one that is added to the residual stream.

    Args:
        directions: decoder rows.
        unembedding: residual stream to logits.
        norm_weight: gain of the model's last norm.
        centres: whether that norm subtracts the mean (``LanguageModel.final_norm_centres``).
    """
    directions = directions.to(unembedding.device, torch.float32)
    if centres:
        directions = directions - directions.mean(-1, keepdim=True)
    weights = (directions * norm_weight.float()) @ unembedding.float()
    return weights - weights.median(-1, keepdim=True).values


@dataclass(frozen=True)
class Effects:
    """The strongest direct effects, seen from the features and from the tokens."""

    promoted: Int[np.ndarray, "alive kept"]
    """Tokens raised most by each alive feature, strongest first."""
    promoted_weights: Float[np.ndarray, "alive kept"]
    """Their weights."""
    suppressed: Int[np.ndarray, "alive kept"]
    """Tokens lowered most, lowest first."""
    suppressed_weights: Float[np.ndarray, "alive kept"]
    """Their weights."""
    promoters: Int[np.ndarray, "vocabulary promoter"]
    """For each token the features that raise it most, strongest first."""
    promoter_scores: Float[np.ndarray, "vocabulary promoter"]
    """Their weights in standard deviations from the mean, over all alive features, of the weights on that
    token."""


def strongest_effects(
    directions: Float[Tensor, "n_features d_model"],
    alive: Int[Tensor, " alive"],
    logit_weights: LogitWeights,
    *,
    kept: int,
    promoters: int,
    block: int = 512,
) -> Effects:
    """Logit weights of all directions, in blocks, of which only the strongest are kept.

    Args:
        directions: decoder rows.
        alive: the features that fire, at least one; the others are left out.
        logit_weights: maps directions to weights, for instance :func:`logit_weights` with the model's
            matrices bound.
        kept: tokens kept of each feature, at either end.
        promoters: features kept of each token.
        block: features multiplied at a time.
    """
    highest, lowest, sums, best = [], [], [], None
    for numbers in alive.split(block):
        weights = logit_weights(directions[numbers.to(directions.device)]).float().cpu()
        size = min(kept, weights.shape[1])
        highest.append(weights.topk(size))
        lowest.append(weights.topk(size, largest=False))
        sums.append(torch.stack([weights.double().sum(0), weights.double().square().sum(0)]))
        candidates, owners = weights, numbers[:, None].expand(-1, weights.shape[1])
        if best is not None:
            candidates, owners = torch.cat([best[0], candidates]), torch.cat([best[1], owners])
        largest = candidates.topk(min(promoters, len(candidates)), dim=0)
        best = largest.values, owners.gather(0, largest.indices)
    if best is None:
        raise ValueError("no feature is alive")
    mean, square = torch.stack(sums).sum(0) / len(alive)
    deviation = (square - mean.square()).clamp_min(0).sqrt().clamp_min(1e-12)
    scores = (best[0].double() - mean) / deviation
    return Effects(
        promoted=torch.cat([end.indices for end in highest]).numpy(),
        promoted_weights=torch.cat([end.values for end in highest]).numpy(),
        suppressed=torch.cat([end.indices for end in lowest]).numpy(),
        suppressed_weights=torch.cat([end.values for end in lowest]).numpy(),
        promoters=best[1].T.contiguous().numpy(),
        promoter_scores=scores.float().T.contiguous().numpy(),
    )


@torch.no_grad()
def strongest_deviations(
    directions: Float[Tensor, "n_features d_model"], logit_weights: LogitWeights, *, block: int = 512
) -> Float[np.ndarray, " n_features"]:
    """How far the token that each feature promotes most stands out of the vocabulary.

    Formula: ``(max w - mean w) / sd w`` over the feature's logit weights; the largest of V independent normal numbers
    is about ``sqrt(2 ln V)``. 0 for a feature whose weights are all equal.
    """
    found = []
    for part in directions.split(block):
        weights = logit_weights(part).float()
        spread = weights.std(-1, correction=0)
        away = weights.max(-1).values - weights.mean(-1)
        found.append(torch.where(spread > 0, away / spread.clamp_min(1e-30), 0.0).cpu())
    return torch.cat(found).numpy()


def chance_deviation(
    width: int, logit_weights: LogitWeights, *, seed: int, n: int = 512, quantile: float = 0.95
) -> float:
    """What :func:`strongest_deviations` gives for directions that mean nothing: a quantile over ``n`` random ones."""
    directions = torch.randn(n, width, generator=torch.Generator().manual_seed(seed))
    return float(np.quantile(strongest_deviations(directions, logit_weights), quantile))
