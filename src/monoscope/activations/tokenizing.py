"""Documents as one stream of tokens, with the concepts that their spans name."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Int, Int32, Int64, UInt

from monoscope.activations.readers import SPAN_KINDS
from monoscope.documents import Document, Span
from monoscope.errors import BrokenInput
from monoscope.models.language_model import LanguageModel

_CHUNK = 1_000_000
"""Characters handed to the tokenizer at once: enough to keep its threads busy, few enough to stop early."""
_SPACES = np.array([code for code in range(0x3001) if chr(code).isspace()], dtype=np.uint32)

TagPairs = dict[str, Int64[np.ndarray, "_ 2"]]
"""Kind of span -> pairs of a position and a concept's number."""


class TokenStream(NamedTuple):
    """Documents end to end, each with its beginning token, before they are cut into rows."""

    tokens: UInt[np.ndarray, " token"]
    """Token ids."""
    document_ids: Int32[np.ndarray, " token"]
    """Number of the document."""
    begins: Bool[np.ndarray, " token"]
    """True at the first token of a document."""
    tags: TagPairs
    """Positions count tokens of the stream."""
    concepts: tuple[str, ...]
    """Names of the concepts by number, sorted."""


def token_stream(documents: Iterable[Document], lm: LanguageModel, n_tokens: int | None) -> TokenStream:
    """Tokenize documents until ``n_tokens`` tokens that are not special are there (None: all of them).

    Raises:
        BrokenInput: there are no documents, a span is of no known kind, or the tokenizer of the model does
            not know which characters a token stands for.
    """
    if not lm.tokenizer.is_fast:
        raise BrokenInput(
            f"the tokenizer of {lm.name} does not say which characters a token stands for",
            "save a fast tokenizer (tokenizer.json) with the model",
        )
    special = np.array(sorted(lm.special_ids), dtype=np.int64)
    numbers: dict[str, int] = {}
    tokens, lengths, tags = [], [], []
    n_stream = n_usable = 0
    for chunk in _chunks(documents):
        encodings = _encode(chunk, lm)
        ids, per_document = _with_beginnings(encodings, lm)
        tags.append(_tags(chunk, encodings, n_stream + np.cumsum(per_document) - per_document, lm, numbers))
        tokens.append(ids)
        lengths.append(per_document)
        usable = np.flatnonzero(~np.isin(ids, special))
        if n_tokens is not None and n_usable + len(usable) >= n_tokens:
            n_stream += int(usable[n_tokens - n_usable - 1]) + 1
            break
        n_stream += len(ids)
        n_usable += len(usable)
    if not tokens:
        raise BrokenInput("there are no documents to make tokens of", "give documents that are not empty")
    every_length = np.concatenate(lengths)
    begins = np.zeros(int(every_length.sum()), dtype=bool)
    begins[(np.cumsum(every_length) - every_length)[every_length > 0]] = True
    numbered, concepts = _sorted_concepts(tags, n_stream, numbers)
    return TokenStream(
        np.concatenate(tokens)[:n_stream],
        np.repeat(np.arange(len(every_length), dtype=np.int32), every_length)[:n_stream],
        begins[:n_stream],
        numbered,
        concepts,
    )


def _chunks(documents: Iterable[Document]) -> Iterator[list[Document]]:
    """Consecutive documents of about a million characters together."""
    chunk: list[Document] = []
    size = 0
    for document in documents:
        chunk.append(document)
        size += len(document.text)
        if size >= _CHUNK:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def _encode(documents: Sequence[Document], lm: LanguageModel) -> list[Any]:
    """The tokenizer's encodings; with characters only where some document has spans, which takes longer."""
    backend = lm.tokenizer.backend_tokenizer
    # The tokenizer remembers what earlier callers asked for.
    backend.no_padding()
    backend.no_truncation()
    encode = (
        backend.encode_batch if any(document.spans for document in documents) else backend.encode_batch_fast
    )
    return encode([document.text for document in documents], add_special_tokens=False)


