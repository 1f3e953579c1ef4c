"""Run a model with features edited."""

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor

from monoscope.dictionaries.autoencoder import SparseAutoencoder
from monoscope.errors import MismatchedArtefact, UnknownSite, WrongUse
from monoscope.intervene.channels import Channel, SiteChange
from monoscope.intervene.edits import Edit, check_edits, check_features
from monoscope.intervene.scope import Scope, When
from monoscope.models.hooks import edit
from monoscope.models.language_model import LanguageModel
from monoscope.models.sites import Site


@dataclass(frozen=True, kw_only=True)
class Rule:
    """An edit of one feature or several, at some tokens."""

    edit: Edit
    """What is done."""
    features: Mapping[int, float]
    """Feature -> weight: its unit counts so many times. A neighbourhood is several features under one edit."""
    scope: Scope = field(default_factory=Scope)
    """At which tokens."""
    when: When | None = None
    """On which condition."""
    ramp: int = 0
    """Over so many tokens of the scope the change grows to its whole size; 0: whole from the first."""
    keep_norm: bool = False
    """Give the activation back its norm after the change."""

    def __post_init__(self) -> None:
        if not self.features:
            raise WrongUse("no feature was named to edit", "name at least one")
        if self.ramp < 0:
            raise WrongUse(f"a ramp of {self.ramp} tokens is none", "give 0 or more")


Rules = Mapping[int, Edit] | Sequence[Rule]
"""Feature -> edit at every token, or rules."""


@contextmanager
def steer(
    lm: LanguageModel,
    dictionary: SparseAutoencoder,
    edits: Rules,
    *,
    site: str | Site | None = None,
) -> Iterator[None]:
    """Inside the block, the model runs with the edits; after it, the model is what it was, bit for bit.

    Neither the weights nor the prompt change: at the tokens in question, of the prompt and of what is generated, the
    activation becomes ``x + Σ_i (v_i − f_i(x)) d_i`` (Templeton et al. 2024). Blocks may be nested; the inner one
    reads the activations that the outer one left.

    Args:
        lm: the model.
        dictionary: a dictionary of this model's activations; copied to the model's device when it lies
            elsewhere.
        edits: feature number -> edit, for instance ``{412: Clamp(10)}``, or rules, which say more; carried out
            together, as one sum.
        site: where; the dictionary's own site unless given.

    Raises:
        MismatchedArtefact: the dictionary was made from another model, or its width is not the site's.
        UnknownSite: the model has no such site, or neither the dictionary nor the caller names one.
        UnknownName, WrongUse, BrokenInput: as :func:`monoscope.intervene.edits.check_edits`.
    """
    place = placed(lm, dictionary, site)
    dictionary = on_device(dictionary, lm.device)
    channels = channels_of(dictionary, edits)
    if not channels:
        yield
        return
    with edit(lm, {place: SiteChange(channels, dictionary, lm)}):
        yield


@contextmanager
def steer_each(lm: LanguageModel, dictionary: SparseAutoencoder, edits: Sequence[Rules]) -> Iterator[None]:
    """Inside the block, each text of a batch is steered by edits of its own, and only by those.

    Args:
        lm: the model; it must be run on batches of as many texts.
        dictionary: a dictionary of its activations, on its device.
        edits: for each text of the batch, as :func:`steer`; no edits leave a text as it is.

    Raises:
        MismatchedArtefact, UnknownSite, UnknownName, WrongUse, BrokenInput: as :func:`steer`.
    """
    place = placed(lm, dictionary, None)
    each = [channels_of(dictionary, own) for own in edits]
    channels = [channel for own in each for channel in own]
    rows = [row for row, own in enumerate(each) for _ in own]
    if not channels:
        yield
        return
    with edit(lm, {place: SiteChange(channels, dictionary, lm, rows)}):
        yield


def edit_function(dictionary: SparseAutoencoder, edits: Rules) -> Callable[[Tensor], Tensor]:
    """The function ``x -> x + Σ_i (v_i − f_i(x)) d_i`` of the edits of one site, computed in float32.

    One encoding serves all edits. With no edits it is the identity: the same bits come back.

    Args:
        dictionary: what ``f`` and ``d`` come from; it must lie on the device of the activations.
        edits: as :func:`steer`.

    Raises:
        UnknownName, WrongUse, BrokenInput: as :func:`monoscope.intervene.edits.check_edits`.
    """
    channels = channels_of(dictionary, edits)
    return SiteChange(channels, dictionary) if channels else _unchanged


def channels_of(dictionary: SparseAutoencoder, edits: Rules) -> list[Channel]:
    """The edits, each feature by itself.

    Raises:
        UnknownName, WrongUse, BrokenInput: as :func:`monoscope.intervene.edits.check_edits`.
    """
    rules = (
        [Rule(edit=edit, features={feature: 1.0}) for feature, edit in edits.items()]
        if isinstance(edits, Mapping)
        else edits
    )
    return [channel for rule in rules for channel in _channels_of_rule(dictionary, rule)]


def _channels_of_rule(dictionary: SparseAutoencoder, rule: Rule) -> Iterator[Channel]:
    check_edits(dictionary, dict.fromkeys(rule.features, rule.edit))
    bound = 0.0
    if rule.when is not None:
        check_features(dictionary, [rule.when.feature])
        bound = rule.when.above * float(dictionary.max_activation[rule.when.feature])
    for feature, weight in rule.features.items():
        yield Channel(
            feature=feature,
            direction=dictionary.directions[feature],
            move=rule.edit.move(weight * float(dictionary.max_activation[feature])),
            scope=rule.scope,
            when=rule.when,
            bound=bound,
            ramp=rule.ramp,
            keep_norm=rule.keep_norm,
        )


def placed(lm: LanguageModel, dictionary: SparseAutoencoder, site: str | Site | None) -> Site:
    """The site where this dictionary acts on this model.

    Raises:
        MismatchedArtefact, UnknownSite: as :func:`steer`.
    """
    if dictionary.model_hash and dictionary.model_hash != lm.hash:
        raise MismatchedArtefact(
            f"the dictionary was made from model {dictionary.model_hash}, and {lm.name} is {lm.hash}",
            "use the model it was made from, or train a dictionary on this one",
        )
    name = site or dictionary.site
    if not name:
        raise UnknownSite(
            "the dictionary does not say at which site it acts", "name it: site='blocks.2.resid_post'"
        )
    place = lm.resolve(name)
    dictionary.check_width(lm.width(place), str(place))
    return place


def on_device(dictionary: SparseAutoencoder, device: torch.device | str) -> SparseAutoencoder:
    """The dictionary itself when it lies on that device, else a copy there; the caller's stays put."""
    if dictionary.max_activation.device == torch.device(device):
        return dictionary
    return copy.deepcopy(dictionary).to(device)


def _unchanged(x: Tensor) -> Tensor:
    return x
