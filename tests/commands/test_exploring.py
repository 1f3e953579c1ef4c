"""The answers of ``/api`` about a real run."""

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import replace
from time import monotonic, sleep
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from fastapi import FastAPI
from starlette.testclient import TestClient

from monoscope.commands import drawing
from monoscope.commands.drawing import MapMaker
from monoscope.commands.exploring import explored
from monoscope.commands.features.look import ShowOptions, show
from monoscope.commands.open_run import OpenRun
from monoscope.commands.progress import Reporter
from monoscope.commands.run_folder import RunFolder, read_record
from monoscope.errors import MonoscopeError
from monoscope.explore.api import add_exploring
from monoscope.features import FeatureIndex
from monoscope.features.map import FeatureMap
from monoscope.manifest import read_manifest, write_manifest
from monoscope.serve.refusals import say_in_openai_words


@pytest.fixture
def page(complete_run: RunFolder) -> Iterator[TestClient]:
    app = FastAPI()
    say_in_openai_words(app)
    add_exploring(app, explored(OpenRun.at(complete_run.path, Reporter()), lambda: {"loud": "2*1"}))
    with TestClient(app) as made:
        yield made


@pytest.fixture
def index(complete_run: RunFolder) -> FeatureIndex:
    return FeatureIndex.open(complete_run.features)


def test_a_run_says_what_it_is(page: TestClient, complete_run: RunFolder, index: FeatureIndex) -> None:
    told = page.get("/api/run").json()
    assert told["name"] == complete_run.name
    assert told["status"] == "complete"
    assert f"{told['address']}#3" == index.address(3)
    assert told["dictionary"]["n_features"] == index.n_features
    assert told["dictionary"]["hash"] == index.manifest.parents["dictionary"]
    assert [stage["name"] for stage in told["stages"]] == [
        "harvest",
        "train",
        "index",
        "evaluate",
        "showcase",
    ]
    assert all(stage["done"] for stage in told["stages"])
    assert told["has"] == {"index": True, "labels": False, "evaluation": True, "model": True, "glimpse": True}
    assert told["presets"] == [{"name": "loud", "steering": "2*1"}]
    curve = page.get("/api/training").json()
    assert not curve["running"]
    assert curve["points"][-1]["tokens"] == told["n_tokens"]


def test_the_report_card_is_the_evaluation(page: TestClient, complete_run: RunFolder) -> None:
    report = read_record(complete_run.evaluation / "report.json")
    told = page.get("/api/evaluation").json()
    for row in told["rows"]:
        assert row["value"] == report["metrics"][row["name"]]
        assert row["formula"] == report["formulas"][row["name"]]
        for name, value in row["baselines"].items():
            assert value == report["baselines"][name].get(row["name"])
    assert {row["name"] for row in told["rows"]} >= {"fvu", "l0", "ce_recovered_mean"}
    assert told["recovery"]["share_recovered"] == report["recovery"]["share_recovered"]


def test_a_feature_is_its_record(page: TestClient, complete_run: RunFolder, index: FeatureIndex) -> None:
    alive = index.alive.tolist()
    for place in (0, len(alive) // 2, len(alive) - 1):
        told = page.get(f"/api/features/{alive[place]}").json()
        record = show(ShowOptions(run=complete_run.path, feature=alive[place]))
        assert told | record == told
        assert told["previous"] == (alive[place - 1] if place else None)
        assert told["next"] == (alive[place + 1] if place + 1 < len(alive) else None)
    dead = sorted(set(range(index.n_features)) - set(alive))
    if dead:
        told = page.get(f"/api/features/{dead[0]}").json()
        assert told["previous"] not in dead
        assert told["next"] not in dead
    assert page.get(f"/api/features/{index.n_features}").status_code == 404


@pytest.mark.parametrize("sort", ["", "feature", "-feature", "density", "-max_activation", "-n_active"])
@pytest.mark.parametrize("where", ["", "density<0.05 & alive"])
def test_pieces_put_together_are_the_table(
    page: TestClient, index: FeatureIndex, sort: str, where: str
) -> None:
    asked = {"sort": sort, "where": where}
    whole = page.get("/api/features", params=asked | {"limit": 1000}).json()
    pieces = [
        row
        for offset in range(0, whole["total"], 40)
        for row in page.get("/api/features", params=asked | {"offset": offset, "limit": 40}).json()["rows"]
    ]
    assert pieces == whole["rows"]
    assert len(pieces) == whole["total"]
    if not where:
        assert {row["feature"] for row in pieces} == set(range(index.n_features))
    else:
        assert all(row["density"] < 0.05 and row["n_active"] for row in pieces)
    numbers = [row[sort.removeprefix("-") or "feature"] for row in pieces]
    assert numbers == sorted(numbers, reverse=sort.startswith("-"))


def test_a_search_is_the_index_s(page: TestClient, index: FeatureIndex) -> None:
    asked = {"q": "the little girl", "by": "words"}
    told = page.get("/api/features", params=asked).json()
    found = index.search("the little girl", limit=100)
    assert [(row["feature"], row["score"], row["why"]) for row in told["rows"]] == [
        (each.feature, each.score, each.why) for each in found
    ]
    by_density = page.get("/api/features", params=asked | {"sort": "-density"}).json()["rows"]
    assert [row["density"] for row in by_density] == sorted(
        (row["density"] for row in by_density), reverse=True
    )
    token = index.record(found[0].feature).tokens[0].text
    told = page.get("/api/features", params={"q": token, "by": "fires"}).json()
    assert [row["feature"] for row in told["rows"]] == [
        each.feature for each in index.by_token(token, limit=100)
    ]


def test_a_word_that_is_being_typed_is_completed(page: TestClient, index: FeatureIndex) -> None:
    whole = page.get("/api/features", params={"q": "little"}).json()
    assert whole["searched"] == "little"
    assert whole["total"]
    typed = page.get("/api/features", params={"q": "the Litt"}).json()
    assert typed["searched"].startswith("the litt")
    assert typed["total"]
    for unknown in ("zzzqq", "", "litt ", "🙂", "\x00"):
        assert index.completed(unknown) == unknown
    assert index.completed("LITT").startswith("litt")
    assert index.completed("the") == "the"


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"sort": "beauty"}, "no column"),
        ({"where": "beauty>1"}, "filter"),
        ({"where": "density<"}, "filter"),
        ({"by": "smell"}, "by"),
        ({"limit": -1}, "limit"),
        ({"offset": "x"}, "offset"),
        ({"q": "no such token", "by": "fires"}, "token"),
    ],
)
def test_what_cannot_be_asked_is_said(page: TestClient, asked: dict, said: str) -> None:
    answer = page.get("/api/features", params=asked)
    assert answer.status_code == 400
    assert said in answer.json()["error"]["message"]


