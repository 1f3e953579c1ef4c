"""Feature activations of which few are not zero."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from monoscope.dictionaries.kernels import bags


@dataclass(frozen=True, slots=True)
class ActiveCodes:
    """The active features of a batch, activation after activation, however many each has."""

    values: Float[Tensor, " slot"]
    """Feature activations, never below zero."""
    indices: Int[Tensor, " slot"]
    """Which feature each value belongs to (int64); distinct within an activation."""
    starts: Int[Tensor, " batch"]
    """The first slot of each activation."""

    def dense(self, n_features: int) -> Float[Tensor, "batch n_features"]:
        """The same codes with every feature in its own column."""
        zeros = self.values.new_zeros(len(self.starts) * n_features)
        place = bags(self.starts, len(self.values)) * n_features + self.indices
        return zeros.scatter_add(0, place, self.values).reshape(-1, n_features)


@dataclass(frozen=True, slots=True)
class SparseCodes:
    """The active features of each activation: ``k`` slots of (index, value).

    A row's used slots have distinct indices and values above zero. A slot that is not used has value 0 and an
    arbitrary valid index, so whatever adds ``values`` at ``indices`` is right without looking.
    """

    values: Float[Tensor, "*batch k"]
    """Feature activations, in the units of the activations they reconstruct."""
    indices: Int[Tensor, "*batch k"]
    """Which feature each value belongs to (int64)."""

    def dense(self, n_features: int) -> Float[Tensor, "*batch n_features"]:
        """The same codes with every feature in its own column."""
        zeros = self.values.new_zeros(*self.values.shape[:-1], n_features)
        return zeros.scatter_add(-1, self.indices, self.values)

    def select(self, features: Int[Tensor, " selected"]) -> Float[Tensor, "*batch selected"]:
        """Columns ``features`` of the dense codes, in the order asked, without making the others."""
        chosen, place = features.unique(return_inverse=True)
        if not len(chosen):
            return self.values.new_zeros(*self.values.shape[:-1], 0)
        largest = (
            int(chosen[-1]) if not self.indices.numel() else max(int(chosen[-1]), int(self.indices.max()))
        )
        column = torch.full((largest + 1,), len(chosen), device=self.indices.device)
        column[chosen] = torch.arange(len(chosen), device=column.device)
        zeros = self.values.new_zeros(*self.values.shape[:-1], len(chosen) + 1)
        return zeros.scatter_add(-1, column[self.indices], self.values)[..., place]
