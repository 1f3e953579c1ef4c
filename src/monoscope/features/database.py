"""The index on disk: ``index.sqlite``, one row for each feature, token and word, and ``tokens.bin``, the
corpus.

=========  =================================================================================================
feature    numbers, description and lists as little-endian records (the dtypes below), the longer ones deflated: one
           row is one page
described  full-text index over the names in the descriptions, by stem and without accents
token      a token's text
of_token   the features that promote a token, and those that fire on it
word       a word's spelling, how much of the corpus is near it, and the features that go with it
stem       full-text index over words, by stem and without accents
array      one number for each feature, as raw arrays
=========  =================================================================================================

The file is written once, whole, inside a staged folder, and opened as immutable: it needs no lock, no
journal and no writable folder.
"""

import sqlite3
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int, Integer, Shaped, UInt8

from monoscope.errors import BrokenInput

TOKEN_SHARE = np.dtype([("token", "<u4"), ("count", "<u8"), ("share", "<f4"), ("lift", "<f4")])
"""An entry of ``feature.tokens``, :func:`deflated`."""
LOGIT_WEIGHT = np.dtype([("token", "<u4"), ("weight", "<f4")])
"""An entry of ``feature.promoted`` and ``feature.suppressed``."""
NEIGHBOUR = np.dtype([("feature", "<u4"), ("cosine", "<f4")])
"""An entry of ``feature.neighbours``."""
HISTOGRAM = np.dtype([("bin", "<u2"), ("count", "<u8")])
"""An entry of ``feature.histogram``, :func:`deflated`: bins that are not empty."""
COACTIVE = np.dtype([("feature", "<u4"), ("correlation", "<f4"), ("share", "<f4")])
"""An entry of ``feature.coactive``."""
PROMOTER = np.dtype([("feature", "<u4"), ("score", "<f4")])
"""An entry of ``of_token.promoters``: a feature and its logit weight in standard deviations."""
FIRER = np.dtype([("feature", "<u4"), ("share", "<f4"), ("recall", "<f4")])
"""An entry of ``of_token.firers``: a feature that lists the token, the share of its activation that falls on it, and
the share of the token's occurrences on which it is active."""
ASSOCIATION = np.dtype([("feature", "<u4"), ("count", "<u2")])
"""An entry of ``word.features``, stored as :func:`in_steps` says: a feature and how many of its samples have the word
near."""
PIECE = np.dtype([("token", "<u4")])
"""An entry of ``word.spelling``: a token of the word's most common spelling."""

SCHEMA = """
CREATE TABLE feature (
    id INTEGER PRIMARY KEY, description TEXT NOT NULL, n_active INTEGER, density REAL, largest REAL, mean REAL,
    histogram BLOB, examples BLOB, tokens BLOB, promoted BLOB, suppressed BLOB, neighbours BLOB, coactive BLOB
);
CREATE INDEX by_description ON feature (description);
CREATE VIRTUAL TABLE described USING fts5(
    own, near, promoted, content='', columnsize=0, tokenize='porter unicode61 remove_diacritics 2'
);
CREATE TABLE token (id INTEGER PRIMARY KEY, text TEXT NOT NULL, word TEXT NOT NULL);
CREATE INDEX token_by_word ON token (word);
CREATE TABLE of_token (id INTEGER PRIMARY KEY, promoters BLOB, firers BLOB);
CREATE TABLE word (
    id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE, occurrences INTEGER, base REAL,
    spelling BLOB, features BLOB
);
CREATE VIRTUAL TABLE stem USING fts5(text, content='', tokenize='porter unicode61 remove_diacritics 2');
CREATE TABLE array (name TEXT PRIMARY KEY, dtype TEXT NOT NULL, data BLOB NOT NULL);
"""


LAYOUT = 4
"""Version of this layout; a reader refuses others."""
ARRAYS = ("n_active", "density", "max_activation", "mean_activation")
"""Rows of ``array``, in the order in which ``feature`` has the same numbers."""
DEFLATED = ("histogram", "examples", "tokens")
"""Lists of ``feature`` that are stored :func:`deflated`; the others are too short for that."""
PAGE_BYTES = 32_768
"""Bytes of a page of the database: several rows of ``feature`` fill one with little left over."""
CACHE = 8192
"""KiB of pages that a reader keeps: the upper levels of all tables are among them."""
BLOCK = 1024
"""Rows that are handed over at a time."""
KINDS = ("top", "interval", "random", "quantile", "near miss")
"""Kinds of examples, by number."""
TOP, INTERVAL, RANDOM, QUANTILE, NEAR_MISS = range(len(KINDS))
LEVELS = 255
"""Steps of an activation in a window; 0 is silence."""
DECADES = 4.0
"""Powers of ten between step 1 and step 255, which is the feature's largest activation."""


def example_dtype(window: int) -> np.dtype:
    """An example, without its tokens.

    ``kind`` is a number of ``KINDS`` and ``number`` says which interval or quantile; ``before`` and ``length`` say
    which tokens are shown, and the first ``length`` of ``levels`` are theirs, as :func:`levels` makes them.
    """
    return np.dtype(
        [
            ("kind", "u1"),
            ("number", "u1"),
            ("before", "<u2"),
            ("length", "<u2"),
            ("document", "<i4"),
            ("position", "<i8"),
            ("peak", "<f4"),
            ("levels", "u1", (window,)),
        ]
    )


