import base64
import json
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from explore import fake
from monoscope.explore.cards import (
    EFFECTS,
    RELATED,
    ROWS,
    TOKENS_IN_PAGE,
    TOLD,
    Packed,
    pack,
    telling,
    within_budget,
)
from monoscope.explore.characters import LEVELS, character, levels
from monoscope.explore.labels import with_labels
from monoscope.features.record import (
    CoActivation,
    Example,
    FeatureRecord,
    Histogram,
    LogitWeight,
    Neighbour,
    TokenShare,
)

tokens = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=8) | st.sampled_from(
    fake.HOSTILE
)


def inflated(text: str):
    return json.loads(zlib.decompress(base64.b64decode(text)))


def read_back(packed: Packed) -> list[dict]:
    """What ``decode.js`` reads, written a second time."""
    summary = inflated(packed.summary)
    words = summary["vocabulary"]

    def spelled(characters: str) -> list[str]:
        codes = (ord(each) for each in characters)
        return [words[code - 0x20 - (0x800 if code >= 0xE000 else 0)] for code in codes]

    def signed(characters: str, largest: float) -> list[float | None]:
        steps = [ord(each) - 0x20 - LEVELS // 2 for each in characters]
        return [None if step > LEVELS // 2 else step / (LEVELS // 2) * largest for step in steps]

    cards = []
    for packed_block in packed.blocks:
        facts, texts, values, steps, sayings = inflated(packed_block)
        start = step = 0
        for fact, said in zip(facts, sayings, strict=True):
            place, examples = len(cards), []
            largest = summary["largest"][place]
            effects = []
            for kind, document, peak_at, peak, effect, length in fact[-1]:
                part = slice(start, start + length)
                read = [(ord(each) - 0x20) / LEVELS * largest for each in values[part]]
                examples.append((kind, document, peak_at, peak, spelled(texts[part]), read))
                start += length
                if effect:
                    following, largest_loss, largest_vote, *voted = effect
                    tokens = [spelled(each) for each in voted]
                    losses = signed(steps[step : step + length], largest_loss)
                    step += length
                    nats = signed(steps[step : step + sum(map(len, tokens))], largest_vote)
                    step += len(nats)
                    effects.append((following, losses, *tokens, nats))
            cards.append(
                {
                    "feature": summary["feature"][place],
                    "description": summary["description"][place],
                    "tokens": spelled(summary["tokens"][place]),
                    "promoted": spelled(summary["promoted"][place]),
                    "address": fact[0],
                    "n_active": fact[1],
                    "counts": fact[4],
                    "neighbours": [feature for feature, _ in fact[8]],
                    "coactive": fact[9],
                    "scores": fact[10],
                    "counted": fact[11],
                    "words": said,
                    "effects": effects,
                    "examples": examples,
                }
            )
    return cards


def test_packed_cards_hold_what_the_records_hold():
    cards = fake.features(140, top=3)["cards"]
    packed = pack(cards)
    assert packed.left_out == 0
    assert len(packed.blocks) == 2
    for card, read in zip(cards, read_back(packed), strict=True):
        for name in ("feature", "description", "address", "n_active"):
            assert read[name] == card[name]
        assert read["tokens"] == [each["text"] for each in card["tokens"]]
        assert read["promoted"] == [each["text"] for each in card["promoted"]][:ROWS]
        assert read["neighbours"] == [each["feature"] for each in card["neighbours"]]
        assert read["counts"] == card["histogram"]["counts"]
        for example, (kind, document, peak_at, peak, texts, values) in zip(
            card["examples"], read["examples"], strict=True
        ):
            assert (kind, document, texts) == (example["kind"], example["document"], example["tokens"])
            assert peak == pytest.approx(example["peak"], rel=1e-2)
            assert example["activations"][peak_at] == example["peak"]
            step = card["max_activation"] / LEVELS
            np.testing.assert_allclose(values, example["activations"], atol=1.001 * step)
            assert [value > 0 for value in values] == [value > 0 for value in example["activations"]]


def labelled(n_features):
    cards = fake.features(n_features, top=4)["cards"]
    labels = fake.labels_of(cards)
    return [with_labels(card, labels) for card in cards]


def test_packed_cards_hold_what_the_labels_say():
    cards = labelled(140)
    packed = read_back(pack(cards))
    assert sum(bool(read["effects"]) for read in packed) > 40
    for card, read in zip(cards, packed, strict=True):
        said, patterns = card.get("descriptions", []), card.get("patterns", [])
        assert read["words"] == [each["text"] for each in [*said, *patterns]]
        assert read["scores"] == [
            [each["method"], each["scores"], *([each["kind"]] if "kind" in each else [])] for each in said
        ]
        assert read["counted"] == [[each["matches"], each["active"]] for each in patterns]
        for effect, (following, losses, raised, lowered, nats) in zip(
            card.get("effects", [])[:EFFECTS], read["effects"], strict=True
        ):
            assert following == pytest.approx(effect["next"], rel=5e-2)
            assert (losses[0], effect["loss"][0]) == (None, None)
            step = max(abs(each) for each in effect["loss"][1:]) / (LEVELS // 2)
            np.testing.assert_allclose(losses[1:], effect["loss"][1:], atol=max(TOLD, 0.6 * step))
            assert raised == [text for text, _ in effect["promoted"]]
            assert lowered == [text for text, _ in effect["suppressed"]]
            told = [each for name in ("promoted", "suppressed") for _, each in effect[name]]
            np.testing.assert_allclose(nats, told, atol=0.6 * max(map(abs, told)) / (LEVELS // 2))


def test_features_active_together_are_kept_with_how_often():
    card = fake.features(1)["cards"][0]
    card["coactive"] = [{"feature": 40 + each, "correlation": 0.613, "share": 0.085} for each in range(9)]
    (read,) = read_back(pack([card]))
    assert read["coactive"] == [[40 + each, 61, 8] for each in range(RELATED)]


nats = st.floats(-30, 30) | st.none()


@settings(max_examples=40)
@given(st.lists(nats, min_size=1, max_size=20), st.lists(st.tuples(tokens, nats), max_size=3), nats)
def test_any_effect_comes_back(losses, votes, following):
    card = fake.card(1, 12, np.random.default_rng(0), top=1)
    example = card["examples"][0] | {"tokens": ["x"] * len(losses), "activations": [0.5] * len(losses)}
    votes = [list(each) for each in votes]
    effect = {"position": example["position"], "loss": losses, "next": following}
    effect |= {"promoted": votes, "suppressed": votes[:1]}
    label = {"feature": 1, "effects": [effect]}
    (read,) = read_back(pack([with_labels(card | {"examples": [example]}, {1: label})]))
    ((_, back, raised, lowered, voted),) = read["effects"]
    largest = max((abs(each) for each in losses if each is not None), default=0)
    for one, other in zip(losses, back, strict=True):
        assert (one is None) == (other is None)
        assert one is None or abs(one - other) <= TOLD + largest / LEVELS * 1.1
    assert raised == [text for text, _ in votes]
    assert lowered == raised[:1]
    assert [each is None for each in voted] == [nat is None for _, nat in [*votes, *votes[:1]]]


@given(st.lists(tokens, min_size=1, max_size=30))
def test_any_tokens_come_back(texts):
    card = fake.card(1, 12, np.random.default_rng(0), top=1)
    example = card["examples"][0] | {"tokens": texts, "activations": [0.5] * len(texts)}
    (read,) = read_back(pack([card | {"examples": [example], "description": texts[0]}]))
    assert read["examples"][0][4] == texts
    assert read["description"] == texts[0]


def test_characters_are_distinct_and_can_be_written_in_utf_8_however_large_the_vocabulary():
    written = [character(place) for place in range(0, 200_000, 97)] + [
        character(p) for p in range(55_000, 55_400)
    ]
    assert len(set(written)) == len({*range(0, 200_000, 97), *range(55_000, 55_400)})
    assert "".join(written).encode("utf-8")


def test_every_activation_above_nought_is_seen_and_none_exceeds_the_largest():
    assert levels([0.0, 1e-9, 0.5, 1.0, 1.0001], 1.0) == "".join(
        chr(0x20 + each) for each in (0, 1, LEVELS // 2, LEVELS, LEVELS)
    )
    assert levels([0.0, 0.0], 0.0) == "  "


def test_a_budget_keeps_four_of_the_strongest_to_one_of_each_other_kind():
    cards = fake.features(60, top=12)["cards"]
    alive = [card for card in cards if card["examples"]]
    every = sum(len(example["tokens"]) for card in cards for example in card["examples"])
    assert [len(kept) for kept in within_budget(cards, every)] == [len(card["examples"]) for card in cards]
    kept = within_budget(cards, len(alive) * 25 * 16)
    for card, examples in zip(cards, kept, strict=True):
        if not card["examples"]:
            continue
        kinds = [example["kind"] for example in examples]
        assert kinds.count("top") == 8
        assert [kinds.count(f"interval {part}") for part in (1, 2, 3, 4)] == [2, 2, 2, 2]
        assert examples[:8] == card["examples"][:8]
    least = within_budget(cards, 0)
    assert {len(examples) for examples in least} == {0, 5}
    assert [example["kind"] for example in least[0]].count("top") == 1


def test_a_family_of_words_tells_more_than_one_word_and_pieces_tell_nothing():
    def card(*tokens):
        return {"tokens": [{"text": text, "share": share, "lift": lift} for text, share, lift in tokens]}

    family = telling(card((" bear", 0.3, 1000.0), (" bears", 0.3, 1000.0), (" cub", 0.2, 100.0)))
    assert family == pytest.approx(0.3 * 3 + 0.2 * 2)
    assert telling(card((" bear", 0.9, 1000.0))) == 0
    assert (
        telling(card((" bear", 0.5, 1000.0), ("ing", 0.2, 1000.0), (" the", 0.3, 2.0), (" .", 0.1, 50.0)))
        == 0
    )
    assert telling(card()) == 0


def written_cards(n_features):
    """Cards of which the tokens are as mixed as those of a corpus."""
    words = [
        f"{first}{last}" for first in "bcdfghklmnprst" for last in ("at", "en", "ower", "ing", "ous", "a")
    ]
    generator = np.random.default_rng(0)
    some = fake.features(n_features)["cards"]
    chosen = generator.zipf(1.3, size=10**6) % len(words)
    place = 0
    for card in some:
        for example in card["examples"]:
            example["tokens"] = [f" {words[each]}" for each in chosen[place : place + 25]]
            place += 25
    return some


def size(packed):
    return len(packed.summary) + sum(map(len, packed.blocks))


def test_a_page_of_4096_features_stays_under_four_megabytes():
    some = written_cards(128)
    packed = pack(some, budget=TOKENS_IN_PAGE // 32)
    assert packed.left_out > 0
    assert 32 * size(packed) < 3.8e6


def test_labels_add_less_than_a_third_to_a_page():
    cards = written_cards(128)
    generator = np.random.default_rng(3)
    labels = {card["feature"]: fake.label(card, generator) for card in cards}
    without, with_all = pack(cards), pack([with_labels(card, labels) for card in cards])
    assert size(without) < size(with_all) < 1.33 * size(without)


def test_records_of_the_index_can_be_packed():
    record = FeatureRecord(
        feature=7,
        address="m/s/d#7",
        description="bridge",
        density=0.01,
        n_active=3,
        max_activation=2.0,
        mean_activation=1.0,
        histogram=Histogram((-1.0, 0.0, 1.0), (1, 2)),
        examples=(
            Example("top", 11, 4, 10, (" the", " bridge"), (0.0, 2.0), 2.0),
            Example("quantile 3", 11, 4, 10, (" the", " bridge"), (0.0, 2.0), 2.0),
            Example("random", 11, 4, 10, (" the", " bridge"), (0.0, 2.0), 2.0),
            Example("near miss", 31, 4, 30, (" the", " bridge"), (0.0, 0.0), 0.0),
        ),
        tokens=(TokenShare(5, " bridge", 3, 0.9, 40.0),),
        promoted=(LogitWeight(5, " bridge", 1.5),),
        suppressed=(LogitWeight(6, " cat", -0.5),),
        neighbours=(Neighbour(9, 0.4),),
        coactive=(CoActivation(8, 0.5, 0.9),),
    )
    (read,) = read_back(pack([record.to_json()]))
    assert read["examples"] == [
        ("top", 4, 1, 2.0, [" the", " bridge"], [0.0, 2.0]),
        ("near miss", 4, 1, 0.0, [" the", " bridge"], [0.0, 0.0]),
    ]
    assert read["tokens"] == [" bridge"]
    made_up = fake.features(1)["cards"][0]
    assert set(record.to_json()) == set(made_up)
    assert set(record.to_json()["examples"][0]) == set(made_up["examples"][0])
