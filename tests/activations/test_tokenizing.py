"""Streams of tokens: what a document becomes, and which tokens its spans reach."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from monoscope.activations import tokenizing
from monoscope.activations.tokenizing import TokenStream, token_stream
from monoscope.documents import Document, Span
from monoscope.errors import BrokenInput
from monoscope.models.language_model import LanguageModel, load_model

STORY = "The old bridge crosses the water. Fog hides the bridge."


def tagged_text(stream: TokenStream, lm: LanguageModel, concept: str, kind: str = "mention") -> list[str]:
    """The readable tokens that carry a concept, in order."""
    pairs = stream.tags[kind]
    positions = np.sort(pairs[pairs[:, 1] == stream.concepts.index(concept), 0])
    return lm.token_strings(stream.tokens[positions].astype(np.int64))


def span(text: str, part: str, concept: str, kind: str = "mention") -> Span:
    start = text.index(part)
    return Span(start, start + len(part), concept, kind)


def test_a_document_is_its_beginning_token_and_its_text(tiny_llama: LanguageModel) -> None:
    stream = token_stream([Document(STORY), Document("Once")], tiny_llama, None)
    first, second = tiny_llama.tokenize(STORY).numpy(), tiny_llama.tokenize("Once").numpy()
    assert first[0] == tiny_llama.bos_id
    assert np.array_equal(stream.tokens, np.concatenate([first, second]))
    assert stream.tokens.dtype == np.uint16
    assert np.array_equal(stream.document_ids, [0] * len(first) + [1] * len(second))
    assert np.flatnonzero(stream.begins).tolist() == [0, len(first)]
    assert stream.concepts == ()


def test_the_result_does_not_depend_on_how_much_is_tokenized_at_once(
    tiny_llama: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    documents = [
        Document(
            f"{STORY} {number}",
            (span(STORY, "bridge", f"c{number % 3}"), span(STORY, "Fog", "fog", "passage")),
        )
        for number in range(20)
    ]
    whole = token_stream(documents, tiny_llama, None)
    monkeypatch.setattr(tokenizing, "_CHUNK", 150)
    parts = token_stream(documents, tiny_llama, None)
    for name in ("tokens", "document_ids", "begins"):
        assert np.array_equal(getattr(whole, name), getattr(parts, name))
    assert whole.concepts == parts.concepts == ("c0", "c1", "c2", "fog")
    for kind in ("mention", "passage"):
        assert len(whole.tags[kind]) > 0
        assert np.array_equal(whole.tags[kind], parts.tags[kind])


@pytest.mark.parametrize("n_tokens", [1, 13, 40, 100])
def test_the_stream_ends_after_so_many_usable_tokens(
    tiny_llama: LanguageModel, monkeypatch: pytest.MonkeyPatch, n_tokens: int
) -> None:
    monkeypatch.setattr(tokenizing, "_CHUNK", 100)
    documents = [Document(STORY, (span(STORY, "bridge", "bridge"),)) for _ in range(10)]
    whole = token_stream(documents, tiny_llama, None)
    stream = token_stream(documents, tiny_llama, n_tokens)
    assert np.count_nonzero(stream.tokens != tiny_llama.bos_id) == n_tokens
    assert stream.tokens[-1] != tiny_llama.bos_id
    assert np.array_equal(stream.tokens, whole.tokens[: len(stream.tokens)])
    kept = whole.tags["mention"][whole.tags["mention"][:, 0] < len(stream.tokens)]
    assert np.array_equal(stream.tags["mention"], kept)


def test_documents_are_read_only_as_far_as_needed(
    tiny_llama: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokenizing, "_CHUNK", 100)
    endless = (Document(STORY) for _ in iter(int, 1))
    assert len(token_stream(endless, tiny_llama, 50).tokens) > 50


def test_spans_tag_the_tokens_they_overlap(tiny_llama: LanguageModel) -> None:
    spans = (
        span(STORY, "bridge", "bridge"),
        span(STORY, "ridg", "inside"),
        span(STORY, "bridge crosses the water.", "scene", "passage"),
        span(STORY, " ", "space"),
    )
    stream = token_stream([Document("Once upon a time."), Document(STORY, spans)], tiny_llama, None)
    strings = tiny_llama.token_strings(stream.tokens.astype(np.int64))
    assert "".join(tagged_text(stream, tiny_llama, "bridge")).strip() == "bridge"
    assert set(tagged_text(stream, tiny_llama, "inside")) <= set(tagged_text(stream, tiny_llama, "bridge"))
    assert "".join(tagged_text(stream, tiny_llama, "scene", "passage")) == " bridge crosses the water."
    # The space before "old" is part of its token; as it is no part of the word, it tags nothing.
    assert " old" in strings
    assert tagged_text(stream, tiny_llama, "space") == []
    assert tagged_text(stream, tiny_llama, "scene") == []


def test_white_space_that_is_a_token_of_its_own_is_tagged(tiny_llama: LanguageModel) -> None:
    text = "One\n\n\ntwo"
    stream = token_stream([Document(text, (Span(0, len(text), "all", "passage"),))], tiny_llama, None)
    assert len(stream.tags["passage"]) == len(stream.tokens) - 1


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=some.data())
def test_tags_are_what_the_characters_say(tiny_llama: LanguageModel, data: some.DataObject) -> None:
    alphabet = some.sampled_from(["bridge", " ", "  ", "\n", "fog", "é", "漢", "🌉", ".", "the", "\t"])
    text = "".join(data.draw(some.lists(alphabet, min_size=1, max_size=30)))
    start = data.draw(some.integers(0, len(text) - 1))
    end = data.draw(some.integers(start + 1, len(text)))
    stream = token_stream([Document(text, (Span(start, end, "c", "mention"),))], tiny_llama, None)
    encoding = tiny_llama.tokenizer.backend_tokenizer.encode(text, add_special_tokens=False)
    expected = []
    for index, (first, last) in enumerate(encoding.offsets):
        own = range(first, last)
        letters = [place for place in own if not text[first : place + 1].isspace()]
        if any(start <= place < end for place in letters or own):
            expected.append(index + 1)
    assert sorted(stream.tags["mention"][:, 0].tolist()) == expected


def test_padding_asked_for_by_others_does_not_leak_in(tiny_llama: LanguageModel) -> None:
    backend = tiny_llama.tokenizer.backend_tokenizer
    backend.enable_padding(length=64)
    backend.enable_truncation(3)
    stream = token_stream([Document(STORY), Document("Once")], tiny_llama, None)
    assert tiny_llama.decode(stream.tokens.astype(np.int64)) == STORY + "Once"


def test_models_without_a_beginning_token(tiny_model_folder) -> None:
    lm = load_model(tiny_model_folder("qwen2"), device="cpu", dtype="float32")
    stream = token_stream([Document(STORY, (span(STORY, "bridge", "bridge"),))], lm, None)
    assert lm.bos_id is None
    assert np.array_equal(stream.tokens, lm.tokenize(STORY).numpy())
    assert "".join(tagged_text(stream, lm, "bridge")).strip() == "bridge"


def test_spans_of_unknown_kind_are_refused(tiny_llama: LanguageModel) -> None:
    with pytest.raises(BrokenInput, match="a span is of kind 'word'"):
        token_stream([Document("abc", (Span(0, 1, "c", "word"),))], tiny_llama, None)


def test_no_documents_are_refused(tiny_llama: LanguageModel) -> None:
    with pytest.raises(BrokenInput, match="there are no documents"):
        token_stream([], tiny_llama, None)


def test_slow_tokenizers_are_refused(tiny_llama: LanguageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(tiny_llama.tokenizer), "is_fast", False)
    with pytest.raises(BrokenInput, match="does not say which characters"):
        token_stream([Document("abc")], tiny_llama, None)
