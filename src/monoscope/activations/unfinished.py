"""A store that is being written: how far it is complete, and its completion."""

import json
import shutil
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from jaxtyping import Float
from safetensors.torch import save_file
from torch import Tensor

from monoscope.activations.rows import TokenRows
from monoscope.activations.statistics import Statistics, sample_size
from monoscope.activations.store import BLOCK, DTYPES, draw, map_site, statistics_path
from monoscope.errors import BrokenInput
from monoscope.manifest import Manifest, content_hash, replace_folder, write_manifest

STATE = "state.json"
"""The record of what is made and how far it is complete; of no use in a finished store."""
COMMIT_SECONDS = 1.0
"""About how much work is lost at most when the process is killed."""


@dataclass(frozen=True)
class Recipe:
    """All that decides what a store holds: unfinished work goes on only where it is equal."""

    options: dict[str, Any]
    """Harvest options, sites, side of the corpus, dtype of the model."""
    parents: dict[str, str]
    """Hashes of model, tokenizer and corpus."""
    widths: dict[str, int]
    """Site -> numbers in an activation."""


class UnfinishedStore:
    """Appends activations to one file a site, inside a ``with`` block, and becomes a finished store.

    About every second, and when the block ends well or is interrupted, what has been written is recorded as
    complete. What lies behind the record when the process dies is cut off when the work is taken up again.
    """

    def __init__(self, folder: Path, recipe: Recipe, rows: TokenRows, rows_done: int) -> None:
        self.folder = folder
        self.recipe = recipe
        self.rows = rows
        self.rows_done = rows_done
        self._tokens_before = np.append(0, np.cumsum(rows.usable.sum(axis=1)))
        self._recorded_at = time.monotonic()
        self._open = ExitStack()
        self._files: dict[str, BinaryIO] = {}

    @classmethod
    def begin(cls, folder: Path, recipe: Recipe, make_rows: Callable[[], TokenRows]) -> "UnfinishedStore":
        """Take up the work that ``folder`` holds, if it has this recipe; else start over there."""
        rows_done = _recorded(folder, recipe)
        if rows_done is not None:
            return cls(folder, recipe, TokenRows.open(folder / "rows"), rows_done)
        shutil.rmtree(folder, ignore_errors=True)
        rows = make_rows()
        rows.save(folder / "rows")
        store = cls(folder, recipe, rows, rows_done=0)
        for name in recipe.widths:
            (folder / f"{name}.bin").touch()
        store._record()
        return store

    @property
    def tokens_done(self) -> int:
        """Usable tokens in the rows that are done."""
        return int(self._tokens_before[self.rows_done])

    def __enter__(self) -> "UnfinishedStore":
        paths = {name: self.folder / f"{name}.bin" for name in self.recipe.widths}
        per_number = self.tokens_done * self._dtype.itemsize
        sizes = {name: per_number * width for name, width in self.recipe.widths.items()}
        for name, path in paths.items():
            if path.stat().st_size < sizes[name]:
                raise BrokenInput(
                    f"{path} has less than the {sizes[name]} bytes on record",
                    f"delete {self.folder} and harvest again",
                )
        for name, path in paths.items():
            self._files[name] = self._open.enter_context(path.open("r+b"))
            self._files[name].truncate(sizes[name])
            self._files[name].seek(sizes[name])
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        with self._open:
            if kind in (None, KeyboardInterrupt):
                self._record()

    def append(self, values: Mapping[str, Float[Tensor, "token _"]], *, rows_done: int) -> None:
        """Round and write the activations of the usable tokens up to row ``rows_done``."""
        for name, value in values.items():
            write(self._files[name], value.to("cpu", self._dtype))
        self.rows_done = rows_done
        if time.monotonic() - self._recorded_at >= COMMIT_SECONDS:
            self._record()

    def finish(self, target: Path) -> None:
        """Measure what was written, complete it with its manifest and put it in the place of ``target``.

        The store's hash is that of its rows, options, parents and statistics: it stands for what the files
        hold without reading all of them again.
        """
        sites, hashed = {}, []
        for name, width in self.recipe.widths.items():
            data = map_site(self.folder, name, self.tokens_done, width, self._dtype)
            drawn = draw(self.tokens_done, sample_size(width), seed=0)
            scalars = asdict(Statistics.measure(data.index_select(0, part) for part in drawn.split(BLOCK)))
            tensors = {key: scalars.pop(key) for key in ("mean", "covariance")}
            path = statistics_path(self.folder, name)
            save_file({key: value for key, value in tensors.items() if value is not None}, path)
            sites[name] = {"width": width} | scalars
            hashed += [name, path]
        recipe = self.recipe
        manifest = Manifest(
            kind="activations",
            options=recipe.options,
            parents=recipe.parents,
            content={"n_tokens": self.tokens_done, "dtype": recipe.options["dtype"], "sites": sites},
            hash=content_hash(json.dumps(asdict(recipe), sort_keys=True), self.rows.hash, *hashed),
        )
        write_manifest(self.folder, manifest)
        replace_folder(self.folder, target)
        (target / STATE).unlink()

    @property
    def _dtype(self) -> torch.dtype:
        return DTYPES[self.recipe.options["dtype"]]

    def _record(self) -> None:
        for file in self._files.values():
            file.flush()
        state = {"recipe": asdict(self.recipe), "rows_done": self.rows_done}
        fresh = self.folder / f"{STATE}.new"
        fresh.write_text(json.dumps(state), encoding="utf-8")
        fresh.replace(self.folder / STATE)
        self._recorded_at = time.monotonic()


def write(file: BinaryIO, value: Tensor) -> None:
    """Write a tensor's raw bytes."""
    file.write(value.contiguous().view(torch.uint8).numpy().data)


def _recorded(folder: Path, recipe: Recipe) -> int | None:
    """How many rows are complete; None where there is nothing of this recipe."""
    path = folder / STATE
    if not path.is_file():
        return None
    try:
        state = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise BrokenInput(f"{path} is broken: {error}", f"delete {folder} and harvest again") from error
    return state["rows_done"] if state["recipe"] == asdict(recipe) else None
