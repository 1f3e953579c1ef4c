"""The control vectors of a folder, by name."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import final

from monoscope.manifest import MANIFEST, is_complete
from monoscope.vectors.files import load
from monoscope.vectors.vector import ControlVector


def is_name(told: str) -> bool:
    """Whether it can be the name of a vector: a word, not a number, which would be a feature."""
    return bool(re.fullmatch(r"\w[\w.-]*", told)) and not re.fullmatch(r"\d[\d.]*", told)


@final
class Shelf(Mapping[str, ControlVector]):
    """Name -> control vector, as the folder holds them now; one is read again when another lies in its place.

    Args:
        folder: where they lie, one folder each; it may not be there yet.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._known: dict[str, tuple[tuple[int, int, int], ControlVector]] = {}

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and is_name(name) and is_complete(self.folder / name)

    def __getitem__(self, name: str) -> ControlVector:
        """The vector.

        Raises:
            KeyError: there is none of that name.
            BrokenInput: it cannot be read.
        """
        if name not in self:
            raise KeyError(name)
        told = (self.folder / name / MANIFEST).stat()
        written = told.st_ino, told.st_mtime_ns, told.st_size
        if name not in self._known or self._known[name][0] != written:
            self._known[name] = written, load(self.folder / name)
        return self._known[name][1]

    def __iter__(self) -> Iterator[str]:
        if self.folder.is_dir():
            yield from sorted(place.name for place in self.folder.iterdir() if place.name in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)
