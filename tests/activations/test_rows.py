"""Rows: documents go in and come out again, and tags stay on their tokens."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from monoscope.activations.rows import PADDING, TokenRows, pack
from monoscope.documents import Document, Span
from monoscope.errors import BrokenInput, MissingInput, UnknownName, WrongUse
from monoscope.models.language_model import LanguageModel, load_model

STORY = "The old bridge crosses the water. Fog hides the bridge."
WORDS = some.sampled_from(["the", " bridge", " fog", " ", "\n", "é漢", "🌉", " and", ".", " water"])
TEXTS = some.lists(some.lists(WORDS, min_size=1, max_size=40).map("".join), min_size=1, max_size=8)


def tagged_documents(count: int = 12) -> list[Document]:
    start = STORY.index("bridge")
    return [
        Document(
            f"{STORY} Number {number}.",
            (Span(start, start + 6, f"concept_{number % 2}", "mention"), Span(0, len(STORY), "scene")),
        )
        for number in range(count)
    ]


def documents_of(rows: TokenRows, lm: LanguageModel) -> list[str]:
    flat, of = rows.tokens.ravel(), rows.document_ids.ravel()
    return [lm.decode(flat[of == number].astype(np.int64)) for number in range(of.max() + 1)]


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=TEXTS, context=some.integers(2, 128))
def test_decoding_rows_gives_the_documents_back(
    tiny_llama: LanguageModel, texts: list[str], context: int
) -> None:
    rows = pack([Document(text) for text in texts], tiny_llama, context=context)
    assert rows.context == context
    assert documents_of(rows, tiny_llama) == texts


@pytest.mark.parametrize("context", [2, 3, 16, 100])
def test_rows_are_filled_in_order_and_start_with_the_beginning_token(
    tiny_llama: LanguageModel, context: int
) -> None:
    documents = tagged_documents()
    rows = pack(documents, tiny_llama, context=context)
    lengths = [len(tiny_llama.tokenize(document.text)) - 1 for document in documents]
    assert (rows.tokens[:, 0] == tiny_llama.bos_id).all()
    assert rows.n_tokens == rows.usable.sum() == sum(lengths)
    assert [(rows.document_ids[rows.usable] == number).sum() for number in range(12)] == lengths
    assert (np.diff(rows.document_ids[rows.usable]) >= 0).all()
    # Padding stands at the end of the last row and nowhere else.
    padding = np.flatnonzero(rows.document_ids.ravel() == PADDING)
    assert len(padding) < context
    assert np.array_equal(padding, np.arange(rows.tokens.size - len(padding), rows.tokens.size))
    assert not rows.usable.ravel()[padding].any()
    # One beginning token a document, and one more in each row that goes on with one.
    beginnings = np.count_nonzero((rows.tokens == tiny_llama.bos_id) & (rows.document_ids != PADDING))
    starts = np.flatnonzero(np.diff(rows.document_ids.ravel(), prepend=PADDING) > 0)
    assert beginnings == 12 + len(rows.tokens) - np.count_nonzero(starts % context == 0)


def test_without_a_beginning_token_every_place_holds_text(tiny_model_folder) -> None:
    lm = load_model(tiny_model_folder("qwen2"), device="cpu", dtype="float32")
    rows = pack(tagged_documents(), lm, context=16)
    assert documents_of(rows, lm) == [document.text for document in tagged_documents()]
    assert rows.usable.ravel()[: rows.n_tokens].all()
    assert rows.n_tokens == sum(len(lm.tokenize(document.text)) for document in tagged_documents())


@pytest.mark.parametrize("context", [3, 16, 128])
def test_tags_follow_their_tokens(tiny_llama: LanguageModel, context: int) -> None:
    rows = pack(tagged_documents(), tiny_llama, context=context)
    assert rows.concepts == ("concept_0", "concept_1", "scene")
    for parity in (0, 1):
        tagged = rows.tagged(f"concept_{parity}", "mention")
        assert tagged.shape == rows.tokens.shape
        assert set(rows.document_ids[tagged] % 2) == {parity}
        assert tiny_llama.decode(rows.tokens[tagged].astype(np.int64)) == " bridge" * 6
    scene = rows.tagged("scene", "passage")
    assert tiny_llama.decode(rows.tokens[scene].astype(np.int64)) == STORY * 12
    assert not rows.tagged("scene", "mention").any()
    assert not (scene & ~rows.usable).any()
    for positions, concept_ids in rows.tags.values():
        assert (np.diff(positions) >= 0).all()
        assert (positions.dtype, concept_ids.dtype) == (np.int64, np.int16)


def test_a_token_with_two_concepts_has_two_tags_and_one_with_two_spans_has_one(
    tiny_llama: LanguageModel,
) -> None:
    spans = (Span(0, 3, "a"), Span(0, 3, "b"), Span(0, 2, "a"), Span(1, 3, "a"))
    rows = pack([Document("Fog", spans)], tiny_llama, context=8)
    positions, concept_ids = rows.tags["passage"]
    n_tokens = rows.n_tokens
    assert positions.tolist() == [place for place in range(1, 1 + n_tokens) for _ in range(2)]
    assert concept_ids.tolist() == [0, 1] * n_tokens


@pytest.mark.parametrize("n_tokens", [1, 20, 57])
def test_so_many_tokens_and_no_more(tiny_llama: LanguageModel, n_tokens: int) -> None:
    rows = pack(tagged_documents(), tiny_llama, context=16, n_tokens=n_tokens)
    whole = pack(tagged_documents(), tiny_llama, context=16)
    assert rows.n_tokens == n_tokens
    assert np.array_equal(rows.tokens[rows.usable], whole.tokens[whole.usable][:n_tokens])


def test_special_tokens_in_a_text_are_not_usable(tiny_gpt2: LanguageModel) -> None:
    rows = pack([Document("Fog<|endoftext|>Fog")], tiny_gpt2, context=32)
    once = len(tiny_gpt2.tokenize("Fog", bos=False))
    assert rows.n_tokens == 2 * once
    assert (rows.tokens[rows.usable] != tiny_gpt2.bos_id).all()


def test_the_context_is_the_models_or_256(tiny_llama: LanguageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    assert pack([Document(STORY)], tiny_llama).context == 128
    monkeypatch.setattr(tiny_llama, "context", 1024)
    assert pack([Document(STORY)], tiny_llama).context == 256


def test_large_vocabularies_take_four_bytes(
    tiny_llama: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tiny_llama, "vocabulary_size", 1 << 16)
    assert pack([Document(STORY)], tiny_llama).tokens.dtype == np.uint16
    monkeypatch.setattr(tiny_llama, "vocabulary_size", (1 << 16) + 1)
    assert pack([Document(STORY)], tiny_llama).tokens.dtype == np.uint32


@pytest.mark.parametrize("context", [0, 1, 129])
def test_contexts_that_cannot_be_had(tiny_llama: LanguageModel, context: int) -> None:
    with pytest.raises(WrongUse, match=f"rows of {context} tokens") as error:
        pack([Document(STORY)], tiny_llama, context=context)
    assert error.value.hint == "give a context of 2 to 128"


def test_nothing_to_pack(tiny_llama: LanguageModel) -> None:
    with pytest.raises(WrongUse, match="0 tokens cannot be packed"):
        pack([Document(STORY)], tiny_llama, n_tokens=0)
    with pytest.raises(BrokenInput, match="no token that stands for text"):
        pack([Document("<|end|>")], tiny_llama)


def test_saved_rows_are_equal(tiny_llama: LanguageModel, tmp_path: Path) -> None:
    rows = pack(tagged_documents(), tiny_llama, context=16)
    rows.save(tmp_path / "rows")
    again = TokenRows.open(tmp_path / "rows")
    assert isinstance(again.tokens, np.memmap)
    assert not again.tokens.flags.writeable
    for name in ("tokens", "document_ids", "usable"):
        assert np.array_equal(getattr(rows, name), getattr(again, name))
        assert getattr(rows, name).dtype == getattr(again, name).dtype
    assert (again.special, again.concepts, again.context) == (rows.special, rows.concepts, 16)
    assert np.array_equal(again.tagged("concept_1", "mention"), rows.tagged("concept_1", "mention"))
    assert again.hash == rows.hash


def test_rows_without_tags_are_saved_too(tiny_llama: LanguageModel, tmp_path: Path) -> None:
    rows = pack([Document(STORY)], tiny_llama)
    rows.save(tmp_path / "rows")
    assert [len(positions) for positions, _ in TokenRows.open(tmp_path / "rows").tags.values()] == [0, 0]


def test_the_hash_is_that_of_the_content(tiny_llama: LanguageModel) -> None:
    documents = tagged_documents()
    same = pack(documents, tiny_llama, context=16).hash
    assert pack(documents, tiny_llama, context=16).hash == same
    plain = [Document(document.text) for document in documents]
    others = (pack(documents, tiny_llama, context=17), pack(documents[1:], tiny_llama, context=16))
    for rows in (*others, pack(plain, tiny_llama, context=16)):
        assert rows.hash != same


def test_unknown_concepts_and_kinds_are_named(tiny_llama: LanguageModel) -> None:
    rows = pack(tagged_documents(), tiny_llama)
    with pytest.raises(UnknownName, match="'concept_9' is not tagged") as error:
        rows.tagged("concept_9", "mention")
    assert "concept_0" in error.value.hint
    with pytest.raises(UnknownName, match="'word' is no kind of tag"):
        rows.tagged("scene", "word")
    with pytest.raises(UnknownName, match="'scene' is not tagged") as error:
        pack([Document(STORY)], tiny_llama).tagged("scene", "passage")
    assert error.value.hint == "these rows have no tags"


def test_broken_and_missing_rows_are_refused(tiny_llama: LanguageModel, tmp_path: Path) -> None:
    with pytest.raises(MissingInput):
        TokenRows.open(tmp_path / "rows")
    pack(tagged_documents(), tiny_llama, context=16).save(tmp_path / "rows")
    tokens = tmp_path / "rows" / "tokens.bin"
    tokens.write_bytes(tokens.read_bytes()[:-16])
    with pytest.raises(BrokenInput, match="cut short"):
        TokenRows.open(tmp_path / "rows")
    tokens.unlink()
    with pytest.raises(BrokenInput, match="cannot be mapped"):
        TokenRows.open(tmp_path / "rows")
