"""Artefacts on disk: what marks a complete one, and what is said when the disk fills up."""

import errno
import sqlite3
from pathlib import Path

import pytest
from safetensors import SafetensorError

from monoscope.errors import OutOfSpace
from monoscope.manifest import full_disk_is_said, is_complete, staged


def sqlite_full() -> sqlite3.Error:
    """What SQLite raises when it can write no more."""
    database = sqlite3.connect(":memory:")
    try:
        database.execute("PRAGMA max_page_count = 2")
        database.execute("CREATE TABLE t (x)")
        database.execute("INSERT INTO t VALUES (zeroblob(100000))")
    except sqlite3.Error as error:
        return error
    finally:
        database.close()
    raise AssertionError("the database took it all")


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"),
        sqlite_full(),
    ],
)
def test_a_full_disk_is_said_whoever_says_it(error: Exception, tmp_path: Path) -> None:
    with pytest.raises(OutOfSpace, match="is full") as caught, full_disk_is_said(tmp_path):
        raise error
    assert str(tmp_path) in caught.value.sentence


@pytest.mark.parametrize(
    "error", [OSError(errno.EACCES, "denied"), SafetensorError("broken"), ValueError("no")]
)
def test_other_errors_stay_what_they_are(error: Exception, tmp_path: Path) -> None:
    with pytest.raises(type(error)), full_disk_is_said(tmp_path):
        raise error


def test_what_was_there_stays_when_its_successor_fails(tmp_path: Path) -> None:
    folder = tmp_path / "artefact"
    with staged(folder) as place:
        (place / "manifest.json").write_text("{}", encoding="utf-8")

    def fail_halfway() -> None:
        with staged(folder) as place:
            (place / "half").write_text("x", encoding="utf-8")
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OutOfSpace):
        fail_halfway()
    assert is_complete(folder)
    assert [path.name for path in tmp_path.iterdir()] == ["artefact"]
