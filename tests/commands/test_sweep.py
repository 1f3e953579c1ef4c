"""Many dictionaries by one command: each the run that ``monoscope train`` makes."""

from pathlib import Path

import pytest

from monoscope.commands.harvest import HarvestCommand, harvest_to
from monoscope.commands.recipe import Recipe
from monoscope.commands.run_folder import RunFolder
from monoscope.commands.sweep import SweepCommand, combinations, sweep
from monoscope.errors import WrongUse

from .conftest import Interrupter, Line

SMALL = ("--n-features", 40, "--tokens", 2000, "--training.batch", 250, "--over", "k=2,3")


@pytest.fixture(scope="module")
def store(recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("acts") / "acts"
    site = ("blocks.1.resid_post",)
    harvest_to(HarvestCommand(model=recipe.model, corpus=recipe.corpus, site=site, out=out, tokens=1500))
    return out


def test_each_run_is_the_one_that_train_makes(line: Line, store: Path, tmp_path: Path) -> None:
    words = ("sweep", "--activations", store, *SMALL, "--over", "seed=4,5", "--out", tmp_path / "many")
    told = line.json(*words)
    assert [run["settings"] for run in told["runs"]] == [
        {"k": k, "seed": seed} for k in (2, 3) for seed in (4, 5)
    ]
    assert [Path(run["run"]).name for run in told["runs"]][:2] == ["k-2_seed-4", "k-2_seed-5"]
    assert len({run["hash"] for run in told["runs"]}) == 4
    alone = line.json(
        "train", "--activations", store, *SMALL[:-2], "--k", 3, "--seed", 5, "--training.order-seed", 0,
        "--out", tmp_path / "one",
    )  # fmt: skip
    assert alone["hash"] == told["runs"][3]["hash"]
    assert alone["fvu"] == told["runs"][3]["fvu"]
    assert line.json(*words)["runs"] == told["runs"]
    assert line(*words) == 0
    assert "k-3_seed-5" in line.err
    # Each is a run that other commands take.
    assert line.json("index", told["runs"][0]["run"])["n_features"] == 40


def test_it_harvests_and_later_adds_to_what_there_is(line: Line, recipe: Recipe, tmp_path: Path) -> None:
    words = ("sweep", "--model", recipe.model, "--corpus", recipe.corpus, "--site", "blocks.1.resid_post",
             "--n-features", 40, "--tokens", 1500, "--out", tmp_path / "many")  # fmt: skip
    first = line.json(*words, "--over", "training.learning-rate=1e-3,3e-3", "--training.batch", 250)
    rates = [RunFolder(run["run"]).recipe().training.learning_rate for run in first["runs"]]
    assert rates == [1e-3, 3e-3]
    more = line.json(*words, "--over", "training.learning-rate=3e-3,1e-2", "--training.batch", 250)
    assert more["runs"][0] == first["runs"][1]
    assert len(list((tmp_path / "many").glob("*/run.toml"))) == 3


def test_interrupted_it_goes_on_to_the_same(store: Path, tmp_path: Path) -> None:
    from monoscope.commands.dials import Dials
    from monoscope.train import TrainOptions

    def asked(out: str) -> SweepCommand:
        dials = Dials(n_features=40, tokens=2000)
        training = TrainOptions(batch=250)
        return SweepCommand(
            over=("k=2,3",), out=tmp_path / out, activations=store, dials=dials, training=training
        )

    with pytest.raises(KeyboardInterrupt):
        sweep(asked("stopped"), reporter=Interrupter())
    assert not (tmp_path / "stopped" / "k-2" / "dictionary").exists()
    hashes = [[run["hash"] for run in sweep(asked(out))["runs"]] for out in ("stopped", "whole")]
    assert hashes[0] == hashes[1]


@pytest.mark.parametrize(
    ("over", "said"),
    [
        (("colour=red",), "--over colour=red names no setting"),
        (("model=builtin",), "names no setting that dictionaries can differ in"),
        (("k=",), "--over k= has no values"),
        (("k=1", "k=2"), "--over k=2 is given twice"),
        ((), "a sweep over nothing"),
    ],
)
def test_settings_that_make_no_sweep(over: tuple[str, ...], said: str) -> None:
    with pytest.raises(WrongUse, match=said):
        combinations(over)


def test_values_and_names_are_read() -> None:
    assert combinations(["n-features=8, 16", "sparsifier=topk"]) == [
        {"n_features": 8, "sparsifier": "topk"},
        {"n_features": 16, "sparsifier": "topk"},
    ]
    assert combinations(["training.unit-norm=true,false"])[1] == {"training.unit_norm": False}


def test_what_is_wrong_is_said_before_anything_is_harvested(line: Line, tmp_path: Path) -> None:
    for over, named in (("k=2,many", "many"), ("training.colour=1", "colour"), ("k=2,0", "0")):
        sentence, _ = line.refused(2, "sweep", "--over", over, "--out", tmp_path / "many")
        assert named in sentence
    assert not (tmp_path / "many").exists()
    sentence, _ = line.refused(
        2, "sweep", "--over", "training.batch=8,16", "--tokens", 100, "--out", tmp_path / "many"
    )
    assert "batch sizes 8, 16" in sentence
