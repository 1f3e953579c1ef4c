"""The index on disk: ``index.sqlite``, one row for each feature, token and word, and ``tokens.bin``, the
corpus.

=========  =================================================================================================
feature    description and lists as raw little-endian records (the dtypes below): one row is one feature page
token      a token's text and the features that promote it
word       a word's spelling, how much of the corpus is near it, and the features that go with it
stem       full-text index over words, by stem and without accents
array      one number for each feature, as raw arrays
=========  =================================================================================================

The file is written once, whole, inside a staged folder, and opened as immutable: it needs no lock, no
journal and no writable folder.
"""

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int, Integer, Shaped

from monoscope.errors import BrokenInput

TOKEN_SHARE = np.dtype([("token", "<u4"), ("count", "<u8"), ("share", "<f4"), ("lift", "<f4")])
"""An entry of ``feature.tokens``."""
LOGIT_WEIGHT = np.dtype([("token", "<u4"), ("weight", "<f4")])
"""An entry of ``feature.promoted`` and ``feature.suppressed``."""
NEIGHBOUR = np.dtype([("feature", "<u4"), ("cosine", "<f4")])
"""An entry of ``feature.neighbours``."""
HISTOGRAM = np.dtype([("bin", "<u2"), ("count", "<u8")])
"""An entry of ``feature.histogram``: bins that are not empty."""
PROMOTER = np.dtype([("feature", "<u4"), ("score", "<f4")])
"""An entry of ``token.promoters``: a feature and its logit weight in standard deviations."""
ASSOCIATION = np.dtype([("feature", "<u4"), ("count", "<u2")])
"""An entry of ``word.features``: a feature and how many of its samples have the word near."""
PIECE = np.dtype([("token", "<u4")])
"""An entry of ``word.spelling``: a token of the word's most common spelling."""

SCHEMA = """
CREATE TABLE feature (
    id INTEGER PRIMARY KEY, description TEXT NOT NULL, histogram BLOB, examples BLOB, tokens BLOB,
    promoted BLOB, suppressed BLOB, neighbours BLOB
);
CREATE TABLE token (id INTEGER PRIMARY KEY, text TEXT NOT NULL, word TEXT NOT NULL, promoters BLOB);
CREATE INDEX token_by_word ON token (word);
CREATE TABLE word (
    id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE, occurrences INTEGER, base REAL,
    spelling BLOB, features BLOB
);
CREATE VIRTUAL TABLE stem USING fts5(text, content='', tokenize='porter unicode61 remove_diacritics 2');
CREATE TABLE array (name TEXT PRIMARY KEY, dtype TEXT NOT NULL, data BLOB NOT NULL);
"""


def example_dtype(window: int) -> np.dtype:
    """An entry of ``feature.examples``.

    ``kind`` is 0 for a top example, else the number of its interval; ``start`` and ``length`` say which
    tokens are shown, and the first ``length`` of ``activations`` are theirs.
    """
    return np.dtype(
        [
            ("kind", "u1"),
            ("position", "<i8"),
            ("document", "<i4"),
            ("start", "<i8"),
            ("length", "<u2"),
            ("activations", "<f4", (window,)),
        ]
    )


@dataclass(frozen=True)
class Lists:
    """A list for each of ``n`` owners (features, tokens, words), laid end to end."""

    entries: Shaped[np.ndarray, " entry"]
    """Records of one of the dtypes above."""
    bounds: Int[np.ndarray, " owner_and_end"]
    """The list of owner i is ``entries[bounds[i]:bounds[i + 1]]``."""

    @classmethod
    def pack(
        cls, dtype: np.dtype, n: int, owners: Integer[np.ndarray, " entry"], *columns: np.ndarray
    ) -> "Lists":
        """Lists from columns, one for each field of ``dtype``, whose entries are sorted by owner."""
        entries = np.zeros(len(owners), dtype)
        for name, column in zip(dtype.names or (), columns, strict=True):
            entries[name] = column
        return cls(entries, np.searchsorted(owners, np.arange(n + 1)))

    def __len__(self) -> int:
        return len(self.bounds) - 1

    def __getitem__(self, owner: int) -> Shaped[np.ndarray, " entry"]:
        return self.entries[self.bounds[owner] : self.bounds[owner + 1]]

    def blob(self, owner: int) -> bytes:
        """The list as it is stored."""
        return self[owner].tobytes()


def write_database(path: Path, tables: dict[str, Iterable[tuple]]) -> None:
    """Write the whole database: table name -> its rows, columns in the order of ``SCHEMA``.

    The rows of ``word`` fill ``stem`` as well.
    """
    database = sqlite3.connect(path)
    try:
        # A crash leaves a staged folder that nothing picks up: no journal is needed.
        database.executescript("PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;")
        database.executescript(SCHEMA)
        for name, rows in tables.items():
            columns = len(database.execute(f"SELECT * FROM {name}").description)
            database.executemany(f"INSERT INTO {name} VALUES ({','.join('?' * columns)})", rows)
        database.execute("INSERT INTO stem (rowid, text) SELECT id, text FROM word")
        database.commit()
    finally:
        database.close()


def open_database(path: Path) -> sqlite3.Connection:
    """Open a finished database for reading, from any thread.

    Raises:
        BrokenInput: the file is missing or no index.
    """
    try:
        database = sqlite3.connect(
            f"{path.resolve().as_uri()}?mode=ro&immutable=1", uri=True, check_same_thread=False
        )
        database.execute("SELECT id FROM feature LIMIT 1").fetchone()
    except sqlite3.Error as error:
        raise BrokenInput(
            f"{path} cannot be read as an index: {error}", f"delete {path.parent} and index again"
        ) from error
    return database
