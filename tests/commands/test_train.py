import json
import subprocess
import sys
from pathlib import Path

import pytest

from monoscope.commands.recipe import Recipe
from monoscope.commands.run_folder import RunFolder
from monoscope.dictionaries.files import load
from monoscope.manifest import is_complete

from .conftest import Line

SMALL = ("--n-features", 40, "--k", 3, "--tokens", 2000, "--training.batch", 250)


@pytest.fixture(scope="module")
def store(recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from monoscope.commands.harvest import HarvestCommand, harvest_to

    out = tmp_path_factory.mktemp("acts") / "acts"
    sites = ("blocks.0.resid_post", "blocks.1.resid_post")
    harvest_to(HarvestCommand(model=recipe.model, corpus=recipe.corpus, site=sites, out=out, tokens=1500))
    return out


def test_from_activations_then_indexed_evaluated_and_searched(
    line: Line, store: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    words = (
        "train",
        "--activations",
        store,
        "--site",
        "blocks.1.resid_post",
        *SMALL,
        "--seed",
        5,
        "--out",
        out,
    )
    result = line.json(*words)
    assert result["n_features"] == 40
    assert result["tokens"] == 2000
    assert result["l0"] <= 3
    dictionary = load(out / "dictionary")
    assert dictionary.hash == result["hash"]
    assert dictionary.site == "blocks.1.resid_post"
    folder = RunFolder(out)
    assert folder.recipe().training.seed == 5
    assert not folder.activations.exists()
    assert line.json(*words)["hash"] == result["hash"]

    indexed = line.json("index", out)
    assert indexed["n_features"] == 40
    assert indexed["n_tokens"] == 1500
    assert line.json("features", "search", out, "bridge")["query"] == "bridge"


def test_two_processes_learn_what_one_learns(line: Line, store: Path, tmp_path: Path) -> None:
    words = ("--activations", store, "--site", "blocks.1.resid_post", *SMALL)
    launcher = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", 2)
    done = subprocess.run(
        [
            str(word)
            for word in (*launcher, "-m", "monoscope", "train", *words, "--out", tmp_path / "two", "--json")
        ],
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") == 1
    two, one = json.loads(done.stdout), line.json("train", *words, "--out", tmp_path / "one")
    assert load(tmp_path / "two" / "dictionary").hash == two["hash"]
    assert two.keys() == one.keys()
    assert two["fvu"] == pytest.approx(one["fvu"], rel=0.02)
    # The same run: one process finds nothing left to do.
    assert line.json("train", *words, "--out", tmp_path / "two")["hash"] == two["hash"]


def test_from_a_model_and_a_corpus(line: Line, recipe: Recipe, tmp_path: Path) -> None:
    out = tmp_path / "run"
    result = line.json(
        "train", "--model", recipe.model, "--corpus", recipe.corpus, "--site", "blocks.0.mlp_out",
        "--sparsifier", "relu", "--l1", 3, "--n-features", 40, "--tokens", 1500, "--out", out,
    )  # fmt: skip
    assert result["site"] == "blocks.0.mlp_out"
    assert RunFolder(out).recipe().dictionary.to_record() == {
        "n_features": 40,
        "sparsifier": {"name": "relu"},
    }
    assert is_complete(RunFolder(out).activations / "training")
    sentence, hint = line.refused(2, "features", "search", out, "bridge")
    assert "holds no complete features" in sentence
    assert hint


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "holds several sites, and none is named"),
        (("--site", "blocks.2.resid_post"), "holds no activations of blocks.2.resid_post"),
        (("--site", "blocks.0.resid_post", "--sparsifier", "topp"), "'topp' is no sparsifier"),
        (("--site", "blocks.0.resid_post", "--sparsifier", "relu", "--k", 3), "relu has no option 'k'"),
        (("--site", "blocks.0.resid_post", "--k", 99), "k = 99 is more than n_features = 40"),
        (("--site", "blocks.0.resid_post", "--tokens", 0), "--tokens 0 trains nothing"),
        (("--site", "blocks.0.resid_post", "--seed", -1), "--seed -1 is negative"),
        (("--site", "blocks.0.resid_post", "--feature-ranks", 2), "1 process cannot be put into groups of 2"),
    ],
)
def test_what_cannot_be_learnt(line: Line, store: Path, tmp_path: Path, words: tuple, said: str) -> None:
    out = tmp_path / "run"
    sentence, _ = line.refused(2, "train", "--activations", store, "--n-features", 40, *words, "--out", out)
    assert said in sentence
    assert not out.exists()


def test_activations_of_another_corpus_than_named(line: Line, store: Path, tmp_path: Path) -> None:
    words = ("--site", "blocks.0.resid_post", "--corpus", "builtin", "--out", tmp_path / "run")
    sentence, _ = line.refused(1, "train", "--activations", store, *words)
    assert "was harvested from the corpus" in sentence


def test_no_activations(line: Line, tmp_path: Path) -> None:
    sentence, _ = line.refused(2, "train", "--activations", tmp_path / "none", "--out", tmp_path / "run")
    assert "holds no complete activations" in sentence
