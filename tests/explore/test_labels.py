from copy import deepcopy

import numpy as np
import pytest

from explore import fake
from monoscope.errors import BrokenInput
from monoscope.explore.labels import LONGEST, PATTERNS, VOTES, with_labels


@pytest.fixture
def card():
    return fake.card(1, 12, np.random.default_rng(0))


@pytest.fixture
def label(card):
    return fake.label(card, np.random.default_rng(1))


def test_a_label_is_joined_to_its_card_and_neither_is_changed(card, label):
    before = deepcopy((card, label))
    joined = with_labels(card, {1: label, 2: {}})
    assert (card, label) == before
    assert {name: joined[name] for name in card} == card
    assert joined["descriptions"] == label["descriptions"]
    assert [each["text"] for each in joined["patterns"]] == [each["text"] for each in label["patterns"]][
        :PATTERNS
    ]
    for effect, told in zip(joined["effects"], label["effects"], strict=True):
        for name in ("position", "loss", "next"):
            assert effect[name] == told[name]
        assert effect["promoted"] == told["promoted"][:VOTES]
        assert effect["suppressed"] == told["suppressed"][:VOTES]


def test_a_card_without_a_label_is_the_card(card):
    assert with_labels(card, {}) is card
    assert with_labels(card, {2: {"feature": 2}}) is card


def test_a_label_that_says_nothing_adds_nothing_to_read(card):
    joined = with_labels(card, {1: {"feature": 1}})
    assert [joined[name] for name in ("descriptions", "patterns", "effects")] == [[], [], []]


def test_a_text_without_end_is_cut(card, label):
    label["descriptions"][0]["text"] = label["patterns"][0]["text"] = "x" * 100_000
    joined = with_labels(card, {1: label})
    assert joined["descriptions"][0]["text"] == joined["patterns"][0]["text"] == "x" * LONGEST + "…"


@pytest.mark.parametrize("change", [{"position": 3}, {"loss": [0.1]}])
def test_effects_on_other_examples_are_refused(card, label, change):
    label["effects"][2] |= change
    with pytest.raises(BrokenInput, match="labels of feature 1 tell of an example at"):
        with_labels(card, {1: label})
