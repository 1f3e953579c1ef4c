"""Run a model with features and vectors edited."""

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
from monoscope.vectors import ControlVector
from monoscope.vectors.checks import check_same_model


@dataclass(frozen=True, kw_only=True)
class Rule:
    """An edit of one feature or several, or along a control vector, at some tokens."""

    edit: Edit
    """What is done."""
    features: Mapping[int, float] = field(default_factory=dict)
    """Feature -> weight: its unit counts so many times. A neighbourhood is several features under one edit."""
    vector: ControlVector | None = None
    """Instead of features: a vector, edited behind each of its blocks; its unit is the mean residual norm there."""
    scope: Scope = field(default_factory=Scope)
    """At which tokens."""
    when: When | None = None
    """On which condition: of features alone, since it is read where they are."""
    ramp: int = 0
    """Over so many tokens of the scope the change grows to its whole size; 0: whole from the first."""
    keep_norm: bool = False
    """Give the activation back its norm after the change."""

    def __post_init__(self) -> None:
        if bool(self.features) == (self.vector is not None):
            raise WrongUse(
                "no feature was named to edit"
                if self.vector is None
                else "features and a vector are one rule",
                "name at least one feature, or a vector; two rules for both",
            )
        if self.vector is not None and self.when is not None:
            raise WrongUse("a vector is edited without a condition", "give the condition to features")
        if self.ramp < 0:
            raise WrongUse(f"a ramp of {self.ramp} tokens is none", "give 0 or more")


Rules = Mapping[int, Edit] | Sequence[Rule]
"""Feature -> edit at every token, or rules."""


@contextmanager
def steer(
    lm: LanguageModel,
    dictionary: SparseAutoencoder | None,
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
            elsewhere. None where all that is edited are vectors.
        edits: feature number -> edit, for instance ``{412: Clamp(10)}``, or rules, which say more; those of one site
            are carried out together, as one sum.
        site: where features are edited; the dictionary's own site unless given.

    Raises:
        MismatchedArtefact: the dictionary or a vector was made from another model, or its width is not the site's.
        UnknownSite: the model has no such site, or neither the dictionary nor the caller names one.
        UnknownName, WrongUse, BrokenInput: as :func:`monoscope.intervene.edits.check_edits`.
    """
    with edit(lm, changes(lm, dictionary, [edits], site)):
        yield


def changes(
    lm: LanguageModel,
    dictionary: SparseAutoencoder | None,
    edits: Sequence[Rules],
    site: str | Site | None = None,
    *,
    each: bool = False,
) -> dict[Site, SiteChange]:
    """What happens at each site.

    Args:
        lm: the model.
        dictionary: what features are of.
        edits: several edits together.
        site: where features are edited; the dictionary's own site unless given.
        each: the edits of number ``n`` are for text ``n`` of a batch alone.

    Raises:
        MismatchedArtefact, UnknownSite, UnknownName, WrongUse, BrokenInput: as :func:`steer`.
    """
    place = None
    if dictionary is not None:
        place, dictionary = placed(lm, dictionary, site), on_device(dictionary, lm.device)
    found: dict[Site, list[tuple[int, Channel]]] = {}
    for row, own in enumerate(edits):
        for rule in as_rules(own):
            for at, channel in _channels_of_rule(lm, dictionary, place, rule):
                found.setdefault(at, []).append((row, channel))
    return {
        at: SiteChange(
            [channel for _, channel in several],
            dictionary if at == place else None,
            lm,
            [row for row, _ in several] if each else None,
        )
        for at, several in found.items()
    }


def as_rules(edits: Rules) -> Sequence[Rule]:
    """Edits of features at every token as rules."""
    if not isinstance(edits, Mapping):
        return edits
    return [Rule(edit=edit, features={feature: 1.0}) for feature, edit in edits.items()]


def _channels_of_rule(
    lm: LanguageModel, dictionary: SparseAutoencoder | None, place: Site | None, rule: Rule
) -> Iterator[tuple[Site, Channel]]:
    if rule.vector is not None:
        check_vector(lm, rule.vector)
        for block in rule.vector.blocks:
            yield Site(block, "resid_post"), vector_channel(rule, block, lm.device)
        return
    if dictionary is None or place is None:
        raise WrongUse("features are edited without a dictionary", "give the dictionary that they are of")
    for channel in feature_channels(dictionary, rule):
        yield place, channel


def check_vector(lm: LanguageModel, vector: ControlVector) -> None:
    """Refuse a vector that was made from another model.

    Raises:
        MismatchedArtefact: its hash or its width is another.
        UnknownSite: the model has fewer blocks.
    """
    check_same_model(vector, model_hash=lm.hash, d_model=lm.d_model)
    lm.resolve(Site(max(vector.blocks), "resid_post"))


def vector_channel(rule: Rule, block: int, device: torch.device) -> Channel:
    """A rule's vector behind one block, as a unit vector and a unit: ``push`` is what ``Add`` does."""
    assert rule.vector is not None
    direction = rule.vector.directions[block].to(device)
    length = float(direction.norm())
    return Channel(
        direction=direction / max(length, 1e-30),
        move=rule.edit.move(length * rule.vector.norm(block)),
        scope=rule.scope,
        ramp=rule.ramp,
        keep_norm=rule.keep_norm,
    )


def feature_channels(dictionary: SparseAutoencoder, rule: Rule) -> Iterator[Channel]:
    """A rule's features, each by itself.

    Raises:
        UnknownName, WrongUse, BrokenInput: as :func:`monoscope.intervene.edits.check_edits`.
    """
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


def edit_function(dictionary: SparseAutoencoder, edits: Rules) -> Callable[[Tensor], Tensor]:
    """The function ``x -> x + Σ_i (v_i − f_i(x)) d_i`` of the edits of features, computed in float32.

    One encoding serves all edits. With no edits it is the identity: the same bits come back.

    Args:
        dictionary: what ``f`` and ``d`` come from; it must lie on the device of the activations.
        edits: as :func:`steer`.

    Raises:
        UnknownName, WrongUse, BrokenInput: as :func:`monoscope.intervene.edits.check_edits`.
    """
    channels = [channel for rule in as_rules(edits) for channel in feature_channels(dictionary, rule)]
    return SiteChange(channels, dictionary) if channels else _unchanged


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
