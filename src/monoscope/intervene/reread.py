"""A written text is read again: what fired on each token under an edit, and how far the edit took the model."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import kl_div

from monoscope.dictionaries.autoencoder import SparseAutoencoder
from monoscope.errors import BrokenInput
from monoscope.intervene.written import Block, log_probabilities, written
from monoscope.models.hooks import read
from monoscope.models.language_model import LanguageModel


@dataclass(frozen=True)
class Reread:
    """What :func:`reread` finds."""

    tokens: Int[Tensor, " token"]
    """Of the prompt and of what was written."""
    start: int
    """Place of the first token that was written."""
    codes: Float[Tensor, "token feature"]
    """Of the features that were asked for, behind the edit."""
    divergence: Float[Tensor, " written"]
    """Of each written token, in nats."""


@torch.no_grad()
def reread(
    lm: LanguageModel,
    dictionary: SparseAutoencoder,
    prompt: str,
    continuation: str,
    features: Sequence[int],
    steered: Callable[[], AbstractContextManager[None]],
) -> Reread | None:
    """Read a text under the edit that it was written under, and without; None where it has no written token.

    Formula: where a token was written, ``KL(p_steered || p) = Σ_v p_steered(v) log(p_steered(v) / p(v))``, both given
    the prompt and the tokens before it, at temperature 1.

    Args:
        lm: the model, without edits.
        dictionary: what features are of; on the model's device.
        prompt: what was written from.
        continuation: what was written; both are tokenised again, and read up to the model's context.
        features: whose codes are told.
        steered: a block in which the model runs with the edit.

    Raises:
        BrokenInput: the edit overflows.
    """
    texts = written(lm, [prompt], [continuation])
    if not texts:
        return None
    block, site = Block(texts), lm.resolve(dictionary.site)
    own = log_probabilities(lm, block)
    with steered(), read(lm, [site]) as values:
        pushed = log_probabilities(lm, block)
    asked = torch.tensor(list(features), dtype=torch.int64, device=lm.device)
    codes = dictionary.codes_of(values[site][0].float(), asked)
    divergence = kl_div(own, pushed, reduction="none", log_target=True).sum(dim=-1)
    if not (divergence.isfinite().all() and codes.isfinite().all()):
        raise BrokenInput(
            "the model's logits are not finite under this edit", "make it weaker, or run in float32"
        )
    return Reread(block.tokens[0], texts[0].start, codes.cpu(), divergence.clamp(min=0).cpu())
