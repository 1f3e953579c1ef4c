"""Every activation of the indexed corpus on disk, for research: by token, by feature, and as Parquet.

::

    shards/
      tokens/ROWS.bounds.npy      what fired on the p-th position of these rows is bounds[p]:bounds[p + 1] of
      tokens/ROWS.features.npy    these features, ascending, with
      tokens/ROWS.values.npy      these activations (compressed sparse rows)
      features/ROWS.bounds.npy    feature i fired at bounds[i]:bounds[i + 1] of
      features/ROWS.positions.npy these flat positions, ascending, with
      features/ROWS.values.npy    these activations (compressed sparse columns)
      firings/ROWS.parquet        the same, a line for each activation: feature, position, row, token, value
      features.parquet            a line for each feature: number, description, density, activations

``ROWS`` is ``FIRST-END``, the rows of tokens that a shard covers. The arrays are raw ``.npy`` that can be mapped into
memory; DuckDB reads ``firings/*.parquet``, pandas the folder ``firings``, and embedding-atlas ``features.parquet``.
"""

import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from monoscope.errors import MonoscopeError
from monoscope.features.firings import Firings
from monoscope.features.grouping import stable_order

LINES = 65_536
"""Lines of ``features.parquet`` that are written at a time."""


class ShardWriter:
    """Writes one shard for each item of the stream.

    Args:
        folder: where.
        n_features: features in the dictionary.
        context: tokens in a row.

    Raises:
        MonoscopeError: pyarrow is not installed.
    """

    def __init__(self, folder: Path, n_features: int, context: int) -> None:
        self._parquet = parquet()
        self.folder, self._n_features, self._context = folder, n_features, context
        for name in ("tokens", "features", "firings"):
            (folder / name).mkdir(parents=True, exist_ok=True)

    def write(self, firings: Firings) -> None:
        """Write the activations of some rows."""
        import pyarrow

        rows = firings.rows
        name = shard_name(rows)
        first = rows.start * self._context
        order = stable_order(firings.positions - first)
        places = np.arange(len(rows) * self._context + 1)
        arrays = {
            "tokens/{}.bounds": np.searchsorted(firings.positions[order] - first, places),
            "tokens/{}.features": firings.features[order],
            "tokens/{}.values": firings.values[order],
            "features/{}.bounds": np.searchsorted(firings.features, np.arange(self._n_features + 1)),
            "features/{}.positions": firings.positions,
            "features/{}.values": firings.values,
        }
        for place, array in arrays.items():
            np.save(self.folder / f"{place.format(name)}.npy", array, allow_pickle=False)
        columns = {
            "feature": firings.features.astype(np.int32),
            "position": firings.positions,
            "row": firings.positions // self._context,
            "token": firings.positions % self._context,
            "value": firings.values,
        }
        self._parquet.write_table(pyarrow.table(columns), self.folder / "firings" / f"{name}.parquet")

    def cut(self, row: int) -> None:
        """Remove the shards from a row on: what a pass wrote after its last state."""
        for path in [
            each for part in ("tokens", "features", "firings") for each in (self.folder / part).iterdir()
        ]:
            if int(path.name.split("-")[0]) >= row:
                path.unlink()


class Shards:
    """Every activation of an indexed corpus, mapped from disk.

    Args:
        folder: ``shards`` of an index.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.names = sorted(
            path.name.removesuffix(".parquet") for path in (self.folder / "firings").iterdir()
        )
        """Rows that each shard covers."""

    def feature(self, feature: int) -> tuple[Int[np.ndarray, " firing"], Float[np.ndarray, " firing"]]:
        """Flat positions (ascending) and activations of a feature, over the whole corpus."""
        found = [self._slice("features", "positions", name, feature) for name in self.names]
        positions, values = (np.concatenate([part[i] for part in found]) for i in range(2))
        return positions, values

    def at(
        self, position: int, context: int
    ) -> tuple[Int[np.ndarray, " firing"], Float[np.ndarray, " firing"]]:
        """Features (ascending) and activations at a flat position; ``context`` is the number of tokens in a row."""
        for name in self.names:
            first, end = (int(row) * context for row in name.split("-"))
            if first <= position < end:
                return self._slice("tokens", "features", name, position - first)
        raise IndexError(f"no shard of {self.folder} has position {position}")

    def _slice(self, part: str, what: str, name: str, number: int) -> tuple[Any, Any]:
        bounds, entries, values = (
            np.load(self.folder / part / f"{name}.{each}.npy", mmap_mode="r")
            for each in ("bounds", what, "values")
        )
        here = slice(int(bounds[number]), int(bounds[number + 1]))
        return np.array(entries[here]), np.array(values[here])


def shard_name(rows: range) -> str:
    """How the files of a shard begin."""
    return f"{rows.start:010d}-{rows.stop:010d}"


def join_shards(source: Path, target: Path) -> None:
    """Copy the shards of another pass, of other rows, to those in ``target``."""
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns("features.parquet"))


def write_feature_table(database: Path, path: Path) -> None:
    """Write a line of Parquet for each feature of an index's database."""
    import pyarrow

    schema = pyarrow.schema(
        {
            "feature": pyarrow.int64(),
            "description": pyarrow.string(),
            "n_active": pyarrow.int64(),
            "density": pyarrow.float64(),
            "max_activation": pyarrow.float64(),
            "mean_activation": pyarrow.float64(),
        }
    )
    with parquet().ParquetWriter(path, schema) as writer:
        for lines in _feature_lines(database):
            columns = zip(*lines, strict=True)
            writer.write_table(pyarrow.table([pyarrow.array(column) for column in columns], schema=schema))


def _feature_lines(database: Path) -> Iterator[list[tuple]]:
    """Number, description and statistics of every feature, some at a time."""
    opened = sqlite3.connect(database)
    try:
        lines = opened.execute("SELECT id, description, n_active, density, largest, mean FROM feature")
        while some := lines.fetchmany(LINES):
            yield some
    finally:
        opened.close()


def parquet() -> Any:
    """The module ``pyarrow.parquet``.

    Raises:
        MonoscopeError: it is not installed.
    """
    try:
        from pyarrow import parquet
    except ImportError as error:
        raise MonoscopeError(
            "shards are written as Parquet too, and the package pyarrow is not installed",
            "pip install 'monoscope[parquet]', or leave shards off",
        ) from error
    return parquet
