"""A run on disk: what lies where, how far it has come, and who is working on it.

::

    RUN/
      run.toml        the whole run as resolved (monoscope.commands.recipe)
      manifest.json   hashes of model, tokenizer and corpus; seconds of each stage; ``running`` or ``complete``
      activations/    training, calibration, heldout: deleted when the run is complete, harvested again when needed
      glimpse.json    the first picture: a neuron, before anything is learnt
      dictionary/     the dictionary, and metrics.jsonl of its training
      features/       the index
      map/            where features lie whose directions are near, once somebody looked at it
      labels/         what is said of every feature, and what the model loses without it
      evaluation/     report.json
      analyses/       NAME/result.json and figure.svg of every analysis that was asked for
      showcase/       showcase.json: one feature at work
      steering/       NAME/calibration.json and figure.svg of every strength that was looked for
      beside/         NAME/, a run each: narrower dictionaries, and ones of other seeds, to compare with
      vectors/        NAME/vector.safetensors, pairs.jsonl and figure.svg of every control vector
      report.html     all of it to look at, written again after every stage
"""

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from monoscope.commands.lock import held, is_held
from monoscope.commands.recipe import Recipe, check_same, read_recipe
from monoscope.errors import BrokenInput, MismatchedArtefact, MissingInput, WrongUse
from monoscope.manifest import Manifest, full_disk_is_said, is_complete, read_manifest, staged, write_manifest

Status = Literal["complete", "running", "stopped"]

RESULT, FIGURE = "result.json", "figure.svg"
"""Files of an analysis."""


