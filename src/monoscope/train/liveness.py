"""Which features fired lately: the only place that counts."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from monoscope.dictionaries.codes import ActiveCodes
from monoscope.train.mesh import ALONE, Mesh


class Liveness:
    """For each feature, the training tokens seen since it was last active."""

    def __init__(self, tokens_since: Int[Tensor, " n_features"]) -> None:
        self.tokens_since = tokens_since

    def update(
        self, codes: Float[Tensor, "batch n_features"] | ActiveCodes, batch: int, mesh: Mesh = ALONE
    ) -> None:
        """Count one batch of codes, and those of the ranks that have the other activations."""
        if isinstance(codes, ActiveCodes):
            fired = torch.zeros_like(self.tokens_since, dtype=torch.float32)
            fired.scatter_reduce_(0, codes.indices, (codes.values > 0).float(), "amax")
        else:
            fired = (codes > 0).any(0).float()
        self.tokens_since += batch * mesh.data.size
        self.tokens_since.mul_((mesh.data.max(fired) == 0).long())

    def dead(self, after: int) -> Int[Tensor, " dead"]:
        """The features that have not been active for more than ``after`` tokens."""
        return (self.tokens_since > after).nonzero().squeeze(1)
