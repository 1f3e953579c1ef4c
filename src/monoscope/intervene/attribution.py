"""Which features speak for one next token rather than another: to first order, and by switching them off.

For a prompt, and two tokens A and B that may follow it, with ``D = logit_A - logit_B`` after the last token::

    attribution_i = sum over tokens t of  f_i(t) (d_i . dD/dx_t)

is the first-order estimate of how much D would fall if feature i were switched off at every token of the prompt
while the reconstruction error is kept (Templeton et al. 2024, "Scaling Monosemanticity", section "Features as
computational intermediates"). One run of the model, forth and back, serves all features; :func:`falls_without` runs
it for each feature and measures the fall itself. The two are equal where the model is linear in ``x``.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from monoscope.dictionaries import SparseAutoencoder, SparseCodes
from monoscope.errors import UnknownName, WrongUse
from monoscope.intervene.gradient import gradient_at
from monoscope.intervene.steer import on_device, placed
from monoscope.models.hooks import edit
from monoscope.models.language_model import LanguageModel
from monoscope.models.sites import Site


@dataclass(frozen=True)
class Attribution:
    """How a logit difference comes about, to first order."""

    difference: float
    """``logit_A - logit_B`` after the prompt."""
    codes: SparseCodes
    """What fires, ``[token, slot]``; nothing on special tokens, which dictionaries don't learn from."""
    values: Float[Tensor, "token slot"]
    """Attribution of each slot of the codes, in logits."""
    rest: float
    """``x . dD/dx`` of what the features leave unexplained (biases, errors, special tokens): with the sum of the
    features' attributions it is the whole of ``x . dD/dx``."""
    n_features: int
    """Features in the dictionary."""

    def by_feature(self) -> Float[Tensor, " n_features"]:
        """Each feature's attribution, summed over tokens, in logits; above 0 it speaks for A."""
        total = self.values.new_zeros(self.n_features)
        return total.index_add(0, self.codes.indices.flatten(), self.values.flatten())


def attribution(
    lm: LanguageModel,
    dictionary: SparseAutoencoder,
    tokens: Int[Tensor, " token"],
    a: int,
    b: int,
    *,
    site: str | Site | None = None,
) -> Attribution:
    """Attribute ``logit_A - logit_B`` after the last token to the features that fire on the tokens.

    Args:
        lm: the model.
        dictionary: a dictionary of its activations.
        tokens: the prompt, as ``lm.tokenize`` gives it.
        a: the token that features speak for.
        b: the token that they speak against.
        site: where; the dictionary's own site unless given.

    Raises:
        WrongUse: the prompt is empty or does not fit the context, or A is B.
        UnknownName: the model has no such token.
        MismatchedArtefact, UnknownSite: as :func:`monoscope.intervene.steer.steer`.
    """
    place = placed(lm, dictionary, site)
    _check(lm, tokens, a, b)
    dictionary = on_device(dictionary, lm.device)
    found = gradient_at(lm, place, tokens, lambda logits: logits[a] - logits[b])
    x, slope = found.x, found.slope
    codes = _usable_codes(lm, dictionary, tokens, x)
    # The features that fire are few: one product for each is less than one for all.
    present, place_of = codes.indices.unique(return_inverse=True)
    towards = slope @ dictionary.directions[present].float().T
    values = codes.values * towards.gather(1, place_of)
    return Attribution(
        difference=found.value,
        codes=SparseCodes(codes.values.cpu(), codes.indices.cpu()),
        values=values.cpu(),
        rest=float((x * slope).sum() - values.sum()),
        n_features=dictionary.n_features,
    )


def falls_without(
    lm: LanguageModel,
    dictionary: SparseAutoencoder,
    tokens: Int[Tensor, " token"],
    features: Sequence[int],
    a: int,
    b: int,
    *,
    share: float | int = 1.0,
    site: str | Site | None = None,
    batch: int = 16,
) -> Float[Tensor, " feature"]:
    """How much ``logit_A - logit_B`` falls when each feature is switched off at every token, alone: measured.

    The activation becomes ``x - share f_i(x) d_i`` on all but special tokens, as with
    :class:`monoscope.intervene.edits.Ablate` when ``share`` is 1; for small shares the fall divided by ``share``
    tends to the attribution.

    Args:
        lm: the model.
        dictionary: a dictionary of its activations.
        tokens: the prompt, as ``lm.tokenize`` gives it.
        features: which to switch off, one at a time.
        a: the token that features speak for.
        b: the token that they speak against.
        share: how much of each activation is taken away.
        site: where; the dictionary's own site unless given.
        batch: features tried in one run of the model.

    Raises:
        WrongUse, UnknownName, MismatchedArtefact, UnknownSite: as :func:`attribution`; UnknownName also for a
            feature that the dictionary does not have.
    """
    place = placed(lm, dictionary, site)
    _check(lm, tokens, a, b)
    for feature in features:
        if not 0 <= feature < dictionary.n_features:
            raise UnknownName(f"there is no feature {feature}", f"they are 0 to {dictionary.n_features - 1}")
    dictionary = on_device(dictionary, lm.device)
    chosen = torch.tensor(list(features), dtype=torch.long, device=lm.device)

    def switched(x: Float[Tensor, "batch token d_model"]) -> Float[Tensor, "batch token d_model"]:
        codes = _usable_codes(lm, dictionary, tokens, x[0].float()).select(here)
        removed = codes.T[:, :, None] * dictionary.directions[here].float()[:, None]
        return torch.cat([x[:1], x[1:] - (share * removed).to(x.dtype)])

    falls = []
    with torch.no_grad():
        # The first row stays as it is: the fall is measured against a run of the same shape.
        for here in chosen.split(batch):
            with edit(lm, {place: switched}):
                logits = lm.forward(tokens.expand(len(here) + 1, -1))[:, -1]
            differences = logits[:, a] - logits[:, b]
            falls.append(differences[0] - differences[1:])
    return torch.cat(falls).cpu() if falls else torch.zeros(0)


def _usable_codes(
    lm: LanguageModel,
    dictionary: SparseAutoencoder,
    tokens: Int[Tensor, " token"],
    x: Float[Tensor, "token d_model"],
) -> SparseCodes:
    """What fires on each token, and nothing on special ones."""
    with torch.no_grad():
        codes = dictionary.sparse_encode(x)
    return SparseCodes(codes.values.float() * _usable(lm, tokens).to(x.device)[:, None], codes.indices)


def _usable(lm: LanguageModel, tokens: Int[Tensor, " token"]) -> Bool[Tensor, " token"]:
    return torch.tensor([int(token) not in lm.special_ids for token in tokens], dtype=torch.bool)


def _check(lm: LanguageModel, tokens: Int[Tensor, " token"], a: int, b: int) -> None:
    for token in (a, b):
        if not 0 <= token < lm.vocabulary_size:
            raise UnknownName(
                f"{lm.name} has no token {token}", f"its tokens are 0 to {lm.vocabulary_size - 1}"
            )
    if a == b:
        raise WrongUse("a token cannot be set against itself", "name two different tokens")
    if not _usable(lm, tokens).any():
        raise WrongUse("the prompt is empty", "give at least one word")
    if len(tokens) > lm.context:
        raise WrongUse(
            f"{len(tokens)} tokens do not fit the context of {lm.name}, {lm.context}", "shorten the prompt"
        )
