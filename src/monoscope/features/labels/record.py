"""The label of a feature as plain frozen records, to and from JSON."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

METHODS = ("tokens", "near", "patterns", "promotes", "planted")
"""Ways to describe a feature, in the order in which they are told."""


@dataclass(frozen=True, slots=True)
class Description:
    """A few words about a feature, how they were found, and how well they hold."""

    method: str
    """One of ``METHODS``:

    - ``tokens``: the tokens it fires on most; ``share`` of its activation on the indexed text that falls on them;
    - ``near``: the words around its activations; ``overlap`` of the first, see ``monoscope.features.search``;
    - ``patterns``: n-grams; ``precision`` and ``recall`` on held-out text, ``share`` of its activation there that lies
      where one of them matches, and ``correlation`` of what they predict with what it does;
    - ``promotes``: the tokens it promotes; ``deviations`` of the first one's logit weight from the mean over the
      vocabulary, in standard deviations;
    - ``planted``: the concept that it marks; ``f1``, ``precision`` and ``recall`` on text that neither the concept nor
      the threshold was chosen on.
    """
    text: str
    """The words."""
    scores: Mapping[str, float | None]
    """Name -> number; None where it is not known."""
    kind: str = ""
    """Which tokens of a planted concept it marks: ``mention`` or ``passage``; empty for other methods."""


@dataclass(frozen=True, slots=True)
class ShownPattern:
    """An n-gram on the last token of which a feature fires, as text."""

    text: str
    """See :func:`monoscope.features.patterns.pattern_text`."""
    activation: float
    """Activation that it predicts, as a share of the feature's largest."""
    examples: int
    """Training examples that it was found in."""
    matches: int | None
    """Held-out tokens that it matches."""
    active: int | None
    """Of these, tokens on which the feature is active."""
    share: float | None
    """Share of the feature's held-out activation on these tokens."""


@dataclass(frozen=True, slots=True)
class ExampleEffect:
    """What a feature did to the model's predictions in one example: the model was run with and without it."""

    position: int
    """``Example.position`` of the index' record."""
    loss: tuple[float | None, ...]
    """Nats by which the loss of each token shown rises without the feature; None where nothing predicts the token."""
    next: float | None
    """The same for the token after ``position``; None at the end of a text."""
    promoted: tuple[tuple[str, float | None], ...]
    """Tokens whose log-probability after ``position`` the feature raised most, and by how many nats, above 0."""
    suppressed: tuple[tuple[str, float | None], ...]
    """Tokens whose log-probability it lowered most; numbers below 0."""


@dataclass(frozen=True, slots=True)
class FeatureLabel:
    """All descriptions of a feature."""

    feature: int
    """Its number in the dictionary."""
    descriptions: tuple[Description, ...] = ()
    """In the order of ``METHODS``; without the methods that have nothing to say."""
    patterns: tuple[ShownPattern, ...] = ()
    """The most telling first."""
    effects: tuple[ExampleEffect, ...] = ()
    """One for each example that was run again, the strongest first."""

    def to_json(self) -> dict[str, Any]:
        """The label as dictionaries, lists and numbers; a number that is not finite is null."""
        return {
            "feature": self.feature,
            "descriptions": [
                {"method": each.method, "text": each.text}
                | ({"kind": each.kind} if each.kind else {})
                | {"scores": {name: _finite(value) for name, value in each.scores.items()}}
                for each in self.descriptions
            ],
            "patterns": [
                {name: _finite(getattr(each, name)) for name in ShownPattern.__slots__}
                for each in self.patterns
            ],
            "effects": [
                {
                    "position": each.position,
                    "loss": [_finite(value) for value in each.loss],
                    "next": _finite(each.next),
                    "promoted": [[text, _finite(value)] for text, value in each.promoted],
                    "suppressed": [[text, _finite(value)] for text, value in each.suppressed],
                }
                for each in self.effects
            ],
        }

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> "FeatureLabel":
        """The label that :meth:`to_json` gave."""
        return cls(
            record["feature"],
            tuple(Description(**each) for each in record["descriptions"]),
            tuple(ShownPattern(**each) for each in record["patterns"]),
            tuple(
                ExampleEffect(
                    each["position"],
                    tuple(each["loss"]),
                    each["next"],
                    tuple((text, value) for text, value in each["promoted"]),
                    tuple((text, value) for text, value in each["suppressed"]),
                )
                for each in record["effects"]
            ),
        )


def standing(description: Description) -> float:
    """How high a feature stands in a search that finds it by this description.

    ``1 + F1`` for a planted concept, 1 for tokens that it fires on, 2/3 for words nearby, 1/3 for tokens promoted, as
    in ``FeatureIndex.by_description``; patterns lie between words nearby and tokens, by the harmonic mean of their
    precision and recall.
    """
    scores = description.scores
    match description.method:
        case "planted":
            return 1 + (scores.get("f1") or 0.0)
        case "patterns":
            precision, recall = scores.get("precision") or 0.0, scores.get("recall") or 0.0
            return (2 + 2 * precision * recall / max(precision + recall, 1e-12)) / 3
        case "near":
            return 2 / 3
        case "promotes":
            return 1 / 3
        case _:
            return 1.0


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
