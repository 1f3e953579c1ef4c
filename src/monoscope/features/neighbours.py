"""Which directions lie near each other."""

import torch
from jaxtyping import Float, Int
from torch import Tensor


def nearest_directions(
    directions: Float[Tensor, "n_features d_model"],
    alive: Int[Tensor, " alive"],
    kept: int,
    *,
    block: int = 1024,
) -> tuple[Int[Tensor, "alive kept"], Float[Tensor, "alive kept"]]:
    """For each alive feature the alive features whose directions have the largest cosine with its own.

    Args:
        directions: decoder rows, of any norm.
        alive: the features compared.
        kept: neighbours of each; fewer when fewer are alive.
        block: features compared at a time; memory is ``block * alive`` numbers.

    Returns:
        Features and cosines, nearest first.
    """
    unit = torch.nn.functional.normalize(directions[alive].float(), dim=-1)
    kept = max(min(kept, len(alive) - 1), 0)
    features, cosines = [], []
    for first in range(0, len(alive), block):
        rows = unit[first : first + block]
        cosine = rows @ unit.T
        own = torch.arange(len(rows), device=rows.device)
        cosine[own, first + own] = -torch.inf
        found = cosine.topk(kept, dim=1)
        features.append(alive[found.indices.cpu()])
        cosines.append(found.values.cpu())
    if not features:
        return torch.zeros(0, kept, dtype=torch.int64), torch.zeros(0, kept)
    return torch.cat(features), torch.cat(cosines)
