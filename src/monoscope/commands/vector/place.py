"""Which model, which vector and which place a command is about: what the commands on vectors share."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from monoscope.commands.open_run import OpenRun
from monoscope.commands.progress import Reporter
from monoscope.commands.run_folder import RunFolder
from monoscope.errors import BrokenInput, MissingInput, MonoscopeError, UnknownName, WrongUse, nearest
from monoscope.manifest import read_manifest
from monoscope.models import LanguageModel, load_model
from monoscope.vectors import ControlVector, Shelf, import_gguf, import_npz, is_name, load

Vector = Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="VECTOR")]
Run = Annotated[Path | None, tyro.conf.arg(metavar="RUN", help_behavior_hint="")]
Model = Annotated[str, tyro.conf.arg(metavar="MODEL", help_behavior_hint="")]
Name = Annotated[str, tyro.conf.arg(metavar="NAME", help_behavior_hint="")]
Folder = Annotated[Path | None, tyro.conf.arg(metavar="DIR", help_behavior_hint="")]
Blocks = Annotated[
    tuple[str, ...], tyro.conf.UseAppendAction, tyro.conf.arg(metavar="BLOCKS", help_behavior_hint="")
]
"""Numbers of blocks as they are told: ``4``, ``4-10``, ``4,6``."""


# Which model


@dataclass(frozen=True)
class Subject:
    """The model that a command is about, and the run where it is a run's; each is opened when it is needed."""

    run: Path | None
    """Folder of the run."""
    model: str
    """Name of the model where there is no run; empty: neither was given."""
    reporter: Reporter
    """Told of the work."""
    device: str = "auto"
    """Where the model runs."""
    dtype: str = "auto"
    """What it computes in."""

    def __post_init__(self) -> None:
        if self.run is not None and self.model:
            raise WrongUse(
                f"a run and the model {self.model} were both given", "give one: a run has a model of its own"
            )

    @property
    def given(self) -> bool:
        """Whether a run or a model was named."""
        return self.run is not None or bool(self.model)

    def opened(self) -> OpenRun:
        """The run, with its model.

        Raises:
            WrongUse: there is none.
            MissingInput: the folder is none.
        """
        if self.run is None:
            raise WrongUse("there is no run", "give one: --run RUN")
        folder = RunFolder(self.run)
        recipe = folder.recipe()
        lm = load_model(recipe.model, device=self.device, dtype=self.dtype)
        return OpenRun(folder, recipe, self.reporter, lm=lm)

    def lm(self, hint: str = "give --run RUN or --model MODEL") -> LanguageModel:
        """The run's model, or the one that was named.

        Raises:
            WrongUse: none was.
        """
        if self.run is not None:
            return self.opened().lm
        if not self.model:
            raise WrongUse("no model was named", hint)
        return load_model(self.model, device=self.device, dtype=self.dtype)


# Which vector


@dataclass(frozen=True)
class Found:
    """A vector that was asked for."""

    vector: ControlVector
    """The vector."""
    name: str
    """What it is called."""
    path: Path
    """Where it lies."""
    notes: tuple[str, ...] = ()
    """What should be known about its file."""


def find_vector(told: str, run: Path | None = None) -> Found:
    """The vector of a name under the run, of a folder, or of a file.

    Raises:
        UnknownName: the run has none of that name, and no such path exists.
        MissingInput: there is no such path.
        BrokenInput: there is no vector in it.
    """
    if run is not None:
        folder = RunFolder(run)
        folder.recipe()
        shelf = Shelf(folder.vectors)
        if told in shelf:
            return Found(shelf[told], told, folder.vectors / told)
        if not Path(told).expanduser().exists():
            known = list(shelf)
            raise UnknownName(
                f"{told!r} is no vector of {folder}",
                nearest(told, known) if known else "it has none: monoscope vector train makes one",
            )
    path = Path(told).expanduser().resolve()
    if path.is_dir():
        return Found(load(path), path.name, path)
    if not path.exists():
        raise MissingInput(f"there is no vector {told}", "check the path; with --run RUN a run's has a name")
    vector, notes = read_file(path)
    return Found(vector, path.stem, path, notes)


def read_file(
    path: Path, lm: LanguageModel | None = None, *, shift: int = 0
) -> tuple[ControlVector, tuple[str, ...]]:
    """The vector of one file, and what should be known about it; a gguf's is fitted to the model.

    Raises:
        MissingInput: there is no such file.
        BrokenInput: it holds no vector.
        WrongUse: it is no gguf file and a shift was given, or the shift leads below block 0.
    """
    if path.suffix == ".gguf":
        return import_gguf(path, lm, shift=shift)
    if shift:
        raise WrongUse(f"a shift is for gguf files, and {path.name} is none", "leave it out")
    if path.suffix == ".npz":
        return import_npz(path), ()
    if not path.exists():
        raise MissingInput(f"there is no file {path}", "check the path")
    raise BrokenInput(f"{path} is no control vector", "a vector is a folder, or a file .npz or .gguf")


# Which place


def new_place(run: Path | None, name: str, out: Path | None, *, overwrite: bool) -> Path:
    """The folder that a new vector is written to.

    Raises:
        WrongUse: neither a name under a run nor a folder was given, or both; the name is none; or what is there may
            not be replaced.
    """
    if out is not None and name:
        raise WrongUse("a name and a folder were both given", "give --name under a run, or --out")
    if out is None:
        if run is None:
            raise WrongUse("there is no place for the vector", "give --out DIR, or a run and --name NAME")
        if not is_name(name):
            said = f"{name!r} is no name of a vector" if name else "the vector has no name"
            raise WrongUse(said, "call it by a word: --name honest")
        folder = RunFolder(run)
        folder.recipe()
        out = folder.vectors / name
    place = out.expanduser().resolve()
    check_free(place, overwrite=overwrite)
    return place


def check_free(place: Path, *, overwrite: bool) -> None:
    """Refuse to write where something lies: always if it is no vector, else unless it shall be replaced.

    Raises:
        WrongUse: something does.
    """
    if not place.exists() or (place.is_dir() and not any(place.iterdir())):
        return
    if not _is_vector(place):
        raise WrongUse(f"{place} is there already, and is no control vector", "choose another place")
    if not overwrite:
        raise WrongUse(
            f"{place} is there already", "choose another place, or give --overwrite to replace the vector"
        )


def _is_vector(place: Path) -> bool:
    try:
        if place.is_dir():
            read_manifest(place, "vector")
        else:
            read_file(place)
    except MonoscopeError:
        return False
    return True


def blocks_of(told: Sequence[str]) -> list[int] | None:
    """The blocks that are told as ``4``, ``4-10`` or ``4,6``, each once and in order; None where none is.

    Raises:
        WrongUse: it cannot be read.
    """
    found: set[int] = set()
    for part in (part.strip() for each in told for part in each.split(",")):
        said = re.fullmatch(r"(\d{1,4})(?:-(\d{1,4}))?", part, re.ASCII)
        first, last = (int(said[1]), int(said[2] or said[1])) if said else (1, 0)
        if first > last:
            raise WrongUse(f"{part!r} names no blocks", "for instance --blocks 4, or --blocks 4-10")
        found.update(range(first, last + 1))
    return sorted(found) or None


def described(found: Found) -> dict[str, Any]:
    """What every command says of a vector."""
    vector = found.vector
    return {"vector": str(found.path), "name": found.name, "hash": vector.hash, "unit": vector.unit}
