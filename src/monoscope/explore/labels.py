"""What the labels of a run add to feature cards: descriptions with their scores, patterns, and effects.

A label is a line of ``RUN/labels/labels.jsonl``, as ``monoscope explain`` writes it::

    feature       its number
    descriptions  [{"method", "text", "scores": {name: number}, and, of planted concepts, "kind"}]: what each method
                  says, and how well it holds
    patterns      [{"text", "matches", "active", ...}]: stretches of tokens that it fires on, in brackets where; on
                  how many tokens of other text they match, and on how many of these it is active
    effects       [{"position", "loss": [nats], "next": nats, "promoted": [[token, nats]], "suppressed": the same}]:
                  examples run again without the feature; losses are how much harder each token shown becomes to
                  predict, votes how much the feature raises a token's log-probability after ``position``

A card with labels is a record with the last three of these beside its own keys, cut to what a reader looks at.
A number that is not known is None.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from monoscope.errors import BrokenInput

LONGEST = 300
"""Characters of a description or pattern that are kept: a corpus may hold a token of any length."""
PATTERNS = 4
"""Patterns kept, the most telling ones."""
VOTES = 3
"""Tokens kept of those that the feature promotes, and of those that it suppresses, after one example."""

Label = Mapping[str, Any]
"""A line of the labels."""
NO_LABELS: Mapping[int, Label] = {}
"""Of a run that nobody has explained."""


def with_labels(card: dict[str, Any], labels: Mapping[int, Label]) -> dict[str, Any]:
    """A card with what the labels say about its feature, or, without a label, the card itself.

    Args:
        card: as ``FeatureRecord.to_json()`` gives it, with all examples.
        labels: feature -> its label.

    Raises:
        BrokenInput: an effect is of an example that the card does not have.
    """
    label = labels.get(card["feature"])
    if label is None:
        return card
    effects = label.get("effects") or ()
    check_effects(card, effects)
    return card | {
        "descriptions": [
            {**each, "text": shortened(each["text"]), "scores": dict(each["scores"])}
            for each in label.get("descriptions") or ()
        ],
        "patterns": [
            {"text": shortened(each["text"]), "matches": each["matches"], "active": each["active"]}
            for each in (label.get("patterns") or ())[:PATTERNS]
        ],
        "effects": [
            {
                "position": each["position"],
                "loss": list(each["loss"]),
                "next": each["next"],
                "promoted": votes(each["promoted"]),
                "suppressed": votes(each["suppressed"]),
            }
            for each in effects
        ],
    }


def check_effects(card: Mapping[str, Any], effects: Sequence[Mapping[str, Any]]) -> None:
    """Refuse effects that were measured on other examples.

    Raises:
        BrokenInput: the card has no example at that position, or one with another number of tokens.
    """
    shown = {example["position"]: len(example["tokens"]) for example in card["examples"]}
    for effect in effects:
        if shown.get(effect["position"]) != len(effect["loss"]):
            raise BrokenInput(
                f"the labels of feature {card['feature']} tell of an example at {effect['position']} "
                f"with {len(effect['loss'])} tokens, and the index has none",
                "explain the run again: its labels were made for another index",
            )


def votes(rows: Sequence[Sequence[Any]]) -> list[list[Any]]:
    """The first few of ``[token, nats]``, as lists."""
    return [[text, nats] for text, nats in rows[:VOTES]]


def shortened(text: str) -> str:
    """A text that a reader can take in."""
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
