"""Where in the corpus a token stands: its passage, the window around it, and the word that it is part of."""

import re
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int, Integer

from monoscope.activations import TokenRows
from monoscope.features.grouping import run_starts

WORD = re.compile(r"\w+|[^\w\s]+")
"""A word: a run of letters, digits and underscores, or a run of other signs."""


def words_of(text: str) -> list[str]:
    """The words of a text, case folded."""
    return WORD.findall(text.casefold())


def passages(rows: TokenRows) -> Int[np.ndarray, " position"]:
    """The number of the passage that each position belongs to; -1 for padding and special tokens.

    A passage is a longest run of usable tokens of one document in one row: what the model reads as one text.
    """
    usable, documents = rows.usable, rows.document_ids
    cut = np.ones(usable.shape, bool)
    cut[:, 1:] = (documents[:, 1:] != documents[:, :-1]) | (usable[:, 1:] != usable[:, :-1])
    numbers = np.cumsum(cut.reshape(-1), dtype=np.int32) - np.int32(1)
    return np.where(usable.reshape(-1), numbers, np.int32(-1))


def windows(
    positions: Int[np.ndarray, " example"], passage: Int[np.ndarray, " position"], before: int, after: int
) -> tuple[Int[np.ndarray, "example window"], Bool[np.ndarray, "example window"]]:
    """Positions from ``before`` tokens before to ``after`` after each, and which of them lie in its
    passage.
    """
    where = positions[:, None] + np.arange(-before, after + 1)
    inside = (where >= 0) & (where < len(passage))
    where = np.clip(where, 0, len(passage) - 1)
    return where, inside & (passage[where] == passage[positions][:, None])


@dataclass(frozen=True)
class Words:
    """The words of a corpus, put together from tokens."""

    ids: Int[np.ndarray, " position"]
    """Number of the word that the token at each position is part of; -1 where there is none (space,
    special)."""
    texts: list[str]
    """Each word, case folded."""
    spellings: list[tuple[int, ...]]
    """The tokens of each word's most common spelling."""
    occurrences: Int[np.ndarray, " word"]
    """How often each word occurs."""


def corpus_words(
    tokens: Integer[np.ndarray, " position"], passage: Int[np.ndarray, " position"], vocabulary: list[str]
) -> Words:
    """Join tokens to words: a token goes on with the word before it when letters touch letters.

    Args:
        tokens: token ids by flat position.
        passage: see :func:`passages`.
        vocabulary: text of every token, spaces kept.
    """
    opens = np.array([bool(re.match(r"\w", text)) for text in vocabulary])
    closes = np.array([bool(re.search(r"\w\Z", text)) for text in vocabulary])
    goes_on = np.zeros(len(tokens), bool)
    goes_on[1:] = opens[tokens[1:]] & closes[tokens[:-1]] & (passage[1:] == passage[:-1])
    goes_on &= passage >= 0
    starts = np.flatnonzero(~goes_on & (passage >= 0))
    lengths = _run_lengths(starts, goes_on)
    keys = _spelling_keys(tokens, starts, lengths)
    _, first, inverse, counts = np.unique(keys, return_index=True, return_inverse=True, return_counts=True)
    numbers: dict[str, int] = {}
    spellings: list[tuple[int, ...]] = []
    word_of_spelling = np.full(len(first), -1, np.int32)
    for spelling in np.argsort(-counts, kind="stable"):
        start = starts[first[spelling]]
        pieces = tuple(int(token) for token in tokens[start : start + lengths[first[spelling]]])
        text = "".join(vocabulary[token] for token in pieces).strip().casefold()
        if text:
            number = word_of_spelling[spelling] = numbers.setdefault(text, len(numbers))
            if number == len(spellings):
                spellings.append(pieces)
    ids = np.full(len(tokens), -1, np.int32)
    run = np.repeat(np.arange(len(starts)), lengths)
    ids[
        np.repeat(starts, lengths) + np.arange(len(run)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    ] = word_of_spelling[inverse[run]]
    found = word_of_spelling >= 0
    occurrences = np.bincount(word_of_spelling[found], counts[found], len(numbers)).astype(np.int64)
    return Words(ids, list(numbers), spellings, occurrences)


def _run_lengths(
    starts: Int[np.ndarray, " run"], goes_on: Bool[np.ndarray, " position"]
) -> Int[np.ndarray, " run"]:
    """Tokens from each start up to where the word ends."""
    lengths = np.ones(len(starts), np.int64)
    growing = np.arange(len(starts))
    while len(growing):
        following = starts[growing] + lengths[growing]
        growing = growing[(following < len(goes_on)) & goes_on[np.minimum(following, len(goes_on) - 1)]]
        lengths[growing] += 1
    return lengths


def _spelling_keys(
    tokens: Integer[np.ndarray, " position"],
    starts: Int[np.ndarray, " run"],
    lengths: Int[np.ndarray, " run"],
) -> Integer[np.ndarray, " run"]:
    """A 64-bit polynomial hash of the tokens of each run: equal for equal runs."""
    keys = np.zeros(len(starts), np.uint64)
    for offset in range(int(lengths.max(initial=0))):
        long = np.flatnonzero(lengths > offset)
        with np.errstate(over="ignore"):
            keys[long] = (
                keys[long] * np.uint64(0x9E3779B97F4A7C15) + tokens[starts[long] + offset] + np.uint64(1)
            )
    return keys


def coverage(
    words: Words, passage: Int[np.ndarray, " position"], before: int, after: int
) -> Int[np.ndarray, " word"]:
    """The number of positions whose window, as in :func:`windows`, holds each word: exact.

    An occurrence at q is in the windows of the positions q - after ... q + before of its passage; the union
    over the occurrences is counted.
    """
    where = np.flatnonzero(words.ids >= 0)
    where = where[np.argsort(words.ids[where], kind="stable")]
    word = words.ids[where]
    starts = run_starts(passage)
    ends = np.append(starts[1:], len(passage)) - 1
    run = np.searchsorted(starts, where, side="right") - 1
    low = np.maximum(where - after, starts[run])
    high = np.minimum(where + before, ends[run])
    same = word[1:] == word[:-1]
    low[1:][same] = np.maximum(low[1:], high[:-1] + 1)[same]
    return np.bincount(word, weights=high - low + 1, minlength=len(words.texts)).astype(np.int64)
