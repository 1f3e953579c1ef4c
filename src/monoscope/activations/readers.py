"""Documents out of files.

===============  ==========================================================================================
text             UTF-8. Documents are separated by ``<|endoftext|>`` where it occurs. Elsewhere paragraphs
                 are put together: a document ends at the first blank line after 2,000 characters, or at the
                 first line end after 8,000.
``.jsonl``       One document a line, an object: ``text`` (or another field), and optionally ``spans``, a
                 list of ``[start, end, concept]`` or ``[start, end, concept, "mention" | "passage"]`` in
                 characters, and ``split``.
``.parquet``     One document a row.
a folder         All ``.txt``, ``.md``, ``.jsonl``, ``.ndjson`` and ``.parquet`` files in it, sorted by path.
``hf:NAME``      All splits of a dataset of the Hugging Face hub.
===============  ==========================================================================================

Text and JSON Lines may be compressed (``.gz``). Documents of nothing but white space are left out. A document
is held out when its split is one of ``heldout``, ``validation``, ``valid``, ``val``, ``dev``, ``test``.
"""

import gzip
import json
import reprlib
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from monoscope.documents import Document, Span
from monoscope.errors import BrokenInput, MonoscopeError

SEPARATOR = "<|endoftext|>"
"""What stands between the documents of a text file."""
HELDOUT_SPLITS = frozenset({"heldout", "validation", "valid", "val", "dev", "test"})
"""Names of splits that are kept for evaluation."""
SUFFIXES = (".txt", ".md", ".jsonl", ".ndjson", ".parquet")
"""What is read out of a folder."""
SPAN_KINDS = ("mention", "passage")
"""Kinds of spans."""

_ENOUGH_FOR_PARAGRAPHS = 2_000
_ENOUGH_FOR_LINES = 8_000


def read_file(path: Path, column: str) -> list[Document]:
    """The documents of one file; what is read is decided by its suffix.

    Raises:
        BrokenInput: the file is empty, binary, not UTF-8, not what its suffix says, or without that column.
    """
    suffix = _suffix(path)
    if suffix == ".parquet":
        documents = _parquet(path, column)
    elif suffix in (".jsonl", ".ndjson"):
        documents = _json_lines(path, column)
    elif suffix == ".json":
        raise BrokenInput(f"{path} is JSON, which is not read", "write one object a line, in a .jsonl file")
    else:
        documents = (Document(text) for text in _split_text(_decode(path)))
    found = [document for document in documents if document.text.strip()]
    if not found:
        raise BrokenInput(f"{path} holds no text", "give a file with text in it")
    return found


def read_folder(folder: Path, column: str) -> list[Document]:
    """The documents of every readable file under a folder, sorted by path; hidden ones are left out.

    Raises:
        BrokenInput: there is no such file, or one of them cannot be read.
    """
    paths = [
        path
        for path in sorted(folder.rglob("*"))
        if _suffix(path) in SUFFIXES
        and path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    ]
    if not paths:
        raise BrokenInput(
            f"the folder {folder} holds no corpus file", f"these are read: {', '.join(SUFFIXES)}"
        )
    return [document for path in paths for document in read_file(path, column)]


