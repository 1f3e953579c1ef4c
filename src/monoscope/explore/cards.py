"""Thousands of feature cards in little space: tables of numbers and strings, deflated, decoded by the page.

A token is one character: its place in a vocabulary of the tokens that occur, the most frequent first, so that
UTF-8 and deflate make it short. An activation is one character too, in steps of 1/90 of the feature's largest; so
is what the model does without the feature, in steps of 1/45 of the example's largest, up or down. Cards lie in
blocks, each of which the page unpacks when one of its cards is opened: facts, tokens, activations, effects and the
labels' texts apart, because each deflates better among its own kind. What the list and the search need of every card
lies in a summary. ``page/decode.js`` is the other half of this module.
"""

import base64
import json
import math
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from monoscope.explore.characters import LEVELS, character, largest_of, levels, signed_levels
from monoscope.explore.wording import Number

CARDS_PER_BLOCK = 128
"""Cards unpacked at once."""
TOKENS_IN_PAGE = 1_200_000
"""Tokens of examples in one page, at most: about 3 MB."""
ROWS = 8
"""Tokens kept of those that a feature fires on, that it promotes, and that it suppresses."""
RELATED = 6
"""Features kept of those that are active together with it."""
EFFECTS = 3
"""Examples of a card, the strongest, that keep what the model does there without the feature."""
TOLD = 0.01
"""Nats below which the effect on a token is as good as none."""
VOTED = ("promoted", "suppressed")
"""What a feature votes for, and against, after an example."""
WORDED = ("descriptions", "patterns")
"""What the labels say in words."""
LEFT_OUT = ("random", "quantile")
"""Kinds of examples that stay in the index: in the page the intervals show the whole range."""
OWN_LIFT = 10
"""A word is a feature's own where the feature is at least this many times likelier than elsewhere."""

DEFLATE = 6
"""How hard it is deflated: beyond, hundredths are gained for twice the time."""

Card = Mapping[str, Any]
"""As ``FeatureRecord.to_json()`` gives it, with or without what :mod:`monoscope.explore.labels` adds."""


@dataclass(frozen=True)
class Packed:
    """Cards as a page holds them."""

    summary: str
    """Base64 of deflated JSON: vocabulary, and of each card what the list and the search need."""
    blocks: tuple[str, ...]
    """Base64 of deflated JSON: the rest, ``CARDS_PER_BLOCK`` cards each."""
    examples: int
    """Examples kept."""
    left_out: int
    """Examples left out, so that the page stays small."""


def pack(cards: Sequence[Card], *, budget: int = TOKENS_IN_PAGE) -> Packed:
    """Pack cards with examples of ``budget`` tokens at most."""
    kept = within_budget(cards, budget)
    codes = vocabulary(cards, kept)
    summary = {
        "vocabulary": list(codes),
        "perBlock": CARDS_PER_BLOCK,
        "levels": LEVELS,
        "feature": [card["feature"] for card in cards],
        "description": [card["description"] for card in cards],
        "density": [short(card["density"]) for card in cards],
        "largest": [short(card["max_activation"]) for card in cards],
        **{
            name: [spell(codes, (each["text"] for each in card[name][:ROWS])) for card in cards]
            for name in ("tokens", "promoted", "suppressed")
        },
        "telling": [short(telling(card), 2) for card in cards],
    }
    blocks = [
        block(cards[first : first + CARDS_PER_BLOCK], kept[first : first + CARDS_PER_BLOCK], codes)
        for first in range(0, len(cards), CARDS_PER_BLOCK)
    ]
    n_kept = sum(len(examples) for examples in kept)
    return Packed(
        summary=deflated(summary),
        blocks=tuple(blocks),
        examples=n_kept,
        left_out=sum(len(card["examples"]) for card in cards) - n_kept,
    )


def within_budget(cards: Sequence[Card], budget: int) -> list[list[Card]]:
    """The examples that the page shows: of each card those of the first ranks, as many as the budget allows.

    Args:
        cards: the cards.
        budget: tokens of all examples together; the first rank is kept whatever it holds.
    """
    fitting = [
        [example for example in card["examples"] if not example["kind"].startswith(LEFT_OUT)]
        for card in cards
    ]
    ranked = [list(zip(ranks(examples), examples, strict=True)) for examples in fitting]
    tokens: Counter[int] = Counter()
    for examples in ranked:
        for rank, example in examples:
            tokens[rank] += len(example["tokens"])
    total, last = 0, 1
    for rank in sorted(tokens):
        total += tokens[rank]
        if total > budget:
            break
        last = rank
    return [[example for rank, example in examples if rank <= last] for examples in ranked]


def ranks(examples: Iterable[Card]) -> Iterator[int]:
    """How soon each example is kept: four of the strongest come to one of each other kind, whose first comes first."""
    seen: Counter[str] = Counter()
    for example in examples:
        kind = example["kind"]
        seen[kind] += 1
        yield seen[kind] if kind == "top" or seen[kind] == 1 else 4 * seen[kind]


