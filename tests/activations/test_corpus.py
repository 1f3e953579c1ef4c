"""Corpora: their two sides, their hash, and where they are read from."""

import random
from dataclasses import replace
from pathlib import Path

import pytest

from monoscope.activations.corpus import Corpus, read_corpus
from monoscope.documents import Document, Span
from monoscope.errors import BrokenInput, MissingInput
from monoscope.models import builtin

STORIES = [Document(f"This is story number {number}.") for number in range(500)]


def test_one_document_in_ten_is_held_out_by_its_text() -> None:
    corpus = Corpus("stories", STORIES)
    training, heldout = corpus.training(), corpus.heldout()
    assert 30 < len(heldout) < 70
    assert sorted([*training, *heldout], key=STORIES.index) == STORIES
    assert training == sorted(training, key=STORIES.index)

    shuffled = random.Random(0).sample(STORIES, len(STORIES))
    assert set(Corpus("shuffled", shuffled).heldout()) == set(heldout)
    fewer = Corpus("fewer", STORIES[:100])
    assert set(fewer.heldout()) == set(heldout) & set(STORIES[:100])


def test_equal_texts_land_on_one_side() -> None:
    corpus = Corpus("twice", [*STORIES, *STORIES])
    assert not set(corpus.training()) & set(corpus.heldout())


def test_flags_decide_where_there_are_any() -> None:
    documents = [replace(document, heldout=index in (3, 8)) for index, document in enumerate(STORIES)]
    corpus = Corpus("flagged", documents)
    assert corpus.heldout() == [documents[3], documents[8]]
    assert len(corpus.training()) == 498


@pytest.mark.parametrize("count", [2, 3, 4, 5])
def test_small_corpora_have_two_sides(count: int) -> None:
    for first in range(0, 100, count):
        corpus = Corpus("small", STORIES[first : first + count])
        assert corpus.training()
        assert corpus.heldout()
        assert len(corpus.training()) + len(corpus.heldout()) == count


def test_a_single_document_is_cut_in_two() -> None:
    text = "word " * 100
    spans = (Span(0, 4, "first", "mention"), Span(400, 480, "across"), Span(460, 464, "late", "mention"))
    corpus = Corpus("book", [Document(text, spans)])
    (training,), (heldout,) = corpus.training(), corpus.heldout()
    assert training.text + heldout.text == text
    assert training.text[-1] == "d"
    assert 440 <= len(training.text) <= 450
    assert (training.heldout, heldout.heldout) == (False, True)
    assert training.text[400:] == text[400 : len(training.text)]
    assert training.spans == (Span(0, 4, "first", "mention"), Span(400, len(training.text), "across"))
    cut = len(training.text)
    assert heldout.spans == (Span(0, 480 - cut, "across"), Span(460 - cut, 464 - cut, "late", "mention"))


def test_a_single_document_without_spaces_is_cut_at_nine_tenths() -> None:
    corpus = Corpus("one word", [Document("x" * 100)])
    assert [len(document.text) for document in corpus.training() + corpus.heldout()] == [90, 10]


def test_a_single_character_cannot_be_cut() -> None:
    corpus = Corpus("tiny", [Document("x")])
    with pytest.raises(BrokenInput, match="one document of 1 characters"):
        corpus.heldout()


def test_concepts_are_those_of_the_spans() -> None:
    tagged = [
        Document("a bridge", (Span(2, 8, "bridge"), Span(0, 1, "article"))),
        Document("b", (Span(0, 1, "bridge"),)),
    ]
    assert Corpus("tagged", tagged).concepts() == ["article", "bridge"]
    assert Corpus("plain", STORIES).concepts() == []


def test_the_hash_is_that_of_the_content() -> None:
    base = [Document("one", (Span(0, 1, "c"),)), Document("two")]
    same = Corpus("a", base).hash
    assert len(same) == 16
    assert Corpus("b", tuple(base)).hash == same
    for other in (
        base[::-1],
        base[:1],
        [Document("one"), base[1]],
        [base[0], Document("two", heldout=True)],
        [replace(base[0], spans=(Span(0, 2, "c"),)), base[1]],
        [replace(base[0], spans=(Span(0, 1, "c", "mention"),)), base[1]],
        [Document("onet", base[0].spans), Document("wo")],
    ):
        assert Corpus("c", other).hash != same


def test_read_corpus_takes_documents_files_folders_and_corpora(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Hello", encoding="utf-8")
    assert read_corpus(STORIES).documents is STORIES
    assert read_corpus(corpus := Corpus("x", STORIES)) is corpus
    for source in (tmp_path / "a.txt", str(tmp_path / "a.txt")):
        assert read_corpus(source).documents == [Document("Hello")]
        assert read_corpus(source).name == "a.txt"
    assert read_corpus(tmp_path).documents == [Document("Hello")]
    assert read_corpus(tmp_path).name == tmp_path.name


def test_the_builtin_corpus_is_all_of_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "training.jsonl").write_text('{"text": "One"}', encoding="utf-8")
    (tmp_path / "heldout.jsonl").write_text('{"text": "Two", "split": "heldout"}', encoding="utf-8")
    files = [tmp_path / "training.jsonl", tmp_path / "heldout.jsonl"]
    monkeypatch.setattr(builtin, "corpus_files", lambda: files)
    corpus = read_corpus("builtin")
    assert corpus.name == "builtin"
    assert corpus.documents == [Document("One"), Document("Two", heldout=True)]


def test_a_corpus_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match="there is no corpus bultin") as error:
        read_corpus("bultin")
    assert "builtin" in error.value.hint


def test_a_corpus_without_documents_is_refused() -> None:
    with pytest.raises(BrokenInput, match="holds no text"):
        read_corpus([])
