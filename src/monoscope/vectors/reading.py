"""What a control vector reads on a text, token by token: the "lie detector" picture."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from monoscope.models import LanguageModel, Site
from monoscope.vectors.learning import check_model
from monoscope.vectors.states import check_blocks, text_tokens
from monoscope.vectors.vector import ControlVector


@dataclass(frozen=True)
class TokenScores:
    """A score for every block of a vector and every token of a text."""

    tokens: list[str]
    """The text's tokens; the beginning-of-text token, where there is one, is left out."""
    blocks: tuple[int, ...]
    """The blocks, one a row of ``scores``."""
    scores: Float[Tensor, "block token"]
    """How far each token's state lies along the direction, from the middle of the training texts: positive on the
    positive side, in the vector's unit; float32."""


@torch.no_grad()
def reading(lm: LanguageModel, vector: ControlVector, text: str) -> TokenScores:
    """Where each token of a text lies along a vector.

    Formula: ``x · d / (|d| norm) - centre``, with x the block's output and ``centre`` what the training texts read on
    average, 0 where the vector does not know it (a sum, or a file of another tool). A direction of zeros reads 0. The
    centre is that of the tokens which the training texts ended in: end them in every kind of token, as
    :func:`monoscope.vectors.prefixes` does, or compare scores of like tokens alone.

    Reference: Zou et al. 2023 (2310.01405), where it detects lies.

    Raises:
        MismatchedArtefact: the vector is another model's, or of another width.
        UnknownSite: the model lacks a block of the vector.
        WrongUse: the text is empty, or longer than the context.
    """
    check_model(lm, vector)
    sites = {block: Site(block, "resid_post") for block in check_blocks(lm, vector.blocks)}
    tokens = text_tokens(lm, text)
    first = int(lm.bos_id is not None)
    values = lm.activations(tokens[None], list(sites.values()))
    rows = []
    for block, site in sites.items():
        direction = vector.directions[block]
        length = float(direction.norm())
        x = values[site][0, first:].float().cpu()
        score = x @ (direction / (length or 1.0)) / vector.norm(block)
        rows.append(score - vector.centres.get(block, 0.0) if length else torch.zeros_like(score))
    return TokenScores(lm.token_strings(tokens[first:]), tuple(sites), torch.stack(rows))