def vocabulary(cards: Sequence[Card], kept: Sequence[Sequence[Card]]) -> dict[str, str]:
    """Token text -> its character, for every token that occurs, the most frequent first."""
    counts: Counter[str] = Counter()
    for card, examples in zip(cards, kept, strict=True):
        for example in examples:
            counts.update(example["tokens"])
        for name in ("tokens", "promoted", "suppressed"):
            counts.update(each["text"] for each in card[name][:ROWS])
        for effect in effects_of(card, examples).values():
            counts.update(text for name in VOTED for text, _ in effect[name])
    ordered = sorted(counts, key=lambda text: (-counts[text], text))
    return {text: character(place) for place, text in enumerate(ordered)}


def spell(codes: Mapping[str, str], texts: Iterable[str]) -> str:
    """Tokens as characters."""
    return "".join(map(codes.__getitem__, texts))


def block(cards: Sequence[Card], kept: Sequence[Sequence[Card]], codes: Mapping[str, str]) -> str:
    """Some cards: their facts, the tokens of all their examples, the activations of all, the effects, and texts."""
    pairs = list(zip(cards, kept, strict=True))
    return deflated(
        [
            [facts(card, examples, codes) for card, examples in pairs],
            "".join(spell(codes, example["tokens"]) for examples in kept for example in examples),
            "".join(
                levels(example["activations"], card["max_activation"])
                for card, examples in pairs
                for example in examples
            ),
            "".join(
                signed_levels(values, largest_of(values))
                for card, examples in pairs
                for effect in effects_of(card, examples).values()
                for values in (losses_of(effect), votes_of(effect))
            ),
            [[each["text"] for name in WORDED for each in card.get(name, ())] for card in cards],
        ]
    )


def facts(card: Card, examples: Sequence[Card], codes: Mapping[str, str]) -> list[Any]:
    """What only an opened card shows, in the order in which ``decode.js`` reads it."""
    edges = card["histogram"]["edges"]
    effects = effects_of(card, examples)
    return [
        card["address"],
        card["n_active"],
        short(card["mean_activation"]),
        [short(edges[0]), short(edges[-1])] if edges else [],
        list(card["histogram"]["counts"]),
        [[short(each["share"], 2), short(each["lift"], 2)] for each in card["tokens"][:ROWS]],
        [short(each["weight"], 3) for each in card["promoted"][:ROWS]],
        [short(each["weight"], 3) for each in card["suppressed"][:ROWS]],
        [[each["feature"], round(each["cosine"], 2)] for each in card["neighbours"]],
        [
            [each["feature"], round(100 * each["correlation"]), round(100 * each["share"])]
            for each in card["coactive"][:RELATED]
        ],
        [
            [
                each["method"],
                {name: known(score, 2) for name, score in each["scores"].items()},
                *kind_of(each),
            ]
            for each in card.get("descriptions", ())
        ],
        [[each["matches"], each["active"]] for each in card.get("patterns", ())],
        [
            [
                example["kind"],
                example["document"],
                example["position"] - example["start"],
                short(example["peak"], 3),
                effect_facts(effects[place], codes) if place in effects else 0,
                len(example["tokens"]),
            ]
            for place, example in enumerate(examples)
        ],
    ]


def kind_of(description: Card) -> list[str]:
    """Which tokens of a concept it tells of, where it tells of some."""
    return [description["kind"]] if description.get("kind") else []


def effects_of(card: Card, examples: Sequence[Card]) -> dict[int, Card]:
    """Place of an example -> what the model did without the feature there, of those that were run again."""
    effects = {each["position"]: each for each in card.get("effects", ())[:EFFECTS]}
    return {
        place: effects[example["position"]]
        for place, example in enumerate(examples)
        if example["position"] in effects
    }


def effect_facts(effect: Card, codes: Mapping[str, str]) -> list[Any]:
    """Next token's loss, largest loss, largest vote, and the tokens voted for and against, as characters."""
    voted = [spell(codes, (text for text, _ in effect[name])) for name in VOTED]
    return [known(effect["next"], 2), largest_of(losses_of(effect)), largest_of(votes_of(effect)), *voted]


def losses_of(effect: Card) -> list[Number | None]:
    """Nats by which each token shown becomes harder to predict, 0 for what nobody is told of."""
    return [0.0 if each is not None and abs(each) < TOLD else each for each in effect["loss"]]


def votes_of(effect: Card) -> list[Number | None]:
    """Nats of the votes for, and of those against."""
    return [nats for name in VOTED for _, nats in effect[name]]


def telling(card: Card) -> float:
    """How much of a feature falls on several words of its own: what the list begins with.

    The sum of share × log10(lift) over whole words with a lift of 10 or more, without the largest term: a feature
    that goes with a family of words, as of one concept, comes before one that only marks a single word.
    """
    terms = sorted(
        each["share"] * math.log10(each["lift"])
        for each in card["tokens"]
        if each["lift"] >= OWN_LIFT and is_word(each["text"])
    )
    return sum(terms[:-1])


def is_word(token: str) -> bool:
    """True for a space and three letters or more."""
    return token.startswith(" ") and token[1:].isalpha() and len(token) > 3


def short(value: Number, digits: int = 4) -> Number:
    """To so many significant digits."""
    return value if isinstance(value, int) else float(f"{value:.{digits}g}")


def known(value: Number | None, digits: int) -> Number | None:
    """The same of a number that may not be known."""
    return None if value is None else short(value, digits)


def deflated(value: Any) -> str:
    """JSON, deflated, in base64: nothing in it can end a script element."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return base64.b64encode(zlib.compress(text.encode("utf-8", "replace"), DEFLATE)).decode("ascii")
