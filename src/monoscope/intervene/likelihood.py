"""How likely a model finds text, and how far an edit takes its predictions from there."""

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import cross_entropy, kl_div

from monoscope.intervene.written import Block, blocks, log_probabilities, written
from monoscope.models.language_model import LanguageModel


@torch.no_grad()
def token_losses(
    lm: LanguageModel,
    tokens: Int[Tensor, "batch token"],
    *,
    attention_mask: Int[Tensor, "batch token"] | None = None,
) -> Float[Tensor, "batch token-1"]:
    """Cross-entropy in nats of every token but the first given those before, under whatever edits are on."""
    tokens = tokens.to(lm.device)
    mask = None if attention_mask is None else attention_mask.to(lm.device)
    logits = lm.forward(tokens, attention_mask=mask)
    return cross_entropy(logits[:, :-1].transpose(1, 2), tokens[:, 1:].long(), reduction="none")


def continuation_perplexity(
    lm: LanguageModel, prompts: Sequence[str], continuations: Sequence[str], *, batch: int = 16
) -> float | None:
    """Perplexity of the continuations given their prompts, in one number over all their tokens; None without
    tokens.

    Formula: exp(mean over tokens of −log p(token | prompt, tokens before it)).

    The texts are tokenised again: see :func:`monoscope.intervene.written.written`.
    """
    texts = written(lm, prompts, continuations)
    total, count = 0.0, 0
    for first in range(0, len(texts), batch):
        block = Block(texts[first : first + batch])
        losses = token_losses(lm, block.tokens, attention_mask=block.mask).cpu()
        for text, loss in zip(block.texts, losses, strict=True):
            total += float(loss[text.start - 1 : len(text.tokens) - 1].double().sum())
            count += len(text.tokens) - text.start
    return math.exp(total / count) if count else None


@torch.no_grad()
def continuation_divergence(
    lm: LanguageModel,
    prompts: Sequence[str],
    continuations: Sequence[str],
    steered: Callable[[], AbstractContextManager[None]],
) -> float | None:
    """How far an edit takes the predictions, in nats per token; None without tokens.

    Formula: mean over the written tokens of ``KL(p_steered || p) = Σ_v p_steered(v) log(p_steered(v) / p(v))``, both
    given the prompt and the same tokens before it (teacher forcing), at temperature 1.

    Args:
        lm: the model, without edits.
        prompts: what was written from.
        continuations: what was written; tokenised again as for :func:`continuation_perplexity`.
        steered: a block in which the model runs with the edit.
    """
    total, count = 0.0, 0
    for block in blocks(lm, written(lm, prompts, continuations)):
        own = log_probabilities(lm, block)
        with steered():
            pushed = log_probabilities(lm, block)
        each = kl_div(own, pushed, reduction="none", log_target=True).sum(dim=-1)
        total += float(each.double().sum())
        count += len(each)
    return total / count if count else None
