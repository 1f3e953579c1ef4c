"""Which features fired lately: the only place that counts."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from monoscope.dictionaries.codes import SparseCodes


class Liveness:
    """For each feature, the training tokens seen since it was last active."""

    def __init__(self, tokens_since: Int[Tensor, " n_features"]) -> None:
        self.tokens_since = tokens_since

    def update(self, codes: Float[Tensor, "batch n_features"] | SparseCodes) -> None:
        """Count one batch of codes."""
        if isinstance(codes, SparseCodes):
            fired = torch.zeros_like(self.tokens_since, dtype=torch.float32)
            active = (codes.values > 0).float().flatten()
            fired.scatter_reduce_(0, codes.indices.flatten(), active, "amax")
            batch = len(codes.values)
        else:
            fired, batch = (codes > 0).any(0), len(codes)
        self.tokens_since += batch
        self.tokens_since[fired > 0] = 0

    def dead(self, after: int) -> Int[Tensor, " dead"]:
        """The features that have not been active for more than ``after`` tokens."""
        return (self.tokens_since > after).nonzero().squeeze(1)