def pool_of(submit: Callable[..., Future[None]]) -> Callable[..., SimpleNamespace]:
    """In the place of another process."""
    return lambda *_, **__: SimpleNamespace(submit=submit, shutdown=lambda **_: None)


def test_the_map_is_drawn_once_and_stays(run_copy: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = []

    def here(function, *given):
        begun.append(given)
        future: Future[None] = Future()
        try:
            future.set_result(function(*given))
        except MonoscopeError as error:
            future.set_exception(error)
        return future

    monkeypatch.setattr(
        drawing,
        "ProcessPoolExecutor",
        lambda *_, **__: SimpleNamespace(submit=here, shutdown=lambda **_: None),
    )
    monkeypatch.setitem(sys.modules, "umap", SimpleNamespace(UMAP=FirstTwo))
    alive = FeatureIndex.open(run_copy.features).alive
    maker = MapMaker(run_copy)
    assert maker() is None
    found = maker()
    assert found is not None
    assert found.features.tolist() == alive.tolist()
    assert found.positions.abs().max() == pytest.approx(1)
    again = MapMaker(run_copy)()
    assert again is not None
    assert torch.equal(again.positions, found.positions)
    assert len(begun) == 1
    # That of another dictionary is drawn anew.
    manifest = read_manifest(run_copy.map, "map")
    write_manifest(run_copy.map, replace(manifest, parents={"dictionary": "another"}))
    assert MapMaker(run_copy)() is None
    assert len(begun) == 2


class FirstTwo:
    """In the place of UMAP."""

    def __init__(self, **_: object) -> None: ...

    def fit_transform(self, points):
        return points[:, :2]


def test_a_map_that_fails_says_so_and_is_tried_again(
    run_copy: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[Future[None]] = []

    def never(*_):
        begun.append(Future())
        return begun[-1]

    monkeypatch.setattr(
        drawing,
        "ProcessPoolExecutor",
        lambda *_, **__: SimpleNamespace(submit=never, shutdown=lambda **_: None),
    )
    maker = MapMaker(run_copy)
    assert maker() is None
    assert maker() is None
    assert len(begun) == 1
    begun[0].set_exception(MonoscopeError("a map of features needs the package umap-learn", "install it"))
    with pytest.raises(MonoscopeError, match="umap-learn"):
        maker()
    assert maker() is None
    assert len(begun) == 2


def test_a_map_is_told_as_numbers(page: TestClient, complete_run: RunFolder, index: FeatureIndex) -> None:
    app = FastAPI()
    known = FeatureMap(torch.tensor([3, 5]), torch.tensor([[0.5, -1.0], [-0.25, 1.0]]))
    given = explored(OpenRun.at(complete_run.path, Reporter()), dict)
    add_exploring(app, replace(given, map=lambda: known))
    with TestClient(app) as made:
        told = made.get("/api/map")
    assert told.headers["content-type"] == "application/octet-stream"
    assert np.frombuffer(told.content[:8], "<i4").tolist() == [3, 5]
    assert np.frombuffer(told.content[8:24], "<f4").tolist() == [0.5, -0.25, -1.0, 1.0]
    density = index.statistics()["density"][[3, 5]].astype("<f4")
    assert np.frombuffer(told.content[24:], "<f4").tolist() == density.tolist()


@pytest.mark.slow
def test_a_process_of_its_own_draws_with_umap(run_copy: RunFolder) -> None:
    maker = MapMaker(run_copy)
    end = monotonic() + 200
    while (found := maker()) is None and monotonic() < end:
        sleep(0.2)
    assert found is not None
    assert found.positions.isfinite().all()
