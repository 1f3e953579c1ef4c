"""A corpus: texts to look at, and which of them are kept for evaluation."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from monoscope.activations.readers import read_file, read_folder, read_hub
from monoscope.documents import Document, Span
from monoscope.errors import BrokenInput, MissingInput

HELDOUT_ONE_IN = 10
"""One document in this many is kept for evaluation where the corpus itself keeps none."""


@dataclass(frozen=True)
class Corpus:
    """Documents in a fixed order, all in memory.

    Some are kept for evaluation (*held out*): those the corpus flags. Where it flags none, the documents
    whose hash of text is 0 modulo 10, so that a document stays on its side when the corpus grows or is put in
    another order. At least one document lands on each side; a corpus of a single document is cut in two, nine
    tenths to one tenth.
    """

    name: str
    """Where it came from: ``builtin``, a file name, ``hf:NAME``."""
    documents: Sequence[Document]
    """Every document, in order."""

    def __post_init__(self) -> None:
        if not self.documents:
            raise BrokenInput(f"the corpus {self.name} holds no text", "give documents that are not empty")

    def training(self) -> list[Document]:
        """The documents to learn from: all that are not held out."""
        return self._sides[0]

    def heldout(self) -> list[Document]:
        """The documents kept for evaluation.

        Raises:
            BrokenInput: the corpus is one document, too short to cut in two.
        """
        return self._sides[1]

    def concepts(self) -> list[str]:
        """Every concept that some span names, sorted; empty for ordinary corpora."""
        return sorted({span.concept for document in self.documents for span in document.spans})

    @cached_property
    def hash(self) -> str:
        """Content hash of texts, spans and flags, in order: 16 hexadecimal digits."""
        digest = hashlib.sha256()
        for document in self.documents:
            spans = [(span.start, span.end, span.concept, span.kind) for span in document.spans]
            known = json.dumps([spans, document.heldout])
            digest.update(document.text.encode() + b"\0" + known.encode() + b"\0")
        return digest.hexdigest()[:16]

    @cached_property
    def _sides(self) -> tuple[list[Document], list[Document]]:
        """Training and held-out documents."""
        documents = self.documents
        if any(document.heldout for document in documents):
            held = {index for index, document in enumerate(documents) if document.heldout}
        elif len(documents) == 1:
            return _cut_in_two(documents[0], self.name)
        else:
            held = _held_by_hash(documents)
        sides: tuple[list[Document], list[Document]] = ([], [])
        for index, document in enumerate(documents):
            sides[index in held].append(document)
        return sides


def read_corpus(source: str | Path | Sequence[Document] | Corpus, *, column: str = "text") -> Corpus:
    """Read a corpus.

    Args:
        source: ``builtin``; a file (text, ``.jsonl``, ``.parquet``; see
            :mod:`monoscope.activations.readers`), or a folder of such files; ``hf:NAME``, a dataset of the
            Hugging Face hub; or documents themselves.
        column: name of the field or column that holds the text, in JSON Lines, Parquet and hub datasets.

    Raises:
        MissingInput: there is no such file or folder.
        BrokenInput: there is one, and no text can be read from it; the sentence says where and why.
        MonoscopeError: a package that this kind of source needs is not installed.
    """
    if isinstance(source, Corpus):
        return source
    if not isinstance(source, str | Path):
        return Corpus("documents", source)
    if source == "builtin":
        # A text file is read without the models package: it brings torch along.
        from monoscope.models.builtin import corpus_files

        return Corpus(
            "builtin", [document for path in corpus_files() for document in read_file(path, "text")]
        )
    if isinstance(source, str) and source.startswith("hf:"):
        return Corpus(source, read_hub(source.removeprefix("hf:"), column))
    path = Path(source).expanduser()
    if not path.exists():
        raise MissingInput(
            f"there is no corpus {source}",
            "give builtin, hf:NAME, a text, .jsonl or .parquet file, or a folder of them",
        )
    return Corpus(
        path.resolve().name, read_folder(path, column) if path.is_dir() else read_file(path, column)
    )


def _held_by_hash(documents: Sequence[Document]) -> set[int]:
    """Indices of the documents whose hash is 0 modulo 10, at least one and not all."""
    keys = [int(hashlib.sha256(document.text.encode()).hexdigest()[:16], 16) for document in documents]
    order = sorted(range(len(keys)), key=lambda index: (keys[index] % HELDOUT_ONE_IN, keys[index], index))
    count = sum(key % HELDOUT_ONE_IN == 0 for key in keys)
    return set(order[: min(max(count, 1), len(keys) - 1)])


def _cut_in_two(document: Document, name: str) -> tuple[list[Document], list[Document]]:
    """The first nine tenths of a document and the rest, cut at a space where there is one."""
    text = document.text
    tenth = len(text) // HELDOUT_ONE_IN or 1
    last = len(text) - tenth
    cut = next((place for place in range(last, last - tenth, -1) if text[place].isspace()), last)
    if not text[:cut].strip() or not text[cut:].strip():
        raise BrokenInput(
            f"the corpus {name} is one document of {len(text)} characters, too short to cut in two",
            "give more text: a part is kept for evaluation",
        )
    first = replace(document, text=text[:cut], spans=_clipped(document.spans, 0, cut))
    second = replace(document, text=text[cut:], spans=_clipped(document.spans, cut, len(text)), heldout=True)
    return [first], [second]


def _clipped(spans: Sequence[Span], start: int, end: int) -> tuple[Span, ...]:
    """The parts of spans that lie in ``start..end``, counted from ``start``."""
    return tuple(
        replace(span, start=max(span.start, start) - start, end=min(span.end, end) - start)
        for span in spans
        if span.start < end and span.end > start
    )
