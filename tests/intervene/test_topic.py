import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monoscope.errors import WrongUse
from monoscope.intervene.topic import Topic, distinct_bigrams, text_words, wilson

BRIDGE = Topic(["bridge", "golden gate", "toll-booth"])


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("The BRIDGE and the bridge.", 2),
        ("Bridges, bridgehead, abridge, footbridge, bridge_1", 0),
        ("the bridge's towers (bridge!)", 2),
        ("The Golden\nGate stood; golden eggs at the gate", 2),
        ("a toll-booth", 2),
        ("", 0),
    ],
)
def test_whole_words_count_whatever_their_case(text, count):
    assert BRIDGE.count(text) == count
    assert BRIDGE.mentioned(text) == (count > 0)


def test_longer_phrases_win():
    assert Topic(["golden", "golden gate"]).count("golden gate golden") == 3


def test_accents_and_other_scripts():
    assert Topic(["Brücke", "мост"]).count("Die BRÜCKE, МОСТ и мосты") == 2


@given(st.text(max_size=200))
def test_a_topic_never_has_more_words_than_the_text(text):
    assert 0 <= BRIDGE.count(text) <= len(text_words(text))


@pytest.mark.parametrize("words", [[], [""], ["bridge", "..."], "bridge"])
def test_no_words(words):
    with pytest.raises(WrongUse):
        Topic(words)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("the cat saw the cat", 3 / 4),
        ("bridge Bridge bridge, bridge!", 1 / 3),
        ("one two three four", 1.0),
        ("bridgebridgebridge", 0.0),
        ("... ,,,", 0.0),
        ("", 0.0),
    ],
)
def test_distinct_bigrams(text, value):
    assert distinct_bigrams(text) == value


def test_wilson_known_values():
    # Newcombe 1998, "Two-sided confidence intervals for the single proportion", table I.
    for successes, trials, low, high in (
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
    ):
        found = wilson(successes, trials)
        assert found == pytest.approx((low, high), abs=5e-5)
    assert wilson(0, 0) == (0.0, 1.0)


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_laws(counts):
    successes, trials = counts
    low, high = wilson(successes, trials)
    assert 0 <= low <= successes / trials + 1e-12
    assert successes / trials - 1e-12 <= high <= 1
    mirrored = wilson(trials - successes, trials)
    assert math.isclose(low, 1 - mirrored[1], abs_tol=1e-12)
    wider = wilson(successes * 4, trials * 4)
    assert wider[1] - wider[0] < high - low


def test_a_share_above_one():
    with pytest.raises(ValueError, match="3 of 2"):
        wilson(3, 2)
