"""What a model is reading: which tokens, and where each stands in its own text.

A run gets a block of rows, padded on the left, and under a key-value cache only the tokens that are new. Whoever
changes activations at some tokens and not at others needs to know which these are, whatever the block looks like.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int
from torch import Tensor


@dataclass(frozen=True)
class Reading:
    """The tokens of one run."""

    tokens: Int[Tensor, "batch token"]
    """Their numbers; anything at padding."""
    positions: Int[Tensor, "batch token"]
    """Where each stands in its own text, from 0, the beginning-of-text token included; -1 for padding."""
    prompts: Int[Tensor, " batch"]
    """How many tokens each text's prompt has: those after them were written by the model."""
    special_ids: frozenset[int] = frozenset()
    """Tokens that stand for no text."""

    @property
    def special(self) -> Bool[Tensor, "batch token"]:
        """Which of the tokens stand for no text."""
        return torch.isin(self.tokens, torch.tensor(sorted(self.special_ids), device=self.tokens.device))


def pad_left(prompts: Sequence[Sequence[int]], device: torch.device) -> Int[Tensor, "batch token"]:
    """Prompts of different lengths as one block, the shorter ones with zeros before them."""
    longest = max(len(prompt) for prompt in prompts)
    return torch.tensor([[0] * (longest - len(prompt)) + list(prompt) for prompt in prompts], device=device)


def positions(mask: Int[Tensor, "batch token"]) -> Int[Tensor, "batch token"]:
    """Each token's position in its own text, given which tokens are read; -1 for padding, on either side."""
    return torch.where(mask > 0, mask.cumsum(dim=-1) - 1, -1)
