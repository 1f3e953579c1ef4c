"""Dictionaries beside a run's own, and what comes of comparing them."""

from dataclasses import replace
from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from monoscope.commands.beside import compared, is_compared
from monoscope.commands.exploring import explored
from monoscope.commands.open_run import OpenRun
from monoscope.commands.progress import Reporter
from monoscope.commands.recipe import BesideOptions, Recipe
from monoscope.commands.run import RunOptions, run
from monoscope.commands.run_folder import RESULT, RunFolder, read_record
from monoscope.dictionaries import AutoencoderOptions, ReLU, TopK
from monoscope.dictionaries.files import load
from monoscope.errors import WrongUse
from monoscope.explore.api import add_exploring


@pytest.fixture(scope="module")
def accompanied(recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A complete run with two narrower dictionaries and one of another seed."""
    place = tmp_path_factory.mktemp("beside")
    beside = BesideOptions(widths=(12, 24), k=(2, 3), seeds=(1,), n_tokens=6400, n_compared=900)
    (place / "recipe.toml").write_text(replace(recipe, beside=beside).to_toml(), encoding="utf-8")
    run(RunOptions(recipe=place / "recipe.toml", out=place / "run"))
    return RunFolder(place / "run")


def test_what_is_beside_is_what_was_asked_for(accompanied: RunFolder, recipe: Recipe) -> None:
    found = {place.name: load(place / "dictionary") for place in accompanied.beside.iterdir()}
    assert {name: (each.n_features, each.options.sparsifier) for name, each in found.items()} == {
        "12-features": (12, TopK(2)),
        "24-features": (24, TopK(3)),
        "seed-1": (48, TopK(4)),
    }
    own = load(accompanied.dictionary)
    assert found["seed-1"].hash != own.hash
    assert {each.model_hash for each in found.values()} == {own.model_hash}
    assert is_compared(OpenRun.at(accompanied.path, Reporter()))
    assert accompanied.manifest().content["status"] == "complete"
    splitting = read_record(accompanied.analyses / "splitting" / RESULT)
    assert (splitting["widths"], splitting["own"]) == ([12, 24, 48], 2)
    others = read_record(accompanied.analyses / "universality" / RESULT)["others"]
    assert [other["name"] for other in others] == ["seed-1"]


def test_the_same_again_makes_nothing_again(accompanied: RunFolder) -> None:
    def written() -> dict[Path, int]:
        return {path: path.stat().st_mtime_ns for path in accompanied.beside.rglob("*.safetensors")}

    before = written()
    run(RunOptions(out=accompanied.path))
    assert written() == before


def test_cards_and_the_tour_tell_it(accompanied: RunFolder) -> None:
    app = FastAPI()
    add_exploring(app, explored(OpenRun.at(accompanied.path, Reporter()), dict))
    forest = read_record(accompanied.analyses / "splitting" / RESULT)["forest"]
    with TestClient(app) as http:
        tour = http.get("/api/tour").json()
        assert tour["splitting"]["widths"] == [12, 24, 48]
        assert tour["universality"]["other"] == "seed-1"
        assert tour["neuron"]["block"] == 1
        assert len(tour["neuron"]["rows"]) >= 1
        shown = read_record(accompanied.showcase / "showcase.json")
        assert tour["feature"] == shown["feature"]
        assert tour["showcase"]["steered"] == shown["pairs"][0]["steered"]
        for feature, parent in enumerate(forest[1]["parent"]):
            told = {each["width"]: each for each in http.get(f"/api/features/{feature}").json()["lineage"]}
            if parent >= 0:
                assert [kin["feature"] for kin in told[24]["features"]] == [parent]
                assert feature in [kin["feature"] for kin in told[48]["features"]]
            else:
                assert told == {}


def test_a_run_without_is_complete_without(complete_run: RunFolder) -> None:
    assert compared(complete_run.recipe()) == {}
    assert not complete_run.beside.exists()
    app = FastAPI()
    add_exploring(app, explored(OpenRun.at(complete_run.path, Reporter()), dict))
    with TestClient(app) as http:
        told = http.get("/api/tour").json()
        assert (told["splitting"], told["universality"]) == (None, None)
        assert http.get("/api/features/0").json()["lineage"] == []


def test_a_k_goes_with_each_width_and_with_what_has_one() -> None:
    with pytest.raises(WrongUse, match="differ in length"):
        BesideOptions(widths=(8, 16), k=(2,))
    relu = AutoencoderOptions(n_features=32, sparsifier=ReLU())
    with pytest.raises(WrongUse, match="no fixed number"):
        compared(Recipe(dictionary=relu, beside=BesideOptions(widths=(8,), k=(2,))))