class RunFolder:
    """Where a run lies; nothing is read before it is asked for.

    Args:
        path: the folder.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path).expanduser().resolve()

    def __str__(self) -> str:
        return str(self.path)

    @property
    def name(self) -> str:
        """The folder's name, which is also the dictionary's in the addresses of features."""
        return self.path.name

    @property
    def recipe_file(self) -> Path:
        """The run as resolved."""
        return self.path / "run.toml"

    @property
    def activations(self) -> Path:
        """Folder of the activation stores."""
        return self.path / "activations"

    @property
    def dictionary(self) -> Path:
        """The dictionary's artefact."""
        return self.path / "dictionary"

    @property
    def features(self) -> Path:
        """The index."""
        return self.path / "features"

    @property
    def map(self) -> Path:
        """The map's artefact."""
        return self.path / "map"

    @property
    def labels(self) -> Path:
        """The labels."""
        return self.path / "labels"

    @property
    def evaluation(self) -> Path:
        """The evaluation's artefact."""
        return self.path / "evaluation"

    @property
    def analyses(self) -> Path:
        """Folder of the analyses, one artefact each."""
        return self.path / "analyses"

    @property
    def showcase(self) -> Path:
        """The showcase's artefact."""
        return self.path / "showcase"

    @property
    def steering(self) -> Path:
        """Folder of the calibrations, one artefact each."""
        return self.path / "steering"

    @property
    def vectors(self) -> Path:
        """Folder of the control vectors, one artefact each."""
        return self.path / "vectors"

    @property
    def beside(self) -> Path:
        """Folder of the dictionaries that this one is compared with, a run each."""
        return self.path / "beside"

    @property
    def glimpse(self) -> Path:
        """The first picture."""
        return self.path / "glimpse.json"

    @property
    def report(self) -> Path:
        """The page."""
        return self.path / "report.html"

    @property
    def begun(self) -> bool:
        """True when a run was begun here."""
        return self.recipe_file.is_file()

    @property
    def complete(self) -> bool:
        """True when the run came to its end."""
        return is_complete(self.path) and self.manifest().content.get("status") == "complete"

    def recipe(self) -> Recipe:
        """The run as resolved.

        Raises:
            MissingInput: no run was begun here.
            BrokenInput, WrongUse: as :func:`monoscope.commands.recipe.read_recipe`.
        """
        if not self.begun:
            raise MissingInput(f"{self.path} is no run: it has no run.toml", self._what_it_is())
        return read_recipe(self.recipe_file)

    def manifest(self) -> Manifest:
        """The run's record.

        Raises:
            MissingInput, BrokenInput: as :func:`monoscope.manifest.read_manifest`.
        """
        return read_manifest(self.path, "run")

    def begin(self, recipe: Recipe, parents: Mapping[str, str]) -> Manifest:
        """Take up the run that was begun here, or begin it.

        Args:
            recipe: what is asked for, resolved.
            parents: hashes of what it is made from, by name.

        Raises:
            WrongUse: it was begun with another recipe, or the folder holds something else.
            MismatchedArtefact: the model or the corpus is no longer what it was.
        """
        if self.begun:
            check_same(self.recipe(), recipe, str(self.path))
        elif self.path.exists() and any(entry.name != ".lock" for entry in self.path.iterdir()):
            raise WrongUse(f"{self.path} is not empty and holds no run", "give --out a new folder")
        with full_disk_is_said(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            if not self.begun:
                write_text(self.recipe_file, recipe.to_toml())
            if not is_complete(self.path):
                seeds = {"training": recipe.training.seed, "index": recipe.index.seed}
                seeds |= {"evaluation": recipe.evaluation.seed, "showcase": recipe.showcase.seed}
                content = {"status": "running", "stages": {}}
                write_manifest(
                    self.path,
                    Manifest(
                        kind="run",
                        options=recipe.to_table(),
                        parents=dict(parents),
                        content=content,
                        seeds=seeds,
                    ),
                )
        manifest = self.manifest()
        check_parents(self.path, manifest, parents)
        return manifest

    def record(self, **content: Any) -> None:
        """Change entries of the manifest's content."""
        manifest = self.manifest()
        write_manifest(self.path, replace(manifest, content=manifest.content | content))

    def tidy(self) -> None:
        """Delete the activations of a complete run: they are large, and whoever needs them harvests them again."""
        if self.complete and not self.manifest().content.get("keep_activations"):
            shutil.rmtree(self.activations, ignore_errors=True)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Within the block no other process works on this run; the system lets go when the process ends, however.

        Raises:
            WrongUse: another process does.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        with held(self._lock, str(self.path)):
            yield

    @property
    def status(self) -> Status:
        """``complete``, ``running`` while a process works on it, or ``stopped`` before its end."""
        if self.complete:
            return "complete"
        return "running" if is_held(self._lock) else "stopped"

    @property
    def _lock(self) -> Path:
        return self.path / ".lock"

    def _what_it_is(self) -> str:
        """A hint for a folder that is no run."""
        if not self.path.is_dir():
            return "check the path; monoscope run --out makes one"
        if (self.path.parent / "run.toml").is_file():
            return f"give the run that it lies in, {self.path.parent}"
        runs = sorted(found.parent.name for found in self.path.glob("*/run.toml"))
        if runs:
            return f"it holds the runs {', '.join(runs)}: give one of them"
        return "monoscope run --out makes one"


def check_parents(folder: Path, manifest: Manifest, parents: Mapping[str, str]) -> None:
    """Refuse an artefact that was made from something else.

    Raises:
        MismatchedArtefact: a parent that both sides know has another hash.
    """
    for name, found in parents.items():
        made_from = manifest.parents.get(name, found)
        if made_from != found:
            raise MismatchedArtefact(
                f"{folder} was made from {name} {made_from}, and this {name} is {found}",
                f"use the {name} it was made from, or begin anew in another folder",
            )


def write_record(folder: Path, kind: str, file: str, record: Mapping[str, Any], **manifest: Any) -> None:
    """Write a JSON record as the artefact ``folder``."""
    with staged(folder) as place:
        write_text(place / file, json.dumps(record, ensure_ascii=False, allow_nan=False))
        write_manifest(place, Manifest(kind=kind, **manifest))


def read_record(path: Path) -> dict[str, Any]:
    """A JSON record that :func:`write_record` wrote.

    Raises:
        BrokenInput: it cannot be read.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BrokenInput(
            f"{path} cannot be read: {error}", f"delete {path.parent} and make it again"
        ) from error


def write_text(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    with full_disk_is_said(path):
        try:
            part.write_text(text, encoding="utf-8")
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)


def read_text(path: Path) -> str:
    """The text of a file that somebody named.

    Raises:
        MissingInput: it is not there, or may not be read.
        BrokenInput: it is no text.
    """
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise MissingInput(f"there is no file {path}", "check the path") from error
    except OSError as error:
        raise MissingInput(f"{path} cannot be read: {error.strerror}", "check the path") from error
    except UnicodeDecodeError as error:
        raise BrokenInput(f"{path} is no text in UTF-8", "save it as UTF-8") from error