def stored_dtype(window: int, token_dtype: str | np.dtype) -> np.dtype:
    """An entry of ``feature.examples``, :func:`deflated`: an example with the tokens from the first shown on, so that
    a page needs no second look at the disk.
    """
    return np.dtype([*example_dtype(window).descr, ("tokens", token_dtype, (window,))])


def deflated(entries: Shaped[np.ndarray, " entry"]) -> bytes:
    """Records in few bytes: first bytes together, then second bytes, and so on, since like deflates with like."""
    planes = np.ascontiguousarray(entries).view(np.uint8).reshape(-1, entries.dtype.itemsize).T
    return zlib.compress(planes.tobytes())


def inflated(blob: bytes, dtype: np.dtype) -> Shaped[np.ndarray, " entry"]:
    """The records that were :func:`deflated`."""
    planes = np.frombuffer(zlib.decompress(blob), np.uint8).reshape(dtype.itemsize, -1)
    return planes.T.copy().reshape(-1).view(dtype)


def in_steps(entries: Shaped[np.ndarray, " entry"]) -> bytes:
    """Records of ascending ``feature``, :func:`deflated` with what each adds to the one before in its place."""
    steps = entries.copy()
    steps["feature"] = np.diff(entries["feature"], prepend=np.uint32(0))
    return deflated(steps)


def from_steps(blob: bytes, dtype: np.dtype) -> Shaped[np.ndarray, " entry"]:
    """The records that were stored :func:`in_steps`."""
    entries = inflated(blob, dtype)
    entries["feature"] = np.cumsum(entries["feature"], dtype=np.uint32)
    return entries


def levels(
    values: Float[np.ndarray, "*shape"], largest: Float[np.ndarray, "*shape"]
) -> UInt8[np.ndarray, "*shape"]:
    """Activations as steps on a logarithmic scale below the largest, from 255 down to 1; silence is 0.

    A step is a factor of 10^(4 / 254): what :func:`values_of` gives back differs by 1.9 % at most, and whatever is
    below a ten-thousandth of the largest comes back as that.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        steps = LEVELS + np.rint(np.log10(values / largest) * ((LEVELS - 1) / DECADES))
    return np.where(values > 0, np.clip(steps, 1, LEVELS), 0).astype(np.uint8)


STEPS = np.append(0.0, 10.0 ** ((np.arange(1, LEVELS + 1) - LEVELS) * (DECADES / (LEVELS - 1))))
"""Step -> share of the largest activation."""


def values_of(steps: UInt8[np.ndarray, "*shape"], largest: float) -> Float[np.ndarray, "*shape"]:
    """The activations that steps stand for."""
    return STEPS[steps] * largest


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


@dataclass(frozen=True)
class ExampleLists:
    """The examples of each feature; their tokens are looked up as they are asked for."""

    lists: Lists
    """Of ``example_dtype``."""
    corpus: Integer[np.ndarray, " position"]
    """Token ids by flat position."""

    def __getitem__(self, owner: int) -> Shaped[np.ndarray, " entry"]:
        """Of ``stored_dtype``."""
        entries = self.lists[owner]
        window = entries["levels"].shape[1]
        stored = np.zeros(len(entries), stored_dtype(window, self.corpus.dtype))
        for name in entries.dtype.names or ():
            stored[name] = entries[name]
        start = (entries["position"] - entries["before"]).astype(np.int64)
        stored["tokens"] = self.corpus.take(start[:, None] + np.arange(window), mode="clip")
        return stored


def write_database(path: Path, tables: Mapping[str, Iterable[tuple]]) -> None:
    """Write the whole database, a block of rows at a time.

    The rows of ``word`` fill ``stem`` as well.

    Args:
        path: a file that is not there.
        tables: table name -> its rows, columns in the order of ``SCHEMA``; a row of ``feature`` ends with the three
            texts more that ``described`` finds it by.
    """
    database = sqlite3.connect(path)
    try:
        # A crash leaves a staged folder that nothing picks up: no journal is needed.
        database.executescript(
            f"PRAGMA page_size={PAGE_BYTES}; PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;"
        )
        database.executescript(SCHEMA)
        for name, rows in tables.items():
            columns = len(database.execute(f"SELECT * FROM {name}").description)
            insert = f"INSERT INTO {name} VALUES ({','.join('?' * columns)})"
            remaining = iter(rows)
            while block := list(islice(remaining, BLOCK)):
                database.executemany(insert, (row[:columns] for row in block))
                if name == "feature":
                    texts = ((row[0], *row[columns:]) for row in block)
                    database.executemany(
                        "INSERT INTO described (rowid, own, near, promoted) VALUES (?, ?, ?, ?)", texts
                    )
        database.execute("INSERT INTO stem (rowid, text) SELECT id, text FROM word")
        for full_text in ("described", "stem"):
            database.execute(f"INSERT INTO {full_text} ({full_text}) VALUES ('optimize')")
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
        database.execute(f"PRAGMA cache_size=-{CACHE}")
        database.execute("SELECT id FROM feature LIMIT 1").fetchone()
    except sqlite3.Error as error:
        raise BrokenInput(
            f"{path} cannot be read as an index: {error}", f"delete {path.parent} and index again"
        ) from error
    return database
