"""What a model would have predicted without one feature: the plain form of :mod:`monoscope.intervene.stretches`, which
gives the same numbers for many features faster.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from monoscope.dictionaries.autoencoder import SparseAutoencoder
from monoscope.intervene.edits import Ablate, check_edits
from monoscope.intervene.steer import on_device, placed
from monoscope.models.hooks import edit
from monoscope.models.language_model import LanguageModel
from monoscope.models.sites import Site

ENTRIES = 2**25
"""Logits held at a time."""


@dataclass(frozen=True)
class Ablations:
    """What one feature did to the predictions of one row of text, for each of several rows."""

    loss: Float[Tensor, "row token"]
    """How much the loss of each token rises without the row's feature, in nats; 0 for the first, which nothing
    predicts. Above 0 the feature helped."""
    promoted: Int[Tensor, "row kept"]
    """Tokens whose log-probability the feature raised most at the row's position, the most first."""
    promoted_by: Float[Tensor, "row kept"]
    """By how much, in nats."""
    suppressed: Int[Tensor, "row kept"]
    """Tokens whose log-probability it lowered most, the most first."""
    suppressed_by: Float[Tensor, "row kept"]
    """By how much; below 0."""


@torch.no_grad()
def ablations(
    lm: LanguageModel,
    dictionary: SparseAutoencoder,
    features: Int[Tensor, " row"],
    tokens: Int[Tensor, "row token"],
    positions: Int[Tensor, " row"],
    *,
    kept: int = 5,
    site: str | Site | None = None,
) -> Ablations:
    """Run each row with and without a feature of its own, everything that the dictionary misses left in place.

    Formula: at every token ``x' = x - f_i(x) d_i``; ``loss = CE'(token) - CE(token)``; votes are
        ``log p(token) - log p'(token)`` at the row's position (Bricken et al. 2023, ablations).

    Args:
        lm: the model.
        dictionary: a dictionary of its activations.
        features: the feature that each row is run without.
        tokens: rows of equal length; shorter texts may be filled up behind with anything.
        positions: where votes are counted: the prediction of the token after it.
        kept: tokens of either kind.
        site: where; the dictionary's own site unless given.

    Raises:
        UnknownName: the dictionary has no such feature.
        MismatchedArtefact, UnknownSite, WrongUse: as :func:`monoscope.intervene.steer.steer`, and rows longer than
            the model's context.
    """
    place = placed(lm, dictionary, site)
    check_edits(dictionary, {int(feature): Ablate() for feature in features})
    dictionary = on_device(dictionary, lm.device)
    if not len(tokens):
        none = tokens.new_empty((0, kept))
        return Ablations(torch.zeros(tokens.shape), none, none.float(), none, none.float())
    size = max(1, ENTRIES // max(1, tokens.shape[1] * lm.vocabulary_size))
    parts = [
        _part(lm, dictionary, place, which, rows, where, kept)
        for which, rows, where in zip(
            features.split(size), tokens.split(size), positions.split(size), strict=True
        )
    ]
    names = ("loss", "promoted", "promoted_by", "suppressed", "suppressed_by")
    return Ablations(*(torch.cat([getattr(part, name) for part in parts]) for name in names))


def _part(
    lm: LanguageModel,
    dictionary: SparseAutoencoder,
    place: Site,
    features: Int[Tensor, " row"],
    tokens: Int[Tensor, "row token"],
    positions: Int[Tensor, " row"],
    kept: int,
) -> Ablations:
    """A few rows at a time."""
    numbers, column = features.to(dictionary.decoder.device).unique(return_inverse=True)
    directions = dictionary.directions[numbers[column]].float()

    def without(x: Float[Tensor, "row token d_model"]) -> Float[Tensor, "row token d_model"]:
        wide = x.float()
        # Each row reads the column of its own feature.
        found = dictionary.sparse_encode(wide).select(numbers)
        codes = found.gather(-1, column[:, None, None].expand(*found.shape[:2], 1))
        return (wide - codes * directions[:, None]).to(x.dtype)

    clean = lm.forward(tokens).log_softmax(-1)
    with edit(lm, {place: without}):
        ablated = lm.forward(tokens).log_softmax(-1)
    rows = torch.arange(len(tokens), device=clean.device)
    votes = (clean - ablated)[rows, positions.to(clean.device)]
    up, down = votes.topk(min(kept, votes.shape[1])), votes.topk(min(kept, votes.shape[1]), largest=False)
    following = tokens[:, 1:, None].to(clean.device)
    rise = (clean[:, :-1].gather(-1, following) - ablated[:, :-1].gather(-1, following)).squeeze(-1)
    loss = torch.cat([rise.new_zeros(len(tokens), 1), rise], dim=1)
    return Ablations(*(each.cpu() for each in (loss, up.indices, up.values, down.indices, down.values)))
