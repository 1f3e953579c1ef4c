"""Everything monoscope refuses, as one tree.

::

    MonoscopeError                 exit 1: it could not be done
    ├── WrongUse                   exit 2: it was asked wrongly
    │   ├── UnknownSite            no such place in this model
    │   ├── UnknownName            no such sparsifier, feature, concept, option value
    │   └── MissingInput           a file or folder that is not there
    ├── BrokenInput                a model, corpus or artefact that is there and cannot be used
    │   └── MismatchedArtefact     parts that were not made from each other
    └── OutOfSpace                 the disk is full

A message is one sentence that names the thing and its value; the hint says what to do. The command line
prints ``error: SENTENCE``, then ``hint: HINT``, and leaves with ``exit_code``.
"""

import difflib
from collections.abc import Iterable


class MonoscopeError(Exception):
    """A thing that could not be done, in one sentence, with a hint.

    Args:
        sentence: what is wrong, naming the thing and its value; no full stop is added.
        hint: what the reader can do about it; may be empty.
    """

    exit_code = 1

    def __init__(self, sentence: str, hint: str = "") -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.sentence}\nhint: {self.hint}" if self.hint else self.sentence


class WrongUse(MonoscopeError):
    """The request itself is wrong: nothing was tried."""

    exit_code = 2


class UnknownSite(WrongUse):
    """A site that this model does not have."""


class UnknownName(WrongUse):
    """A name, among a closed set of names, that does not exist."""


class MissingInput(WrongUse):
    """A file or folder that was named and is not there."""


class BrokenInput(MonoscopeError):
    """A model, corpus or artefact that is there and cannot be used."""


class MismatchedArtefact(BrokenInput):
    """Two artefacts that were not made from each other; the sentence says which hash or width differs."""


class OutOfMemory(MonoscopeError):
    """A device's memory cannot hold what was asked for."""


class OutOfSpace(MonoscopeError):
    """The disk filled up; what was complete before is kept."""


def nearest(name: str, known: Iterable[str], count: int = 3) -> str:
    """The known names closest to ``name``, joined for a hint: ``nearest are a, b, c``."""
    known = list(known)
    close = difflib.get_close_matches(name, known, n=count, cutoff=0.3) or known[:count]
    return f"nearest are {', '.join(close)}" if len(close) > 1 else f"nearest is {', '.join(close)}"
