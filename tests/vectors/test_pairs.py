"""Pairs of texts."""

import pytest

from monoscope.errors import WrongUse
from monoscope.models import LanguageModel
from monoscope.vectors import ContrastPair, contrast_pairs, prefixes
from monoscope.vectors.pairs import pairs_hash


def test_every_suffix_is_said_by_every_pair_of_personas() -> None:
    pairs = contrast_pairs("I am {persona}: {suffix}", ["glad", "merry"], ["sad", "gloomy"], ["a {b}", "c"])
    assert [(pair.positive, pair.negative) for pair in pairs] == [
        ("I am glad: a {b}", "I am sad: a {b}"),
        ("I am merry: a {b}", "I am gloomy: a {b}"),
        ("I am glad: c", "I am sad: c"),
        ("I am merry: c", "I am gloomy: c"),
    ]
    assert [pair.group for pair in pairs] == [0, 0, 1, 1]
    assert contrast_pairs("A {persona} one", "glad", "sad") == [
        ContrastPair("A glad one", "A sad one", group=0)
    ]


def test_beginnings_of_one_text_are_of_one_group() -> None:
    pairs = contrast_pairs(
        "{persona} {suffix}", "A", "B", ["It", "It is", "It is so", "They", "They are", "It", "We"]
    )
    assert [pair.group for pair in pairs] == [0, 0, 0, 3, 3, 5], "a repetition is left out"


def test_prefixes_grow_token_by_token(tiny_llama: LanguageModel) -> None:
    text = "The king of the land"
    tokens = tiny_llama.tokenize(text, bos=False).tolist()
    assert prefixes(tiny_llama, [text], drop=2) == [
        tiny_llama.decode(tokens[:end]) for end in range(1, len(tokens) - 1)
    ]
    assert prefixes(tiny_llama, [text, text], drop=0)[-1] == text
    assert len(prefixes(tiny_llama, [text, text], drop=0)) == len(tokens), "equal beginnings count once"


def test_no_prefix_ends_inside_a_character(tiny_llama: LanguageModel) -> None:
    assert prefixes(tiny_llama, ["é日"], drop=0) == ["é", "é日"]


@pytest.mark.parametrize(
    ("template", "positive", "negative", "suffixes", "says"),
    [
        ("I am: {suffix}", "a", "b", ["x"], "has no {persona}"),
        ("I am {persona}", "a", "b", ["x"], "has no {suffix}"),
        ("I am {persona}", ["a", "b"], ["c"], [""], "do not pair up"),
        ("I am {persona}", [], [], [""], "do not pair up"),
        ("I am {persona}", "a", "b", [], "no suffixes"),
    ],
)
def test_what_makes_no_pairs_is_refused(
    template: str, positive: list[str] | str, negative: list[str] | str, suffixes: list[str], says: str
) -> None:
    with pytest.raises(WrongUse, match=says):
        contrast_pairs(template, positive, negative, suffixes)


def test_texts_too_short_for_a_prefix_are_refused(tiny_llama: LanguageModel) -> None:
    with pytest.raises(WrongUse, match="more than 50 tokens"):
        prefixes(tiny_llama, ["The king"], drop=50)
    with pytest.raises(WrongUse, match="drop=-1"):
        prefixes(tiny_llama, ["The king"], drop=-1)


def test_the_hash_is_that_of_every_text_in_its_place() -> None:
    pairs = [ContrastPair("a", "b"), ContrastPair("c", "d")]
    assert pairs_hash(pairs) == pairs_hash(pairs)
    assert (
        len({pairs_hash(pairs), pairs_hash(pairs[::-1]), pairs_hash([ContrastPair("ab", ""), pairs[1]])}) == 3
    )
