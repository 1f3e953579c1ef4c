from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monoscope.explore.export import postings as module
from monoscope.explore.export.postings import LONGEST, Postings, scored_words, words_of
from monoscope.explore.export.records import RecordWriter

from .fake_index import fake_index, read_records

SCORES = st.dictionaries(st.text("abé🐧\ud83d", min_size=1, max_size=3), st.integers(1, 15), max_size=6)


@given(st.lists(SCORES, max_size=25), st.integers(1, 30), st.integers(12, 40), st.integers(1, 12))
def test_what_was_gathered_is_read_back(
    told: list[dict[str, int]], too_common: int, chunk: int, block: int
) -> None:
    with TemporaryDirectory() as scratch, pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "POSTINGS_PER_CHUNK", chunk)
        patch.setattr(module, "BLOCK", block)
        folder = Path(scratch)
        gathered = Postings(folder)
        for feature, scores in enumerate(told):
            gathered.add(feature, scores)
        with RecordWriter(folder / "words") as writer:
            left_out = gathered.write(writer, too_common)
        assert [path.name for path in folder.iterdir()] == ["words"]
        *chunks, directory = read_records(folder / "words", writer.layout())
    assert directory == [chunk[0][0] for chunk in chunks]
    expected: dict[str, list[tuple[int, int]]] = {}
    for feature, scores in enumerate(told):
        for word, score in scores.items():
            expected.setdefault(word, []).append((feature, score))
    assert left_out == sorted(word for word, pairs in expected.items() if len(pairs) > too_common)
    found: dict[str, list[tuple[int, int]]] = {}
    order = []
    for word, steps, digits in (entry for chunk in chunks for entry in chunk):
        order.append(word)
        feature = 0
        for step, digit in zip(steps, digits, strict=True):
            feature += step
            found.setdefault(word, []).append((feature, int(digit, 16)))
    assert found == {word: pairs for word, pairs in expected.items() if len(pairs) <= too_common}
    assert order == sorted(order, key=lambda word: word.encode("utf-16-be", "surrogatepass"))


def test_words_are_lower_case_and_signs_stand_alone() -> None:
    assert list(words_of("near Bridge, TOWERS; ' = promotes don't")) == [
        *("near", "bridge", "towers", "'", "=", "promotes", "don", "t")
    ]
    assert list(words_of("y" * 1000)) == ["y" * LONGEST]
    assert list(words_of("Cafe\u0301")) == ["café"]


def test_the_first_token_that_it_fires_on_tells_most() -> None:
    card = fake_index(60).cards[0]
    scores = scored_words(card)
    tokens = [each["text"].strip() for each in card["tokens"]]
    assert [scores[token] for token in tokens] == [12, 11, 10, 9, 8, 7, 6]
    assert scores["activation"] == 5
    only_promoted = card["promoted"][7]["text"].strip()
    assert scores[only_promoted] == 2