def read_hub(name: str, column: str) -> list[Document]:
    """The documents of all splits of a dataset of the Hugging Face hub.

    Raises:
        MonoscopeError: the package ``datasets`` is not installed.
        BrokenInput: the dataset cannot be loaded, or has no such column.
    """
    try:
        import datasets
    except ImportError as error:
        raise MonoscopeError(
            f"the corpus hf:{name} needs the package datasets, which is not installed",
            "pip install datasets, or give a file",
        ) from error
    try:
        splits = datasets.load_dataset(name)
    except (OSError, ValueError, RuntimeError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise BrokenInput(
            f"the dataset {name} cannot be loaded: {reason}", "check the name and the network, or give a file"
        ) from error
    documents = []
    for split, rows in splits.items():
        _check_column(f"the dataset {name}", column, rows.column_names)
        texts = _strings(rows[column], f"the dataset {name}", column)
        documents += [Document(text, heldout=split in HELDOUT_SPLITS) for text in texts if text.strip()]
    return documents


def _suffix(path: Path) -> str:
    """The suffix that says what a file holds: ``.jsonl`` for ``a.jsonl`` and ``a.jsonl.gz``."""
    return Path(path.stem).suffix.lower() if path.suffix == ".gz" else path.suffix.lower()


def _decode(path: Path) -> str:
    """The text of a UTF-8 file, compressed or not, with Unix line ends."""
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise BrokenInput(
            f"{path} is not a complete gzip file: {error}", "compress or fetch it again"
        ) from error
    if (place := content.find(b"\0")) >= 0:
        raise BrokenInput(
            f"{path} is binary, with a zero byte at offset {place}",
            "give a file of UTF-8 text, .jsonl or .parquet",
        )
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise BrokenInput(
            f"{path} is not UTF-8: byte {content[error.start]:#04x} at offset {error.start}",
            "convert it, for instance with iconv -f latin1 -t utf-8",
        ) from error


def _split_text(text: str) -> Iterator[str]:
    """The documents of a text file; white space around them is dropped."""
    if SEPARATOR in text:
        yield from (part.strip() for part in text.split(SEPARATOR))
        return
    start = place = 0
    while (end := text.find("\n", place) + 1) > 0:
        blank, size = not text[place:end].strip(), end - start
        if (blank and size > _ENOUGH_FOR_PARAGRAPHS) or size > _ENOUGH_FOR_LINES:
            yield text[start:end].strip()
            start = end
        place = end
    yield text[start:].strip()


def _json_lines(path: Path, column: str) -> Iterator[Document]:
    for number, line in enumerate(_decode(path).split("\n"), start=1):
        if not line.strip():
            continue
        where = f"{path} line {number}"
        try:
            record = json.loads(line)
        except ValueError as error:
            raise BrokenInput(f"{where} is not JSON: {error}", "write one object a line") from error
        if not isinstance(record, dict):
            raise BrokenInput(f"{where} is not a JSON object", f'write lines like {{"{column}": "..."}}')
        _check_column(where, column, record)
        (text,) = _strings([record[column]], where, column)
        spans = tuple(_span(entry, text, where) for entry in record.get("spans") or ())
        yield Document(text, spans, heldout=record.get("split") in HELDOUT_SPLITS)


def _span(entry: Any, text: str, where: str) -> Span:
    match entry:
        case [int(start), int(end), str(concept), *kind] if (
            0 <= start < end <= len(text) and concept and len(kind) <= 1 and set(kind) <= set(SPAN_KINDS)
        ):
            return Span(start, end, concept, *kind)
    raise BrokenInput(
        f"{where} has the span {json.dumps(entry)} in a text of {len(text)} characters",
        f'spans are [start, end, "concept", {" | ".join(map(json.dumps, SPAN_KINDS))}], inside the text',
    )


def _parquet(path: Path, column: str) -> Iterator[Document]:
    try:
        from pyarrow import ArrowException, parquet
    except ImportError as error:
        raise MonoscopeError(
            f"{path} is Parquet, and the package pyarrow is not installed", "pip install 'monoscope[parquet]'"
        ) from error
    try:
        with parquet.ParquetFile(path) as file:
            _check_column(str(path), column, file.schema_arrow.names)
            for batch in file.iter_batches(columns=[column]):
                texts = _strings(batch.column(0).to_pylist(), str(path), column)
                yield from (Document(text) for text in texts)
    except ArrowException as error:
        raise BrokenInput(f"{path} is not a Parquet file: {error}", "write or fetch it again") from error


def _check_column(where: str, column: str, names: Iterable[str]) -> None:
    if column not in (names := list(names)):
        raise BrokenInput(
            f"{where} has no column {column!r}",
            f"it has {', '.join(map(repr, names)) or 'none'}; name the text's column",
        )


def _strings(values: Iterable[Any], where: str, column: str) -> list[str]:
    """The values as texts; missing ones (null) count as empty."""
    texts = ["" if value is None else value for value in values]
    for text in texts:
        if not isinstance(text, str):
            raise BrokenInput(
                f"{where} has {reprlib.repr(text)} in {column!r}, where text belongs",
                "name a column of texts",
            )
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise BrokenInput(
                f"{where} has half a surrogate pair at character {error.start} of {column!r}",
                "write whole characters",
            ) from error
    return texts
