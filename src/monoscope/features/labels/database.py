"""``labels.sqlite``: where each line of ``labels.jsonl`` begins, and a full-text index over the descriptions."""

import sqlite3
from pathlib import Path

from monoscope.errors import BrokenInput

LINES, DATABASE = "labels.jsonl", "labels.sqlite"
"""Files of the artefact."""
LAYOUT = 1
"""Version of this layout; a reader refuses others."""
BLOCK = 1024
"""Labels that are handed over at a time."""
SCHEMA = """
CREATE TABLE line (feature INTEGER PRIMARY KEY, start INTEGER NOT NULL, length INTEGER NOT NULL);
CREATE TABLE description (id INTEGER PRIMARY KEY, feature INTEGER NOT NULL, place INTEGER NOT NULL, standing REAL);
CREATE VIRTUAL TABLE described USING fts5(
    text, content='', columnsize=0, tokenize='porter unicode61 remove_diacritics 2'
);
"""


def create_database(path: Path) -> sqlite3.Connection:
    """An empty database, to be filled inside a staged folder: a crash leaves nothing that is picked up."""
    database = sqlite3.connect(path)
    database.executescript("PRAGMA page_size=16384; PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;")
    database.executescript(SCHEMA)
    return database


def open_database(path: Path) -> sqlite3.Connection:
    """Open a finished database for reading, from any thread.

    Raises:
        BrokenInput: the file is missing or no such database.
    """
    try:
        database = sqlite3.connect(
            f"{path.resolve().as_uri()}?mode=ro&immutable=1", uri=True, check_same_thread=False
        )
        database.execute("SELECT feature FROM line LIMIT 1").fetchone()
    except sqlite3.Error as error:
        raise BrokenInput(
            f"{path} cannot be read as labels: {error}", f"delete {path.parent} and explain again"
        ) from error
    return database
