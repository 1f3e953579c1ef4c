"""What else moves when something is turned up: the other features, in the same text and in what is written."""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from monoscope.dictionaries.autoencoder import SparseAutoencoder
from monoscope.errors import WrongUse
from monoscope.intervene.steer import on_device, placed
from monoscope.intervene.trial import Trial
from monoscope.intervene.written import mean_codes, written

LISTED = 10
"""Features listed each way."""

SIDE_EFFECT_FORMULAS = {
    "same_tokens": "(mean over the unsteered samples' tokens of f_i after the edit - of f_i before) / largest f_i",
    "written": "(mean of f_i over the steered samples' tokens - over the unsteered samples') / largest f_i, both "
    "read by the unsteered model",
}
"""What each number of the side effects is."""


@dataclass(frozen=True)
class Mover:
    """A feature that moved."""

    feature: int
    """Its number."""
    change: float
    """Of its mean code, in multiples of its largest activation."""


@dataclass(frozen=True)
class Moves:
    """The features that moved most, those that are edited left out."""

    up: tuple[Mover, ...]
    """Upwards, the most first."""
    down: tuple[Mover, ...]
    """Downwards, the most first."""

    @property
    def sizes(self) -> tuple[float, ...]:
        """The largest moves either way, without their sign, the largest first."""
        every = sorted((abs(each.change) for each in (*self.up, *self.down)), reverse=True)
        return tuple(every[:LISTED])


@dataclass(frozen=True)
class SideEffects:
    """What moves, in the same text and in the text that is written."""

    same_tokens: Moves
    """Codes after the edit against codes before, on the text of the unsteered model."""
    written: Moves
    """Codes of the steered text against codes of the unsteered text, both without the edit."""

    def to_json(self) -> dict[str, Any]:
        """Both, as JSON can hold them."""
        return {
            name: {
                way: [{"feature": each.feature, "change": each.change} for each in getattr(moves, way)]
                for way in ("up", "down")
            }
            for name, moves in (("same_tokens", self.same_tokens), ("written", self.written))
        }


def side_effects(trial: Trial, dictionary: SparseAutoencoder) -> SideEffects:
    """What a strength moves beside what it edits.

    Formulas: ``SIDE_EFFECT_FORMULAS``. Features without a known largest activation are left out.

    Args:
        trial: the strength; what it writes is written now unless it was before.
        dictionary: what the features are of; the one that is edited, or any that reads the same model.

    Raises:
        WrongUse: nothing was written, steered or unsteered.
        MismatchedArtefact, UnknownSite: the dictionary is not of this model.
    """
    lm, site = trial.lm, placed(trial.lm, dictionary, None)
    dictionary = on_device(dictionary, lm.device)
    unsteered = replace(trial, rules=())
    plain = written(lm, trial.prompts, unsteered.samples)
    pushed = written(lm, trial.prompts, trial.samples)
    if not plain or not pushed:
        raise WrongUse(
            "nothing was written, so no feature moved in it", "allow more tokens, or give other prompts"
        )
    own = [feature for rule in trial.rules for feature in rule.features]

    def moves(before: Float[Tensor, " n_features"], after: Float[Tensor, " n_features"]) -> Moves:
        return largest_moves(after - before, dictionary.max_activation.cpu(), own)

    before = mean_codes(lm, dictionary, site, plain)
    with trial.steered() if trial.rules else nullcontext():
        after = mean_codes(lm, dictionary, site, plain)
    return SideEffects(moves(before, after), moves(before, mean_codes(lm, dictionary, site, pushed)))


def largest_moves(
    changes: Float[Tensor, " n_features"], largest: Float[Tensor, " n_features"], own: Sequence[int]
) -> Moves:
    """The features that moved most each way.

    Args:
        changes: of the mean codes.
        largest: each feature's largest activation; those at 0 are left out.
        own: features that are left out too.
    """
    counted = largest > 0
    counted[list(own)] = False
    shares = torch.where(counted, changes / torch.where(counted, largest, 1).double(), 0)

    def first(values: Tensor) -> tuple[Mover, ...]:
        order = values.argsort(descending=True, stable=True)[:LISTED].tolist()
        return tuple(Mover(number, float(shares[number])) for number in order if values[number] > 0)

    return Moves(up=first(shares), down=first(-shares))
