"""The laws of a pass that is cut: parts merged, killed and resumed, added later — each equals one pass."""

import sqlite3
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from features.planted_world import OPTIONS, SITE, VOCABULARY, Unembedding, World, write_store
from monoscope.activations import ActivationStore, TokenRows
from monoscope.errors import BrokenInput, MismatchedArtefact, MissingInput, WrongUse
from monoscope.features import (
    FeatureIndex,
    add_to_index,
    build_index,
    build_part,
    collect,
    merge_parts,
    parts,
    share_of_rows,
)
from monoscope.features.firings import stream_firings
from monoscope.features.one_pass import joined

SMALL = replace(OPTIONS, sampled_tokens=160, samples=10)
"""Few enough that every shortlist and sample leaves something out."""


@pytest.fixture
def small_items(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream of many items, so that there are places to cut it."""
    monkeypatch.setattr(
        collect, "stream_firings", lambda *args, **options: stream_firings(*args, **options, entries=200)
    )


def _tables(index: FeatureIndex) -> dict[str, list[tuple]]:
    database = sqlite3.connect(index.folder / "index.sqlite")
    names = ("feature", "token", "word", "array", "described_data")
    tables = {name: database.execute(f"SELECT * FROM {name}").fetchall() for name in names}
    database.close()
    return tables | {"corpus": (index.folder / "tokens.bin").read_bytes()}


def _built(world: World, out: Path, store: ActivationStore | None = None, **options) -> FeatureIndex:
    made = {"vocabulary": VOCABULARY, "logit_weights": None, "address": "a", "options": SMALL} | options
    return build_index(world.dictionary, store or world.store, out=out, **made)


@pytest.fixture(scope="module")
def whole(world: World, unembedding: Unembedding, tmp_path_factory: pytest.TempPathFactory) -> FeatureIndex:
    return _built(world, tmp_path_factory.mktemp("whole") / "features", logit_weights=unembedding.weights)


@pytest.mark.parametrize("ranks", [1, 2, 3, 7])
def test_parts_merged_are_the_whole(
    world: World, unembedding: Unembedding, whole: FeatureIndex, tmp_path: Path, ranks: int
) -> None:
    n_rows = len(world.store.rows.tokens)
    made = [
        build_part(
            world.dictionary,
            world.store,
            rows=share_of_rows(n_rows, rank, ranks),
            vocabulary=VOCABULARY,
            out=tmp_path / f"part{rank}",
            options=SMALL,
        )
        for rank in range(ranks)
    ]
    merged = merge_parts(
        made[::-1],
        world.dictionary,
        world.store,
        vocabulary=VOCABULARY,
        logit_weights=unembedding.weights,
        address="a",
        out=tmp_path / "features",
        options=SMALL,
    )
    assert _tables(merged) == _tables(whole)
    assert merged.manifest == whole.manifest


@pytest.mark.usefixtures("small_items")
@pytest.mark.parametrize("stop", ["interrupted", "killed"])
def test_a_pass_that_was_stopped_goes_on(
    world: World,
    unembedding: Unembedding,
    whole: FeatureIndex,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    stop: str,
) -> None:
    encoded: list[int] = []
    is_cut = False

    def progress(done: int, total: int) -> None:
        encoded.append(done)
        if is_cut and done > 0.6 * total:
            raise KeyboardInterrupt if stop == "interrupted" else MemoryError

    monkeypatch.setattr(parts, "SECONDS", 0.0)
    monkeypatch.setattr(parts, "SHARE", 1e9)
    monkeypatch.setattr(
        collect,
        "stream_firings",
        lambda *args, **options: stream_firings(*args, **options, batch=50, entries=200),
    )
    options = {"logit_weights": unembedding.weights, "progress": progress}
    is_cut = True
    with pytest.raises((KeyboardInterrupt, MemoryError)):
        _built(world, tmp_path / "features", **options)
    assert [path.name for path in tmp_path.iterdir()] == [".features.pass"]
    is_cut = False
    encoded.clear()
    resumed = _built(world, tmp_path / "features", **options)
    assert 0.3 * world.store.n_tokens < encoded[0]
    assert _tables(resumed) == _tables(whole)
    assert [path.name for path in tmp_path.iterdir()] == ["features"]


@pytest.mark.usefixtures("small_items")
def test_the_state_of_another_pass_is_not_gone_on_with(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "SECONDS", 0.0)

    def interrupt(done: int, total: int) -> None:
        if done == total:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _built(world, tmp_path / "features", progress=interrupt)
    assert (tmp_path / ".features.pass").is_dir()
    other = replace(SMALL, top=3)
    found = _built(world, tmp_path / "features", options=other)
    assert _tables(found) == _tables(_built(world, tmp_path / "afresh", options=other))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["afresh", "features"]


def _halves(world: World, folder: Path, cut: int) -> tuple[ActivationStore, ActivationStore]:
    """The store's rows up to ``cut`` and from there on, as two harvests of different documents make them."""
    rows, usable = world.store.rows, world.store.rows.usable
    x = torch.cat([x for _, x in world.store.sequential(SITE)])
    before = int(usable[:cut].sum())
    stores = []
    for name, part, some in (("a", slice(None, cut), x[:before]), ("b", slice(cut, None), x[before:])):
        documents = rows.document_ids[part].copy()
        documents[documents >= 0] -= documents[documents >= 0].min()
        half = TokenRows(rows.tokens[part], documents, rows.special, (), {})
        stores.append(write_store(folder / name, half, some))
        stores[-1].hash = name
    return stores[0], stores[1]


def test_text_added_later_is_as_if_there_from_the_beginning(
    world: World, unembedding: Unembedding, tmp_path: Path
) -> None:
    first, second = _halves(world, tmp_path, 30)
    x = torch.cat([x for store in (first, second) for _, x in store.sequential(SITE)])
    both = write_store(tmp_path / "both", joined(first.rows, second.rows), x)
    options = {"vocabulary": VOCABULARY, "logit_weights": unembedding.weights}
    grown = _built(world, tmp_path / "features", first, logit_weights=unembedding.weights)
    less = grown.manifest.content["n_tokens"]
    grown = add_to_index(tmp_path / "features", world.dictionary, second, **options)
    whole = _built(world, tmp_path / "whole", both, logit_weights=unembedding.weights)
    assert less < grown.manifest.content["n_tokens"] == world.store.n_tokens
    assert _tables(grown) == _tables(whole)
    assert grown.manifest.options == whole.manifest.options
    assert grown.manifest.content["activations"] == ["a", "b"]
    with pytest.raises(WrongUse, match="already"):
        add_to_index(tmp_path / "features", world.dictionary, second, **options)


def test_an_addition_that_was_stopped_leaves_the_index_and_goes_on(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "SECONDS", 0.0)
    monkeypatch.setattr(
        collect,
        "stream_firings",
        lambda *args, **options: stream_firings(*args, **options, batch=50, entries=200),
    )
    first, second = _halves(world, tmp_path, 30)
    options = {"vocabulary": VOCABULARY, "logit_weights": None}
    before = _tables(_built(world, tmp_path / "features", first))

    def interrupt(done: int, total: int) -> None:
        if done == total:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        add_to_index(tmp_path / "features", world.dictionary, second, progress=interrupt, **options)
    assert _tables(FeatureIndex.open(tmp_path / "features")) == before
    seen: list[int] = []
    grown = add_to_index(
        tmp_path / "features", world.dictionary, second, progress=lambda done, _: seen.append(done), **options
    )
    assert seen[0] > 50
    _built(world, tmp_path / "afresh", first)
    assert _tables(grown) == _tables(add_to_index(tmp_path / "afresh", world.dictionary, second, **options))


def test_an_index_without_its_state_takes_no_text(world: World, tmp_path: Path) -> None:
    first, second = _halves(world, tmp_path, 30)
    made = _built(world, tmp_path / "features", first, options=replace(SMALL, keep_state=False))
    assert sorted(path.name for path in made.folder.iterdir()) == [
        "index.sqlite",
        "manifest.json",
        "tokens.bin",
    ]
    with pytest.raises(MissingInput, match="without its state"):
        add_to_index(made.folder, world.dictionary, second, vocabulary=VOCABULARY, logit_weights=None)


def test_parts_that_do_not_cover_the_rows_are_refused(world: World, tmp_path: Path) -> None:
    n_rows = len(world.store.rows.tokens)

    def part(rows: range, name: str, **options) -> Path:
        made = {"vocabulary": VOCABULARY, "options": SMALL} | options
        return build_part(world.dictionary, world.store, rows=rows, out=tmp_path / name, **made)

    def merged(*folders: Path) -> FeatureIndex:
        return merge_parts(
            folders,
            world.dictionary,
            world.store,
            vocabulary=VOCABULARY,
            logit_weights=None,
            address="a",
            out=tmp_path / "features",
            options=SMALL,
        )

    first, last = part(range(20), "first"), part(range(20, n_rows), "last")
    with pytest.raises(BrokenInput, match=f"20 of {n_rows} rows"):
        merged(first)
    with pytest.raises(BrokenInput, match="rows 0 to 20"):
        merged(last)
    with pytest.raises(BrokenInput, match="two parts"):
        merged(first, part(range(10, n_rows), "overlapping"))
    with pytest.raises(MismatchedArtefact, match="top = 9"):
        merged(first, part(range(20, n_rows), "other", options=replace(SMALL, top=9)))
    (first / "top.npy").write_bytes(b"nothing")
    with pytest.raises(BrokenInput, match="cannot be read"):
        merged(first, last)


def test_a_part_that_is_complete_is_not_made_again(world: World, tmp_path: Path) -> None:
    def made(rows: range) -> list[int]:
        seen: list[int] = []
        build_part(
            world.dictionary,
            world.store,
            rows=rows,
            vocabulary=VOCABULARY,
            out=tmp_path / "part",
            options=SMALL,
            progress=lambda done, _: seen.append(done),
        )
        return seen

    assert made(range(10)) != []
    assert made(range(10)) == []
    assert made(range(12)) != []


def test_shares_cover_all_rows_once() -> None:
    for n_rows, ranks in ((10, 3), (2, 4), (7, 7)):
        covered = [row for rank in range(ranks) for row in share_of_rows(n_rows, rank, ranks)]
        assert covered == list(range(n_rows))


def test_tables_differ_when_the_text_does(world: World, whole: FeatureIndex, tmp_path: Path) -> None:
    """The comparison of tables can fail."""
    first, _ = _halves(world, tmp_path, 30)
    assert _tables(_built(world, tmp_path / "features", first))["feature"] != _tables(whole)["feature"]
    assert np.unique([len(_tables(whole)["feature"])]).tolist() == [world.dictionary.n_features]
