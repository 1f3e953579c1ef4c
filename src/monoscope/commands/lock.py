"""Who works on a folder: one process at a time, and the system lets go when it ends, however it does."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import sleep
from typing import TextIO

from monoscope.errors import WrongUse

try:
    import fcntl
except ImportError:  # There is none on Windows, where two runs in one folder are not kept apart.
    fcntl = None  # type: ignore[assignment]

A_LOOK = 0.05
"""Seconds that asking who works on it takes at most: it takes the lock too, and gives it back."""


@contextmanager
def held(path: Path, what: str) -> Iterator[None]:
    """Within the block no other process holds the file.

    Args:
        path: the file; it says which process.
        what: what is worked on, for people.

    Raises:
        WrongUse: another process holds it.
    """
    with path.open("a+") as file:
        if not _taken(file):
            sleep(A_LOOK)
            if not _taken(file):
                file.seek(0)
                raise WrongUse(
                    f"process {file.read() or '?'} is working on {what}",
                    "wait for it, or give --out another folder",
                )
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def is_held(path: Path) -> bool:
    """Whether a process holds the file; where that cannot be known, yes."""
    if fcntl is None:
        return True
    if not path.is_file():
        return False
    with path.open("r") as file:
        return not _taken(file)


def _taken(file: TextIO) -> bool:
    """Take the file until it is closed, unless somebody has it."""
    if fcntl is not None:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
    return True
