"""Patterns as text, whatever is in the tokens."""

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monoscope.features.patterns import (
    START,
    WILDCARD,
    Counts,
    FeaturePatterns,
    Pattern,
    describe_patterns,
    pattern_text,
)

VOCABULARY = [
    *(
        " the",
        " Golden",
        " Gate",
        " Bridge",
        "salito",
        " *",
        "\n",
        "  ",
        "<0xF0><0x9F>",
        "<0x8C><0x89>",
        "[a]",
    ),
    *(" שלום", " גשר", "<0xF0><0x9F><0x8C>", "<0x89>", "a\u202eb", "👩\u200d🚀", ""),
]


def tokens(*texts: str) -> tuple[int, ...]:
    return tuple({"*": WILDCARD, "^": START}.get(text) or VOCABULARY.index(text) for text in texts)


@pytest.mark.parametrize(
    ("pattern", "shown"),
    [
        ((" the", " Golden", " Gate", " Bridge"), "the Golden Gate [Bridge]"),
        ((" Golden", "*", " Bridge"), "Golden * [Bridge]"),
        ((" Golden", "*", "salito"), "Golden *[salito]"),
        ((" the", "salito"), "the[salito]"),
        ((" Golden", " Gate", "*"), "Golden Gate [*]"),
        (("^", " the"), "^ [the]"),
        (("^", "salito"), "^[salito]"),
        (("^", "*", "*", " the"), "^ * * [the]"),
        ((" *",), "[\\*]"),
        ((" the", "[a]"), "the[\\[a\\]]"),
        (("\n", "  ", "salito"), "\\n␣␣[salito]"),
        ((" the", "<0xF0><0x9F>", "<0x8C><0x89>"), "the[🌉]"),
        (("<0xF0><0x9F>", "<0x8C><0x89>", " Gate"), "🌉 [Gate]"),
        (("<0xF0><0x9F><0x8C>", "<0x89>"), "[🌉]"),
        ((" the", "<0xF0><0x9F>"), "the[<0xF0><0x9F>]"),
        (("<0xF0><0x9F>", "*", "<0x8C><0x89>"), "<0xF0><0x9F> *[<0x8C><0x89>]"),
        ((" שלום", " גשר"), "\u2068שלום [גשר]\u2069"),
        (("a\u202eb",), "[a\\u202eb]"),
        (("👩\u200d🚀",), "[👩\u200d🚀]"),
    ],
)
def test_what_a_pattern_looks_like(pattern: tuple[str, ...], shown: str) -> None:
    assert pattern_text(tokens(*pattern), VOCABULARY) == shown


@settings(max_examples=50)
@given(st.lists(st.text(max_size=5) | st.sampled_from(VOCABULARY), min_size=1, max_size=6), st.data())
def test_any_text_is_shown_on_one_line(vocabulary: list[str], data: st.DataObject) -> None:
    numbers = st.integers(START, len(vocabulary) - 1)
    text = pattern_text(data.draw(st.lists(numbers, min_size=1, max_size=6)), vocabulary)
    text.encode()
    assert len(text.splitlines()) == 1
    hidden = [letter for letter in text if not letter.isprintable() and letter not in "\u200c\u200d"]
    assert hidden in ([], ["\u2068", "\u2069"])
    assert not hidden or any(unicodedata.bidirectional(letter) in ("R", "AL") for letter in text)


def test_half_a_surrogate_is_shown() -> None:
    assert pattern_text((0,), ["\ud83d"]) == "[\\ud83d]"


def test_a_line_says_what_it_knows_and_no_more() -> None:
    gate = tokens(" Gate", " Bridge")
    new = Pattern(gate, 0.9, 7)
    found = FeaturePatterns(3, 2.0, 10, (new,))
    assert (
        describe_patterns(found, VOCABULARY)
        == "Gate [Bridge] (7 of 10 examples); its pattern: 7 of 10 examples, not scored on other text"
    )
    seen = Pattern(gate, 0.9, 7, matches=25, active=24, share=0.61)
    unseen = Pattern(tokens(" the"), 0.4, 9, matches=0, active=0, share=0.0)
    record = FeaturePatterns(3, 2.0, 20, (unseen, seen), (Counts(0.0, 500, 25, 32, 24),), 0.61, 0.8)
    assert describe_patterns(record, VOCABULARY) == (
        "Gate [Bridge] (61 % of activation, right 24 of 25 times), [the] (not seen in held-out text); "
        "all 2 patterns: precision 0.96, recall 0.75, 61 % of activation on held-out text"
    )
    assert describe_patterns(record, VOCABULARY, named=1).startswith(
        "Gate [Bridge] (61 % of activation, right"
    )


def test_patterns_that_look_the_same_are_named_once() -> None:
    pair = (
        Pattern((3,), 0.9, 7, matches=25, active=24, share=0.5),
        Pattern((len(VOCABULARY),), 0.4, 2, matches=5, active=1, share=0.1),
    )
    record = FeaturePatterns(3, 2.0, 20, pair, (Counts(0.0, 500, 30, 32, 25),), 0.6, 0.8)
    line = describe_patterns(record, [*VOCABULARY, "Bridge"])
    assert line.startswith("[Bridge] (60 % of activation, right 25 of 30 times); its pattern: ")
    unscored = FeaturePatterns(3, 2.0, 20, tuple(Pattern(each.tokens, 0.9, each.examples) for each in pair))
    assert describe_patterns(unscored, [*VOCABULARY, "Bridge"]).startswith(
        "[Bridge] (9 of 20 examples); its "
    )


@pytest.mark.parametrize(
    ("counts", "patterns", "examples", "said"),
    [
        (None, False, 0, "no examples to find a pattern in"),
        (None, False, 9, "no n-gram explains any of its 9 examples"),
        (
            Counts(0.0, 500, 4, 0, 0),
            True,
            9,
            "right 0 of 4 times); its pattern: silent on 500 held-out tokens",
        ),
        (Counts(0.0, 500, 0, 3, 0), True, 9, "none seen on 500 held-out tokens, where it is active 3 times"),
        (Counts(0.0, 500, 4, 3, 0), True, 9, "precision 0.00, recall 0.00 on held-out text"),
    ],
)
def test_lines_about_what_is_missing(counts: Counts | None, patterns: bool, examples: int, said: str) -> None:
    known = Pattern(tokens(" the"), 0.5, 3, 4, 0, None) if patterns else None
    record = FeaturePatterns(0, 1.0, examples, (known,) if known else (), (counts,) if counts else ())
    assert said in describe_patterns(record, VOCABULARY)