def _with_beginnings(
    encodings: Sequence[Any], lm: LanguageModel
) -> tuple[UInt[np.ndarray, " token"], Int64[np.ndarray, " document"]]:
    """Token ids of all documents, each after the beginning token, and how many each document has."""
    begin = [] if lm.bos_id is None else [lm.bos_id]
    ids = [begin + encoding.ids for encoding in encodings]
    lengths = np.array([len(each) for each in ids], dtype=np.int64)
    dtype = np.uint16 if lm.vocabulary_size <= 1 << 16 else np.uint32
    return np.fromiter(chain.from_iterable(ids), dtype, count=int(lengths.sum())), lengths


def _tags(
    documents: Sequence[Document],
    encodings: Sequence[Any],
    first: Int64[np.ndarray, " document"],
    lm: LanguageModel,
    numbers: dict[str, int],
) -> TagPairs:
    """What the documents' spans tag, documents starting at ``first``; adds new concepts to ``numbers``."""
    pairs: dict[str, list[np.ndarray]] = {kind: [np.empty((0, 2), dtype=np.int64)] for kind in SPAN_KINDS}
    beginning = 0 if lm.bos_id is None else 1
    for document, encoding, place in zip(documents, encodings, first + beginning, strict=True):
        if unknown := {span.kind for span in document.spans} - set(SPAN_KINDS):
            raise BrokenInput(f"a span is of kind {min(unknown)!r}", f"kinds are {', '.join(SPAN_KINDS)}")
        if not document.spans or not encoding.ids:
            continue
        starts, ends = _characters(document.text, encoding.offsets)
        for kind in SPAN_KINDS:
            spans = [span for span in document.spans if span.kind == kind]
            tokens, which = _covered(starts, ends, spans)
            concepts = [numbers.setdefault(span.concept, len(numbers)) for span in spans]
            pairs[kind].append(np.stack([tokens + place, np.array(concepts, dtype=np.int64)[which]], axis=1))
    return {kind: np.concatenate(found) for kind, found in pairs.items()}


def _characters(
    text: str, offsets: Sequence[tuple[int, int]]
) -> tuple[Int64[np.ndarray, " token"], Int64[np.ndarray, " token"]]:
    """First character of every token, and one past its last; ascending.

    The space before a word is no part of its token; a token that is nothing but space keeps it.
    """
    characters = np.frombuffer(text.encode("utf-32-le"), dtype=np.uint32)
    at = np.where(np.isin(characters, _SPACES), len(text), np.arange(len(text)))
    next_letter = np.append(np.minimum.accumulate(at[::-1])[::-1], len(text))
    flat = np.fromiter(chain.from_iterable(offsets), np.int64, count=2 * len(offsets))
    starts, ends = flat[::2], flat[1::2]
    return np.where(next_letter[starts] < ends, next_letter[starts], starts), ends


def _covered(
    starts: Int64[np.ndarray, " token"], ends: Int64[np.ndarray, " token"], spans: Sequence[Span]
) -> tuple[Int[np.ndarray, " pair"], Int[np.ndarray, " pair"]]:
    """Every pair of a token and a span whose characters overlap: the tokens, and the spans, by index."""
    first = np.searchsorted(ends, [span.start for span in spans], side="right")
    last = np.searchsorted(starts, [span.end for span in spans], side="left")
    counts = np.maximum(last - first, 0)
    which = np.repeat(np.arange(len(spans)), counts)
    within = np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)
    return first[which] + within, which


def _sorted_concepts(
    tags: Sequence[TagPairs], length: int, numbers: dict[str, int]
) -> tuple[TagPairs, tuple[str, ...]]:
    """All tags before position ``length``, concepts renumbered in the order of their names, and the names."""
    names = tuple(sorted(numbers))
    rank_of = {name: rank for rank, name in enumerate(names)}
    ranks = np.array([rank_of[name] for name in numbers], dtype=np.int64)
    joined = {}
    for kind in SPAN_KINDS:
        pairs = np.concatenate([each[kind] for each in tags])
        pairs = pairs[pairs[:, 0] < length]
        joined[kind] = np.stack([pairs[:, 0], ranks[pairs[:, 1]]], axis=1)
    return joined, names
