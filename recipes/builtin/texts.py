"""The texts that the built-in model learns from: real corpora with an open licence, and the planted world."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from monoscope.documents import Document
from monoscope.synthetic.world import world_documents

HELDOUT_EVERY = 20
"""Of a real corpus, every twentieth document is kept for the comparison at the end."""


@dataclass(frozen=True)
class Kind:
    """One kind of text."""

    name: str
    """What it is called in the table of bits per character."""
    training: list[str]
    """Texts to learn from."""
    heldout: list[str]
    """Texts to compare on."""
    share: float
    """Share of the tokens seen in training."""


def real_kinds(corpora: Path) -> list[Kind]:
    """Every real kind of text, read from a folder of corpora.

    stories: TinyStories (Eldan and Li, 2023; CDLA-Sharing 1.0). books: public-domain extracts. speeches:
    State of the Union and inaugural addresses (public domain). languages: Universal Declaration of Human
    Rights (public domain) in Spanish, English, Arabic and Hebrew, and the Spanish side of Parallel Universal
    Dependencies (CC BY-SA 3.0).
    """
    stories = split_text(corpora / "tinystories" / "v1_train_head_2MiB.txt") + split_text(
        corpora / "tinystories" / "v2_gpt4_train_first10k_lines.txt"
    )
    books = pieces(json_texts(corpora / "books" / "tiny_open_domain_books.jsonl"))
    speeches = pieces(
        [
            *json_texts(corpora / "nltk" / "state_union.jsonl"),
            *json_texts(corpora / "nltk" / "inaugural.jsonl"),
        ]
    )
    rights = [
        (corpora / "multilingual" / "udhr" / f"{code}.txt").read_text(encoding="utf-8")
        for code in ("spa", "eng", "arb", "heb")
    ]
    parallel = [
        line.split("\t")[2]
        for line in (corpora / "multilingual" / "pud_en_es.tsv").read_text(encoding="utf-8").splitlines()
    ]
    joined = [" ".join(parallel[start : start + 8]) for start in range(0, len(parallel), 8)]
    return [
        divided("stories", stories, 0.23),
        divided("books", books, 0.05),
        divided("speeches", speeches, 0.03),
        divided("languages", [*pieces(rights), *joined], 0.01),
    ]


def world_kind(n_documents: int, *, seed: int, share: float = 0.68) -> Kind:
    """The planted world as a kind of text; what is held out is written with another seed."""
    training = [document.text for document in world_documents(n_documents, seed=seed)]
    heldout = [document.text for document in world_documents(max(n_documents // 100, 50), seed=seed + 1)]
    return Kind("world", training, heldout, share)


def divided(name: str, texts: list[str], share: float) -> Kind:
    """A kind with every ``HELDOUT_EVERY``-th text held out."""
    heldout = texts[::HELDOUT_EVERY]
    training = [text for index, text in enumerate(texts) if index % HELDOUT_EVERY]
    return Kind(name, training, heldout, share)


def split_text(path: Path) -> list[str]:
    """The stories of a file, which ``<|endoftext|>`` separates; the last one may be cut and is left out."""
    stories = [
        story.strip() for story in path.read_text(encoding="utf-8", errors="strict").split("<|endoftext|>")
    ]
    return [story for story in stories[:-1] if len(story) > 80]


def json_texts(path: Path) -> list[str]:
    """The ``text`` of each line of a JSON-lines file."""
    return [
        json.loads(line)["text"] for line in path.read_text(encoding="utf-8").splitlines() if line.strip()
    ]


def pieces(texts: Iterable[str], size: int = 1500) -> list[str]:
    """Long texts cut at paragraph ends into pieces of about ``size`` characters, lines inside a paragraph joined."""
    cut = []
    for text in texts:
        piece = ""
        for paragraph in text.split("\n\n"):
            piece += " ".join(paragraph.split()) + "\n"
            if len(piece) >= size:
                cut.append(piece.strip())
                piece = ""
        if len(piece) > 80:
            cut.append(piece.strip())
    return cut


def write_documents(documents: Iterable[Document], write) -> int:
    """Write documents as JSON lines, ``text``, ``spans`` and ``split``, through ``write``; returns how many."""
    count = 0
    for document in documents:
        record: dict = {"text": document.text}
        if document.spans:
            record["spans"] = [[span.start, span.end, span.concept, span.kind] for span in document.spans]
        if document.heldout:
            record["split"] = "heldout"
        write(json.dumps(record, ensure_ascii=False) + "\n")
        count += 1
    return count
