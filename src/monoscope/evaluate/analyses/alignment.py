"""The same text read by two models, and which of their tokens stand for the same characters."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from monoscope.activations.rows import TokenRows, pack
from monoscope.documents import Document
from monoscope.models import LanguageModel

ROWS = 16
"""Rows that a model is run on at once."""


@dataclass(frozen=True)
class Reading:
    """A text as one model reads it, and the places where it is compared."""

    lm: LanguageModel
    """The model."""
    rows: TokenRows
    """The text in its tokens."""
    places: Int[np.ndarray, " place"]
    """The usable tokens, by number, after which the other model has read the same text."""

    @property
    def next_tokens(self) -> Int[np.ndarray, " place"]:
        """The token that comes after each place; -1 at the end of a row or document."""
        rows = self.rows
        after = np.full(rows.tokens.shape, -1, np.int64)
        same = rows.usable[:, 1:] & (rows.document_ids[:, 1:] == rows.document_ids[:, :-1])
        after[:, :-1][same] = rows.tokens[:, 1:][same]
        return after[rows.usable][self.places]

    def activations(
        self, sites: Sequence[str], advance: Callable[[int], None]
    ) -> dict[str, Float[Tensor, "place _"]]:
        """What passes at these sites at every place, in float32 and in memory."""
        kept: dict[str, list[Tensor]] = {site: [] for site in sites}
        for start in range(0, len(self.rows.tokens), ROWS):
            some = slice(start, start + ROWS)
            tokens = torch.from_numpy(self.rows.tokens[some].astype(np.int64))
            usable = torch.from_numpy(np.ascontiguousarray(self.rows.usable[some]))
            read = self.lm.activations(tokens, sites)
            for site in sites:
                kept[site].append(read[self.lm.resolve(site)].float().cpu()[usable])
            advance(int(usable.sum()))
        places = torch.from_numpy(self.places)
        return {site: torch.cat(parts)[places] for site, parts in kept.items()}


def same_text(a: LanguageModel, rows: TokenRows, b: LanguageModel, n_tokens: int) -> tuple[Reading, Reading]:
    """The first documents of a text as two models read them, and the places where they have read the same.

    Where both have the same tokenizer and room for the rows, those are all tokens. Otherwise the text is written out
    and tokenized for each, and the places are the characters at which a token of both ends.

    Args:
        a: the model that the rows were made for.
        rows: the text.
        b: the other model.
        n_tokens: usable tokens of ``a`` at which to stop; whole rows are read.
    """
    n_rows = int(np.searchsorted(np.cumsum(rows.usable.sum(1)), n_tokens)) + 1
    first = replace(rows, tokens=rows.tokens[:n_rows], document_ids=rows.document_ids[:n_rows], tags={})
    if a.tokenizer_hash == b.tokenizer_hash and rows.context <= b.context:
        places = np.arange(first.n_tokens)
        return Reading(a, first, places), Reading(b, first, places)
    documents = [Document(text) for text in texts(a, first)]
    read_a, read_b = (pack(documents, lm, context=min(rows.context, lm.context)) for lm in (a, b))
    _, places_a, places_b = np.intersect1d(ends(a, documents), ends(b, documents), return_indices=True)
    return Reading(a, read_a, places_a), Reading(b, read_b, places_b)


def texts(lm: LanguageModel, rows: TokenRows) -> list[str]:
    """The text of each document, where it is not empty."""
    tokens, documents = rows.tokens[rows.usable].astype(np.int64), rows.document_ids[rows.usable]
    cuts = [0, *(np.flatnonzero(np.diff(documents)) + 1).tolist(), len(tokens)]
    written = [lm.decode(tokens[start:end]) for start, end in pairwise(cuts)]
    return [text for text in written if text.strip()]


def ends(lm: LanguageModel, documents: Sequence[Document]) -> Int[np.ndarray, " token"]:
    """Where every usable token ends, in characters over all documents; -1, -2 ... where its last character goes on.

    A character of several bytes may be several tokens; it has been read after the last of them.
    """
    backend = lm.tokenizer.backend_tokenizer
    found: list[np.ndarray] = []
    place = 0
    for document in documents:
        encoding = backend.encode(document.text, add_special_tokens=False)
        kept = [
            span[1]
            for token, span in zip(encoding.ids, encoding.offsets, strict=True)
            if token not in lm.special_ids
        ]
        found.append(place + np.array(kept, np.int64))
        place += len(document.text)
    every = np.concatenate([*found, np.empty(0, np.int64)])
    goes_on = np.append(every[1:] == every[:-1], [False] * (len(every) > 0))
    return np.where(goes_on, -1 - np.arange(len(every)), every)
