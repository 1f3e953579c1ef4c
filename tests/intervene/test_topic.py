import pytest
from hypothesis import given
from hypothesis import strategies as st

from monoscope.errors import WrongUse
from monoscope.intervene.topic import Topic, distinct_bigrams, text_words

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
