"""An inverted index that is read in parts: words in sorted chunks, with the features that go with each.

A chunk is one record: ``[[word, [feature, step, step, ...], scores], ...]``, words in the order of their UTF-16 units
(as browsers compare them), features ascending and given as steps from the one before, scores as one hexadecimal digit
each. A word that goes with many features goes on in the next chunk. The last record is the directory: the first word
of every chunk.

Postings are gathered in a file and brought into order by counting, so that memory holds words and not postings.
"""

import re
import unicodedata
from array import array
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from monoscope.explore.cards import ROWS
from monoscope.explore.export.records import RecordWriter

WORD = re.compile(r"\w+")
"""A word: letters, digits and underscores."""
LONGEST = 48
"""Characters of a word that count."""
POSTINGS_PER_CHUNK = 8192
"""Postings in one chunk: some 20 kB."""
ENTRY = 8
"""What a word costs beside its postings, in postings."""
BLOCK = 1 << 20
"""Postings gathered before they are written out."""
DESCRIBED, PROMOTED, FIRED = 5, 2, 12
"""Score of a word of the description, of a token that is promoted, and of the first token that it fires on."""

DIGITS = bytes.maketrans(bytes(range(16)), b"0123456789abcdef")
"""Score -> the digit that it is written as."""
POSTING = np.dtype([("word", "<u4"), ("feature", "<u4"), ("score", "u1")])
"""An entry of the gathering file."""


def words_of(text: str) -> Iterator[str]:
    """What a text is found by: its words in lower case, and signs that stand alone; ``site_words.js`` does the same."""
    for unit in unicodedata.normalize("NFC", text).lower().split():
        for word in WORD.findall(unit) or [unit]:
            yield word[:LONGEST]


def scored_words(card: Mapping[str, Any]) -> dict[str, int]:
    """Word -> how much it tells about a feature: what the search of the report's list goes by.

    Tokens that it fires on score 12 to 4 in their order, words of the description 5, promoted tokens 2; the largest
    counts.
    """
    scores: dict[str, int] = {}
    for each in card["promoted"][:ROWS]:
        for word in words_of(each["text"]):
            scores[word] = PROMOTED
    for word in words_of(card["description"]):
        scores[word] = DESCRIBED
    for place, each in enumerate(card["tokens"][:ROWS]):
        for word in words_of(each["text"]):
            scores[word] = max(scores.get(word, 0), FIRED - min(place, FIRED - 4))
    return scores


class Postings:
    """Gathers which words go with which features, and writes the index.

    Args:
        scratch: a folder for two files that are deleted in the end.
    """

    def __init__(self, scratch: Path) -> None:
        self._numbers: dict[str, int] = {}
        self._counts = array("Q")
        self._block: tuple[array, array, array] = (array("I"), array("I"), array("B"))
        self._path, self._sorted = scratch / "gathered.part", scratch / "sorted.part"
        self._file = self._path.open("w+b")

    def add(self, feature: int, scores: Mapping[str, int]) -> None:
        """A feature's words; features come in ascending order."""
        words, features, values = self._block
        for word, score in scores.items():
            number = self._numbers.setdefault(word, len(self._numbers))
            if number == len(self._counts):
                self._counts.append(0)
            self._counts[number] += 1
            words.append(number)
            features.append(feature)
            values.append(score)
        if len(words) >= BLOCK:
            self._spill()

    def write(self, writer: RecordWriter, too_common: int) -> list[str]:
        """Write chunks and directory.

        Args:
            writer: takes the records.
            too_common: a word that goes with more features than this tells nothing, and is left out.

        Returns:
            The words left out.
        """
        self._spill()
        counts = np.array(self._counts, np.int64)
        words = list(self._numbers)
        kept = [number for number in range(len(words)) if counts[number] <= too_common]
        kept.sort(key=lambda number: words[number].encode("utf-16-be", "surrogatepass"))
        directory = []
        for chunk in chunks(self._in_order(np.array(kept, np.int64), counts, words)):
            directory.append(chunk[0][0])
            writer.add(chunk)
        writer.add(directory)
        self._file.close()
        self._path.unlink()
        self._sorted.unlink(missing_ok=True)
        return sorted(word for number, word in enumerate(words) if counts[number] > too_common)

    def _spill(self) -> None:
        """Append what is gathered to the file."""
        block = np.empty(len(self._block[0]), POSTING)
        for name, column in zip(POSTING.names or (), self._block, strict=True):
            block[name] = column
            del column[:]
        block.tofile(self._file)

    def _in_order(
        self, kept: np.ndarray, counts: np.ndarray, words: list[str]
    ) -> Iterator[tuple[str, np.ndarray]]:
        """Words and their postings, sorted by counting: each posting is put where the words before it end."""
        place = np.full(len(words), -1, np.int64)
        place[kept] = np.arange(len(kept))
        starts = np.concatenate([[0], np.cumsum(counts[kept])]).astype(np.int64)
        if not starts[-1]:
            return
        target = np.memmap(self._sorted, POSTING, "w+", shape=(int(starts[-1]),))
        free = starts[:-1].copy()
        self._file.seek(0)
        while len(block := np.fromfile(self._file, POSTING, BLOCK)):
            where = place[block["word"]]
            order = np.argsort(where, kind="stable")
            order = order[np.searchsorted(where[order], 0) :]
            sorted_where = where[order]
            first = np.searchsorted(sorted_where, sorted_where)
            target[free[sorted_where] + np.arange(len(order)) - first] = block[order]
            free += np.bincount(sorted_where, minlength=len(free))
        plain = target.view(np.ndarray)
        for number, word in enumerate(kept):
            yield words[word], plain[starts[number] : starts[number + 1]]


def chunks(entries: Iterator[tuple[str, np.ndarray]]) -> Iterator[list[list[Any]]]:
    """Words with their postings, cut into chunks of equal size."""
    chunk: list[list[Any]] = []
    room = POSTINGS_PER_CHUNK
    for word, postings in entries:
        while len(postings):
            if room <= ENTRY:
                yield chunk
                chunk, room = [], POSTINGS_PER_CHUNK
            part, postings = postings[: room - ENTRY], postings[room - ENTRY :]
            steps = np.diff(part["feature"].astype(np.int64), prepend=0)
            chunk.append([word, steps.tolist(), part["score"].tobytes().translate(DIGITS).decode("ascii")])
            room -= ENTRY + len(part)
    if chunk:
        yield chunk
