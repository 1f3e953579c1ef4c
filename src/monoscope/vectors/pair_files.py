"""Contrast pairs as people write them down: JSON lines, or a table with commas."""

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from monoscope.errors import BrokenInput, MissingInput
from monoscope.vectors.pairs import ContrastPair

LINE = '{"positive": "...", "negative": "..."}'
"""What a line looks like."""
PAIRS = "pairs.jsonl"
"""The pairs that a vector was learnt from, as a file beside it."""


def read_pairs(path: Path) -> list[ContrastPair]:
    """The pairs of a file.

    Every line is a JSON object with ``positive`` and ``negative``, and ``group`` where pairs belong together; or, in
    a file that ends in ``.csv``, a row with columns of these names. Empty lines are left out.

    Raises:
        MissingInput: there is no such file.
        BrokenInput: it is no text, holds no pair, or a line is none; the sentence says which.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise MissingInput(f"{path} cannot be read: {error.strerror}", "check the path") from error
    except UnicodeDecodeError as error:
        raise BrokenInput(f"{path} is no text in UTF-8", "save it as UTF-8") from error
    rows = _table(text, path) if path.suffix.lower() == ".csv" else _lines(text, path)
    found = [_pair(row, f"line {number} of {path}") for number, row in rows]
    if not found:
        raise BrokenInput(f"{path} holds no pair", f"write one on each line: {LINE}")
    return found


def write_pairs(pairs: Sequence[ContrastPair]) -> str:
    """JSON lines that :func:`read_pairs` reads back as the same pairs."""
    rows = (
        {"positive": pair.positive, "negative": pair.negative}
        | ({} if pair.group is None else {"group": pair.group})
        for pair in pairs
    )
    return "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows)


def _lines(text: str, path: Path) -> Iterator[tuple[int, Any]]:
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                yield number, json.loads(line)
            except ValueError as error:
                raise BrokenInput(f"line {number} of {path} is no JSON: {error}", f"write {LINE}") from error


def _table(text: str, path: Path) -> Iterator[tuple[int, Any]]:
    rows = csv.DictReader(text.splitlines(keepends=True), restkey="too many")
    try:
        for row in rows:
            yield rows.line_num, row if row.get("group") else {**row, "group": None}
    except csv.Error as error:
        raise BrokenInput(f"line {rows.line_num} of {path} is no row of a table: {error}", "") from error


def _pair(row: Any, where: str) -> ContrastPair:
    """The pair of one line."""
    if not isinstance(row, Mapping):
        raise BrokenInput(f"{where} is no object", f"write {LINE}")
    for side in ("positive", "negative"):
        if not (isinstance(row.get(side), str) and row[side].strip()):
            raise BrokenInput(f"{where} has no {side} side", f"write both: {LINE}")
        try:
            row[side].encode()
        except UnicodeEncodeError as error:
            raise BrokenInput(
                f"{where} has half a character (a lone surrogate) in its {side} side", "write it whole"
            ) from error
    if row["positive"] == row["negative"]:
        raise BrokenInput(f"{where} says the same on both sides", "a pair shows what differs: leave it out")
    if others := row.keys() - {"positive", "negative", "group"}:
        raise BrokenInput(
            f"{where} has {min(map(str, others))!r}, which says nothing of a pair", f"write {LINE}"
        )
    group = row.get("group")
    if isinstance(group, bool) or not isinstance(group, int | str | None):
        raise BrokenInput(f"{where} has the group {group!r}", "a group is a number or a name")
    return ContrastPair(row["positive"], row["negative"], group)
