"""How likely a model finds text."""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import cross_entropy

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

    The texts are tokenised again: a token that straddles the border counts with the continuation, and text
        beyond the
    model's context is left out.
    """
    rows, starts = [], []
    for prompt, continuation in zip(prompts, continuations, strict=True):
        before = lm.tokenize(prompt).tolist()
        row = lm.tokenize(prompt + continuation).tolist()[: lm.context]
        same = next(
            (i for i, (a, b) in enumerate(zip(before, row, strict=False)) if a != b),
            min(len(before), len(row)),
        )
        start = max(same, 1)
        if start < len(row):
            rows.append(row)
            starts.append(start)
    total, count = 0.0, 0
    for first in range(0, len(rows), batch):
        here, begin = rows[first : first + batch], starts[first : first + batch]
        length = max(map(len, here))
        tokens = torch.tensor([row + [0] * (length - len(row)) for row in here])
        mask = torch.tensor([[1] * len(row) + [0] * (length - len(row)) for row in here])
        losses = token_losses(lm, tokens, attention_mask=mask).cpu()
        for row, start, loss in zip(here, begin, losses, strict=True):
            total += float(loss[start - 1 : len(row) - 1].double().sum())
            count += len(row) - start
    return math.exp(total / count) if count else None
