"""Sparsifiers that keep the largest pre-activations, of a token or of a batch."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor

from monoscope.dictionaries.codes import SparseCodes
from monoscope.dictionaries.selection import largest
from monoscope.dictionaries.sparsifiers.base import NOTHING, SPARSIFIERS, Own, Sparsifier
from monoscope.errors import WrongUse


@SPARSIFIERS.register("topk")
@dataclass(frozen=True)
class TopK(Sparsifier):
    """The ``k`` largest pre-activations, where positive; all else is zero.

    ``f = ReLU(TopK_k(pre))``: at most ``k`` features are active, and active values are not shrunk.

    References: Makhzani and Frey 2013 (1312.5663); Gao et al. 2024 (2406.04093).
    """

    name: ClassVar[str]
    elementwise: ClassVar[bool] = False

    k: int = 32
    """Features kept for each activation."""

    def __post_init__(self) -> None:
        if self.k < 1:
            raise WrongUse(f"TopK of k = {self.k} keeps nothing", "give a k of 1 or more")

    def __call__(
        self, pre: Float[Tensor, "*batch n_features"], own: Own = NOTHING
    ) -> Float[Tensor, "*batch n_features"]:
        """Dense codes."""
        return self.sparse(pre).dense(pre.shape[-1])

    def sparse(self, pre: Float[Tensor, "*batch n_features"], own: Own = NOTHING) -> SparseCodes:
        """The same codes as values and indices."""
        indices = self.select(pre.detach())
        return SparseCodes(pre.gather(-1, indices).relu(), indices)

    def select(self, pre: Float[Tensor, "*batch n_features"]) -> Int[Tensor, "*batch k"]:
        """The features that may be active: a trainer computes the rest of its step on those alone."""
        return largest(pre, min(self.k, pre.shape[-1]))


@SPARSIFIERS.register("batch_topk")
@dataclass(frozen=True)
class BatchTopK(Sparsifier):
    """The ``k * batch`` largest pre-activations of a batch in training; above one threshold ever after.

    In training the features of a token depend on the tokens beside it. What is kept for use is ``f = pre *
    H(pre - threshold)``, with the running mean (decay .999 a step) of the smallest positive value that
    training kept. Left out, a token's features would depend on its batch mates in use as well.

    Reference: Bussmann, Leask and Nanda 2024 (2412.06410).
    """

    name: ClassVar[str]
    untrained: ClassVar[frozenset[str]] = frozenset({"learnt.threshold"})

    k: int = 32
    """Features kept for each activation, on average over a batch."""

    def __post_init__(self) -> None:
        if self.k < 1:
            raise WrongUse(f"BatchTopK of k = {self.k} keeps nothing", "give a k of 1 or more")

    def own(self, n_features: int) -> dict[str, Tensor]:
        """``threshold``: one for all features; 0 until training has seen a batch."""
        return {"threshold": torch.zeros(())}

    def scaled(self, own: Own, factor: float | Float[Tensor, " n_features"]) -> dict[str, Tensor]:
        """The threshold grows with the pre-activations; features of different factors get their own."""
        return {"threshold": own["threshold"] * factor}

    def __call__(
        self, pre: Float[Tensor, "*batch n_features"], own: Own = NOTHING
    ) -> Float[Tensor, "*batch n_features"]:
        """What exceeds the threshold."""
        threshold = own["threshold"] if "threshold" in own else pre.new_zeros(())
        return pre * ((pre > threshold) & (pre > 0))

    def trained(
        self, pre: Float[Tensor, "batch n_features"], own: Own = NOTHING
    ) -> Float[Tensor, "batch n_features"]:
        """The largest of the batch."""
        kept = min(self.k * len(pre), pre.numel())
        smallest = pre.detach().flatten().topk(kept, sorted=False).values.min()
        return pre * ((pre >= smallest) & (pre > 0))
