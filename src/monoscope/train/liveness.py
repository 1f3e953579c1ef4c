"""Which features fired lately: the only place that counts."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from monoscope.dictionaries.codes import ActiveCodes
from monoscope.train.mesh import ALONE, Mesh

LOOK_EVERY = 16
"""Steps between two looks for dead features, at most: a look makes a GPU wait, and who is dead changes slowly."""


class Liveness:
    """For each feature, the training tokens seen since it was last active; and who was dead at the last look."""

    def __init__(self, tokens_since: Int[Tensor, " n_features"]) -> None:
        """Nobody is dead before the first look."""
        self.tokens_since = tokens_since
        self.dead: Int[Tensor, " dead"] = tokens_since.new_empty(0)
        self.n_dead = 0

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

    def look(self, after: int, mesh: Mesh = ALONE) -> None:
        """Dead are the features that have not been active for more than ``after`` tokens.

        ``dead`` are those of this rank, ``n_dead`` counts those of all.
        """
        self.bury(self.tokens_since > after, mesh)

    def bury(self, dead: Bool[Tensor, " n_features"], mesh: Mesh = ALONE) -> None:
        """These features are dead until the next look."""
        self.dead = dead.nonzero().squeeze(1)
        self.n_dead = mesh.features.count(len(self.dead))

    def buried(self) -> Bool[Tensor, " n_features"]:
        """Whether each feature was dead at the last look."""
        found = torch.zeros_like(self.tokens_since, dtype=torch.bool)
        found[self.dead] = True
        return found


def look_is_due(step: int, n_steps: int) -> bool:
    """Whether to look for dead features before a step: a hundred times in a run, and every 16 steps in long ones."""
    return step % min(LOOK_EVERY, max(1, n_steps // 100)) == 0
