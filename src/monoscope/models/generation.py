"""Sampling: the next token from logits, and whole continuations from a model."""

from collections.abc import Sequence, Set
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from monoscope.errors import BrokenInput, WrongUse


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

    def choose(
        self,
        logits: Float[Tensor, "batch vocabulary"],
        seen: Bool[Tensor, "batch vocabulary"],
        uniform: Float[Tensor, " batch"],
    ) -> Int[Tensor, " batch"]:
        """One token per sample, by inverting the cumulative distribution at ``uniform`` (in [0, 1)).

        The repetition penalty is that of CTRL (Keskar et al., arXiv 1909.05858), the nucleus (``top_p``) that
        of Holtzman et al. (arXiv 1904.09751); they apply in this order: penalty, temperature, nucleus.
        """
        if self.repetition_penalty != 1:
            penalised = torch.where(
                logits > 0, logits / self.repetition_penalty, logits * self.repetition_penalty
            )
            logits = torch.where(seen, penalised, logits)
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


@torch.no_grad()
def continue_tokens(
    model: Any,
    prompts: Sequence[Sequence[int]],
    sampling: Sampling,
    *,
    n_tokens: int,
    ends: Set[int],
    seed: int,
    first_index: int = 0,
    cache: bool = True,
) -> list[list[int]]:
    """The continuation of each prompt, without the token that ended it.

    Prompts are padded on the left, masked, and keep their own positions. Sample ``i`` draws from a generator
    seeded by ``(seed, first_index + i)``, so it does not depend on the samples beside it.

    Args:
        model: a Hugging Face causal language model.
        prompts: token numbers, each at least one long.
        sampling: how tokens are drawn.
        n_tokens: the longest continuation.
        ends: tokens that end a sample.
        seed: seed of all samples, not negative.
        first_index: number of the first sample.
        cache: keep keys and values; without, every step computes all tokens again.

    Raises:
        BrokenInput: logits are infinite or no numbers.
    """
    tokens, mask = pad_left(prompts, model.device)
    draws = [np.random.default_rng([seed, first_index + i]).random(n_tokens) for i in range(len(prompts))]
    uniforms = torch.from_numpy(np.stack(draws)).to(model.device)
    written: list[list[int]] = [[] for _ in prompts]
    running = set(range(len(prompts)))
    seen: Tensor | None = None
    past = None
    for step in range(n_tokens):
        fresh = tokens if past is None else tokens[:, -1:]
        output = model(
            input_ids=fresh,
            attention_mask=mask,
            position_ids=positions(mask)[:, -fresh.shape[1] :],
            past_key_values=past,
            use_cache=cache,
            logits_to_keep=1,
        )
        past = output.past_key_values if cache else None
        logits = output.logits[:, -1].float()
        if not logits.isfinite().all():
            raise BrokenInput(
                f"the model's logits after {step} tokens are not finite",
                "an edit as strong as this overflows: make it weaker, or run in float32",
            )
        seen = _seen(tokens, mask, logits) if seen is None else seen.scatter(1, tokens[:, -1:], True)
        chosen = sampling.choose(logits, seen, uniforms[:, step])
        for sample, token in enumerate(chosen.tolist()):
            if sample in running and token in ends:
                running.discard(sample)
            if sample in running:
                written[sample].append(token)
        if not running:
            break
        tokens = torch.cat([tokens, chosen[:, None]], dim=1)
        mask = torch.cat([mask, torch.ones_like(mask[:, :1])], dim=1)
    return written


def pad_left(
    prompts: Sequence[Sequence[int]], device: torch.device
) -> tuple[Int[Tensor, "batch token"], Int[Tensor, "batch token"]]:
    """Prompts of different lengths as one block, and its mask: 1 for their tokens, 0 before them."""
    longest = max(len(prompt) for prompt in prompts)
    tokens = torch.tensor([[0] * (longest - len(prompt)) + list(prompt) for prompt in prompts], device=device)
    mask = torch.tensor(
        [[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts], device=device
    )
    return tokens, mask


def positions(mask: Int[Tensor, "batch token"]) -> Int[Tensor, "batch token"]:
    """Each token's position in its own text; 0 for padding."""
    return (mask.cumsum(dim=-1) - 1).clamp(min=0)


def _seen(
    tokens: Int[Tensor, "batch token"],
    mask: Int[Tensor, "batch token"],
    logits: Float[Tensor, "batch vocabulary"],
) -> Bool[Tensor, "batch vocabulary"]:
    """Which tokens of the vocabulary each sample holds, padding apart."""
    counts = torch.zeros_like(logits, dtype=torch.long).scatter_add(1, tokens, mask)
    return counts > 0
