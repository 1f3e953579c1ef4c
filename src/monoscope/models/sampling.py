"""Sampling: the next token from logits."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from monoscope.errors import WrongUse


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How the next token is drawn."""

    temperature: float = 0.8
    """Logits are divided by it; 0 takes the likeliest token."""
    top_p: float = 1.0
    """Draw among the likeliest tokens that together hold this share of the probability."""
    repetition_penalty: float = 1.0
    """Tokens already present have positive logits divided and negative ones multiplied by it."""

    def __post_init__(self) -> None:
        if not self.temperature >= 0:
            raise WrongUse(
                f"temperature {self.temperature} is not a number from 0 up",
                "0 takes the likeliest token, 1 samples as trained",
            )
        if not 0 < self.top_p <= 1:
            raise WrongUse(f"top_p {self.top_p} is not a share", "give a number above 0 and at most 1")
        if self.repetition_penalty <= 0:
            raise WrongUse(
                f"repetition_penalty {self.repetition_penalty} is not positive", "1 leaves the logits alone"
            )

    def penalised(
        self, logits: Float[Tensor, "batch vocabulary"], present: Bool[Tensor, "batch vocabulary"]
    ) -> Float[Tensor, "batch vocabulary"]:
        """The logits after the repetition penalty of CTRL (Keskar et al., arXiv 1909.05858).

        Args:
            logits: of the next token.
            present: which tokens each text holds already.
        """
        weaker = torch.where(logits > 0, logits / self.repetition_penalty, logits * self.repetition_penalty)
        return torch.where(present, weaker, logits)

    def choose(
        self, logits: Float[Tensor, "batch vocabulary"], uniform: Float[Tensor, " batch"]
    ) -> Int[Tensor, " batch"]:
        """One token per sample, by inverting the cumulative distribution at ``uniform`` (in [0, 1)).

        After the penalty comes the temperature, then the nucleus (``top_p``) of Holtzman et al. (arXiv 1904.09751).
        """
        if self.temperature == 0:
            return logits.argmax(dim=-1)
        # Doubles, so that rounding moves no boundary between tokens that matters.
        shares = (logits.double() / self.temperature).softmax(dim=-1)
        if self.top_p < 1:
            likeliest, order = shares.sort(dim=-1, descending=True, stable=True)
            outside = likeliest.cumsum(dim=-1) - likeliest >= self.top_p
            shares = torch.zeros_like(shares).scatter(-1, order, likeliest.masked_fill(outside, 0))
        cumulative = shares.cumsum(dim=-1)
        drawn = torch.searchsorted(cumulative, uniform[:, None] * cumulative[:, -1:], right=True)
        return drawn[:, 0].clamp(max=logits.shape[-1] - 1)
