"""Every activation on disk, read back and compared with encoding."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from features.planted_world import CONTEXT, N_FEATURES, OPTIONS, VOCABULARY, World
from monoscope.errors import MonoscopeError
from monoscope.features import FeatureIndex, build_index, build_part, collect, merge_parts, share_of_rows
from monoscope.features.firings import stream_firings
from monoscope.features.shards import Shards

SHARDS = replace(OPTIONS, shards=True)


def _built(world: World, out: Path) -> FeatureIndex:
    return build_index(
        world.dictionary,
        world.store,
        vocabulary=VOCABULARY,
        logit_weights=None,
        address="a",
        out=out,
        options=SHARDS,
    )


@pytest.fixture
def sharded(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FeatureIndex:
    pytest.importorskip("pyarrow")
    monkeypatch.setattr(
        collect,
        "stream_firings",
        lambda *args, **options: stream_firings(*args, **options, batch=50, entries=200),
    )
    return _built(world, tmp_path / "features")


def _check(world: World, folder: Path) -> Shards:
    shards = Shards(folder)
    for feature in range(N_FEATURES):
        positions, values = shards.feature(feature)
        assert positions.tolist() == np.flatnonzero(world.codes[:, feature]).tolist()
        assert values == pytest.approx(world.codes[positions, feature], abs=1e-6)
    for position in range(len(world.codes)):
        features, values = shards.at(position, CONTEXT)
        assert features.tolist() == np.flatnonzero(world.codes[position]).tolist()
        assert values == pytest.approx(world.codes[position, features], abs=1e-6)
    return shards


def test_shards_hold_every_activation(world: World, sharded: FeatureIndex, tmp_path: Path) -> None:
    shards = _check(world, sharded.folder / "shards")
    assert len(shards.names) > 5
    assert [path.name for path in tmp_path.iterdir()] == ["features"]
    with pytest.raises(IndexError, match=str(len(world.codes))):
        shards.at(len(world.codes), CONTEXT)


def test_parquet_says_the_same(world: World, sharded: FeatureIndex) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    lines = parquet.read_table(sharded.folder / "shards" / "firings").to_pydict()
    dense = np.zeros_like(world.codes)
    dense[lines["position"], lines["feature"]] = lines["value"]
    assert dense == pytest.approx(world.codes, abs=1e-6)
    assert np.array_equal(np.array(lines["row"]) * CONTEXT + lines["token"], lines["position"])
    features = parquet.read_table(sharded.folder / "shards" / "features.parquet").to_pylist()
    assert [line["feature"] for line in features] == list(range(N_FEATURES))
    for line in features:
        record = sharded.record(line["feature"])
        assert {name: getattr(record, name) for name in line} == line


def test_duckdb_and_pandas_read_them(world: World, sharded: FeatureIndex) -> None:
    duckdb, pandas = pytest.importorskip("duckdb"), pytest.importorskip("pandas")
    folder = sharded.folder / "shards"
    found = duckdb.sql(
        f"SELECT feature, count(*), max(value) FROM '{folder}/firings/*.parquet' GROUP BY feature ORDER BY feature"
    ).fetchall()
    for feature, count, largest in found:
        assert count == np.count_nonzero(world.codes[:, feature])
        assert largest == pytest.approx(world.codes[:, feature].max())
    assert len(pandas.read_parquet(folder / "firings")) == np.count_nonzero(world.codes)
    assert len(pandas.read_parquet(folder / "features.parquet")) == N_FEATURES


def test_shards_of_parts_are_joined(world: World, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    parts = [
        build_part(
            world.dictionary,
            world.store,
            rows=share_of_rows(len(world.store.rows.tokens), rank, 3),
            vocabulary=VOCABULARY,
            out=tmp_path / f"part{rank}",
            options=SHARDS,
        )
        for rank in range(3)
    ]
    merged = merge_parts(
        parts,
        world.dictionary,
        world.store,
        vocabulary=VOCABULARY,
        logit_weights=None,
        address="a",
        out=tmp_path / "features",
        options=SHARDS,
    )
    assert len(_check(world, merged.folder / "shards").names) == 3


def test_without_pyarrow_it_is_said_what_to_install(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MonoscopeError, match="pyarrow is not installed"):
        _built(world, tmp_path / "features")
    assert not list(tmp_path.iterdir())
