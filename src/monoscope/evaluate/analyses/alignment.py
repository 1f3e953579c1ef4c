"""The same text read by two models, and which of their tokens stand for the same characters."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.sparse import csr_array
from torch import Tensor

from monoscope.activations.rows import TokenRows, pack
from monoscope.documents import Document
from monoscope.evaluate.analyses.activity import Codes
from monoscope.models import LanguageModel

ROWS = 16
"""Rows that a model is run on at once."""

Spans = tuple[Int[np.ndarray, " token"], Int[np.ndarray, " token"]]
"""First character of every usable token, and one past its last, over all documents joined."""


@dataclass(frozen=True)
class Reading:
    """A text as one model reads it."""

    lm: LanguageModel
    """The model."""
    rows: TokenRows
    """The text in its tokens."""

    @property
    def next_tokens(self) -> Int[np.ndarray, " token"]:
        """The token that comes after each usable one; -1 at the end of a row or document."""
        rows = self.rows
        after = np.full(rows.tokens.shape, -1, np.int64)
        same = rows.usable[:, 1:] & (rows.document_ids[:, 1:] == rows.document_ids[:, :-1])
        after[:, :-1][same] = rows.tokens[:, 1:][same]
        return after[rows.usable]

    def activations(
        self, sites: Sequence[str], advance: Callable[[int], None]
    ) -> dict[str, Float[Tensor, "token width"]]:
        """What passes at these sites on every usable token, in float32 and in memory."""
        kept: dict[str, list[Tensor]] = {site: [] for site in sites}
        for start in range(0, len(self.rows.tokens), ROWS):
            some = slice(start, start + ROWS)
            tokens = torch.from_numpy(self.rows.tokens[some].astype(np.int64))
            usable = torch.from_numpy(np.ascontiguousarray(self.rows.usable[some]))
            read = self.lm.activations(tokens, sites)
            for site in sites:
                kept[site].append(read[self.lm.resolve(site)].float().cpu()[usable])
            advance(int(usable.sum()))
        return {site: torch.cat(parts) for site, parts in kept.items()}


def same_text(
    a: LanguageModel, rows: TokenRows, b: LanguageModel, n_tokens: int
) -> tuple[Reading, Reading, Codes | None]:
    """The first documents of a text as two models read them.

    Where both have the same tokenizer and room for the rows they read the same tokens. Otherwise the text is
    written out and tokenized for each.

    Args:
        a: the model that the rows were made for.
        rows: the text.
        b: the other model.
        n_tokens: usable tokens of ``a`` at which to stop; whole rows or documents are read.

    Returns:
        Both readings, and the characters that each token of the one shares with each token of the other, ``[token
        of a, token of b]``; None where the tokens are the same.
    """
    n_rows = int(np.searchsorted(np.cumsum(rows.usable.sum(1)), n_tokens)) + 1
    first = replace(rows, tokens=rows.tokens[:n_rows], document_ids=rows.document_ids[:n_rows], tags={})
    if a.tokenizer_hash == b.tokenizer_hash and rows.context <= b.context:
        return Reading(a, first), Reading(b, first), None
    documents = [Document(text) for text in texts(a, first)]
    reading_a, reading_b = (
        Reading(lm, pack(documents, lm, context=min(rows.context, lm.context))) for lm in (a, b)
    )
    spans_a, spans_b = (spans(lm, documents) for lm in (a, b))
    return reading_a, reading_b, shared_characters(spans_a, spans_b)


def texts(lm: LanguageModel, rows: TokenRows) -> list[str]:
    """The text of each document, where it is not empty."""
    tokens, documents = rows.tokens[rows.usable], rows.document_ids[rows.usable]
    cuts = [0, *(np.flatnonzero(np.diff(documents)) + 1).tolist(), len(tokens)]
    written = [lm.decode(tokens[start:end]) for start, end in pairwise(cuts)]
    return [text for text in written if text.strip()]


def spans(lm: LanguageModel, documents: Sequence[Document]) -> Spans:
    """The characters that each usable token of some documents stands for."""
    backend = lm.tokenizer.backend_tokenizer
    starts, ends, place = [], [], 0
    for document in documents:
        encoding = backend.encode(document.text, add_special_tokens=False)
        kept = [
            span
            for token, span in zip(encoding.ids, encoding.offsets, strict=True)
            if token not in lm.special_ids
        ]
        starts += [place + start for start, _ in kept]
        ends += [place + end for _, end in kept]
        place += len(document.text)
    return np.array(starts, np.int64), np.array(ends, np.int64)


def shared_characters(a: Spans, b: Spans) -> Codes:
    """How many characters each token of ``a`` shares with each of ``b``, ``[token of a, token of b]``."""
    (starts, ends), (other_starts, other_ends) = a, b
    first = np.searchsorted(other_ends, starts, side="right")
    last = np.searchsorted(other_starts, ends, side="left")
    counts = (last - first).clip(0)
    token = np.repeat(np.arange(len(starts)), counts)
    other = first[token] + np.arange(len(token)) - np.repeat(counts.cumsum() - counts, counts)
    shared = np.minimum(ends[token], other_ends[other]) - np.maximum(starts[token], other_starts[other])
    shape = (len(starts), len(other_starts))
    overlap = csr_array((shared.clip(0).astype(float), (token, other)), shape=shape)
    overlap.eliminate_zeros()
    return overlap
