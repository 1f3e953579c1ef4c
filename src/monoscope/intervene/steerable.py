"""What can be steered at any strength, and what it is compared with at the same strength."""

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from monoscope.dictionaries.autoencoder import SparseAutoencoder
from monoscope.errors import WrongUse
from monoscope.intervene.edits import Add, Cap, Clamp, Edit
from monoscope.intervene.steer import Rule, on_device
from monoscope.manifest import content_hash
from monoscope.vectors import ControlVector

LONGEST_NAME = 100
"""Characters of a name made of features; of longer ones a hash stands for the rest."""


@dataclass(frozen=True, kw_only=True)
class Steerable:
    """A rule whose strength is left open.

    Raises:
        WrongUse: the rule's edit has no strength in multiples of a unit, or features come without a dictionary.
    """

    name: str
    """What it is called: ``412``, ``412+7``, or the name of a vector."""
    rule: Rule
    """What is edited, how and where; the strength in it does not count."""
    dictionary: SparseAutoencoder | None = None
    """What features are of; None for a vector."""

    def __post_init__(self) -> None:
        edit = self.rule.edit
        if not isinstance(edit, Clamp | Add | Cap) or edit.multiple is None:
            raise WrongUse(
                f"{edit} has no strength in multiples of a unit", "calibrate a clamp or an addition"
            )
        if self.rule.features and self.dictionary is None:
            raise WrongUse("features are edited without a dictionary", "give the dictionary that they are of")

    @property
    def unit(self) -> str:
        """What strength 1 is."""
        return self.rule.vector.unit if self.rule.vector else "largest activation"

    def at(self, strength: float) -> tuple[Rule, ...]:
        """The rules at a strength."""
        edit = self.rule.edit
        assert isinstance(edit, Clamp | Add | Cap), "checked when it was made"
        return (replace(self.rule, edit=replace(edit, multiple=float(strength))),)

    def to_json(self) -> dict[str, Any]:
        """What it is, as JSON can hold it."""
        rule, edit = self.rule, self.rule.edit
        about: dict[str, Any] = (
            {"vector": rule.vector.hash, "blocks": list(rule.vector.blocks)}
            if rule.vector
            else {"features": {str(each): float(weight) for each, weight in rule.features.items()}}
        )
        when = rule.when and {
            "feature": rule.when.feature, "above": rule.when.above, "otherwise": rule.when.otherwise
        }  # fmt: skip
        return {
            "name": self.name,
            **about,
            "edit": type(edit).__name__.lower(),
            "where_active": isinstance(edit, Clamp) and edit.where_active,
            "scope": str(rule.scope),
            "when": when,
            "ramp": rule.ramp,
            "keep_norm": rule.keep_norm,
        }

    # What it is compared with

    def other_features(self, n: int, seed: int) -> "Iterator[Steerable]":
        """The same rule about other live features drawn at random, with the same weights; of a vector none.

        Fewer than ``n`` when fewer have a known largest activation.
        """
        if self.dictionary is None or self.rule.vector is not None:
            return
        own = {*self.rule.features, *([self.rule.when.feature] if self.rule.when else [])}
        live = (self.dictionary.max_activation > 0).nonzero().flatten().tolist()
        order = np.random.default_rng(seed).permutation([each for each in live if each not in own])
        size = len(self.rule.features)
        for first in range(0, min(n * size, len(order) - size + 1), size):
            others = [int(each) for each in order[first : first + size]]
            weights = dict(zip(others, self.rule.features.values(), strict=True))
            yield replace(self, name=features_name(others), rule=replace(self.rule, features=weights))

    def random_directions(self, n: int, seed: int) -> "Iterator[Steerable]":
        """The same rule with each direction replaced by a random one of equal length, ``n`` times."""
        for number in range(n):
            name, generator = f"random {number}", torch.Generator().manual_seed(seed + number)
            if self.rule.vector is not None:
                vector = random_like(self.rule.vector, generator)
                yield replace(self, name=name, rule=replace(self.rule, vector=vector))
            elif self.dictionary is not None:
                other = turned(self.dictionary, list(self.rule.features), seed + number)
                yield replace(self, name=name, dictionary=other)

    def on(self, device: torch.device) -> "Steerable":
        """The same with its dictionary on that device."""
        if self.dictionary is None:
            return self
        return replace(self, dictionary=on_device(self.dictionary, device))


def steerable_features(
    dictionary: SparseAutoencoder,
    features: Mapping[int, float | int] | int,
    edit: Edit | None = None,
    **rule: Any,
) -> Steerable:
    """A feature, or several with weights.

    Args:
        dictionary: what they are of.
        features: a number, or weights by number.
        edit: what is done, at any strength; a clamp unless given.
        rule: further fields of :class:`Rule`: ``scope``, ``when``, ``ramp``, ``keep_norm``.

    Raises:
        WrongUse: as :class:`Steerable` and :class:`Rule`.
    """
    weights = features if isinstance(features, Mapping) else {features: 1.0}
    whole = Rule(
        edit=edit or Clamp(1), features={each: float(weight) for each, weight in weights.items()}, **rule
    )
    return Steerable(name=features_name(list(weights)), rule=whole, dictionary=dictionary)


def steerable_vector(vector: ControlVector, name: str, edit: Edit | None = None, **rule: Any) -> Steerable:
    """A control vector, added unless ``edit`` says otherwise.

    Raises:
        WrongUse: as :class:`Steerable` and :class:`Rule`.
    """
    return Steerable(name=name, rule=Rule(edit=edit or Add(1), vector=vector, **rule))


def features_name(features: Sequence[int]) -> str:
    """``412``, or ``412+7``."""
    name = "+".join(map(str, features))
    return name if len(name) <= LONGEST_NAME else f"{features[0]}+{content_hash(name)}"


def random_like(vector: ControlVector, generator: torch.Generator) -> ControlVector:
    """A vector of random directions, as long as the vector's own, at the same blocks and in the same units."""
    drawn = {block: torch.randn(vector.d_model, generator=generator) for block in vector.blocks}
    directions = {
        block: direction / direction.norm() * vector.directions[block].norm()
        for block, direction in drawn.items()
    }
    return replace(vector, directions=directions, centres={}, accuracy={}, method="random", recommended=None)


def turned(dictionary: SparseAutoencoder, features: Sequence[int], seed: int) -> SparseAutoencoder:
    """The same dictionary with these features writing in random directions, as long as their own."""
    changed = copy.deepcopy(dictionary)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for feature in features:
            row = torch.randn(dictionary.d_model, generator=generator).to(changed.decoder)
            changed.decoder[feature] = row / row.norm() * changed.decoder[feature].norm()
    return changed
