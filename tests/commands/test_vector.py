"""Vectors from the command line: learnt, looked at, written along, exported and taken up again."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from monoscope.commands.progress import Advance, Reporter
from monoscope.commands.run_folder import RunFolder
from monoscope.commands.vector import TrainOptions, train, train_text
from monoscope.commands.vector.place import blocks_of
from monoscope.dictionaries.files import load as load_dictionary
from monoscope.errors import UnknownName, WrongUse
from monoscope.intervene import Add, Rule, steer
from monoscope.models import load_model
from monoscope.vectors import (
    ControlVector,
    export_gguf,
    in_features,
    learn_vector,
    load,
    read_pairs,
    reading,
    save,
)

from .conftest import Line

TEXT = "the happy dog"
SUFFIXES = """the dog ran to the park with a red ball
a king had three sons and could not laugh
old towers of the bridge and fog and water
"""


@pytest.fixture(scope="session")
def pairs_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pairs") / "pairs.jsonl"
    rows = [
        {"positive": f"the happy {word} of the {place}", "negative": f"the sad {word} of the {place}"}
        for word in ("dog", "king", "girl", "son")
        for place in ("park", "land", "water")
    ]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def model(tiny_model_folder: Callable[[str], Path]) -> str:
    return str(tiny_model_folder("llama").resolve())


@pytest.fixture(scope="session")
def learnt(
    model: str, pairs_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, Any], Path]:
    """What training said, and the vector's folder; not to be changed."""
    out = tmp_path_factory.mktemp("vectors") / "happy"
    return train(TrainOptions(model=model, pairs=pairs_file, out=out, dtype="float32")), out


@pytest.fixture
def folder(learnt: tuple[dict[str, Any], Path], tmp_path: Path) -> Path:
    """A copy of the vector, to spoil."""
    save(load(learnt[1]), tmp_path / "happy")
    return tmp_path / "happy"


# train


def test_training_writes_what_the_library_learns(
    learnt: tuple[dict[str, Any], Path], model: str, pairs_file: Path
) -> None:
    told, out = learnt
    vector = learn_vector(load_model(model, dtype="float32"), read_pairs(pairs_file))
    assert load(out) == vector
    assert load(out).accuracy == vector.accuracy
    assert (told["hash"], told["best_block"], told["n_pairs"]) == (vector.hash, vector.best_block, 12)
    assert [each["block"] for each in told["blocks"]] == list(vector.blocks)
    assert [each["accuracy"] for each in told["blocks"]] == [
        vector.accuracy[block].accuracy for block in vector.blocks
    ]
    assert Path(told["figure"]).read_text(encoding="utf-8").count("<svg") == 1
    assert json.loads(json.dumps(told, allow_nan=False)) == told
    text = train_text(told)
    assert "12 pairs" in text
    assert text.count("<- best") == 1


def test_personas_under_a_run_have_a_name(line: Line, run_copy: RunFolder, tmp_path: Path) -> None:
    (tmp_path / "suffixes.txt").write_text(SUFFIXES)
    words: tuple[object, ...] = (
        "vector", "train", run_copy.path, "--name", "happy", "--positive", "happy", "--negative", "sad",
        "--suffixes", tmp_path / "suffixes.txt", "--blocks", "1", "--method", "pca", "--beginnings",
    )  # fmt: skip
    told = line.json(*words)
    assert told["vector"] == str(run_copy.vectors / "happy")
    assert [each["block"] for each in told["blocks"]] == [1]
    assert told["n_pairs"] > 3
    assert load(run_copy.vectors / "happy").hash == told["hash"]
    sentence, hint = line.refused(2, *words)
    assert "there already" in sentence
    assert "--overwrite" in hint
    assert line.json(*words, "--overwrite", "--held-out", "0")["figure"] is None
    assert not (run_copy.vectors / "happy" / "figure.svg").exists()


class Stopper(Reporter):
    """Presses Ctrl-C when some texts are read."""

    @contextmanager
    def stage(self, name: str, unit: str = "tokens") -> Iterator[Advance]:
        def advance(done: int, total: int) -> None:
            raise KeyboardInterrupt

        yield advance


def test_an_interrupted_training_leaves_what_was_there(
    model: str, pairs_file: Path, folder: Path, tmp_path: Path
) -> None:
    options = TrainOptions(model=model, pairs=pairs_file, out=tmp_path / "new", seed=1)
    before = load(folder).hash
    for asked in (options, replace(options, out=folder, overwrite=True)):
        with pytest.raises(KeyboardInterrupt):
            train(asked, reporter=Stopper())
    assert list(tmp_path.iterdir()) == [folder]
    assert load(folder).hash == before


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"pairs": None}, "no pairs to learn from"),
        ({"positive": ("a",), "negative": ("b",)}, "pairs and personas were both given"),
        ({"template": "{persona}"}, "neither template nor suffixes"),
        ({"out": None}, "no place for the vector"),
        ({"model": ""}, "no model was named"),
        ({"name": "x"}, "a name and a folder"),
        ({"seed": -1}, "--seed -1 is negative"),
        ({"blocks": ("7-3",)}, "'7-3' names no blocks"),
        ({"blocks": ("70",)}, "has no block 70"),
        ({"pairs": None, "positive": ("a", "b"), "negative": ("c",)}, "do not pair up"),
    ],
)
def test_trainings_that_cannot_be(
    model: str, pairs_file: Path, tmp_path: Path, given: dict[str, Any], said: str
) -> None:
    options = TrainOptions(model=model, pairs=pairs_file, out=tmp_path / "v")
    with pytest.raises(WrongUse, match=said):
        train(replace(options, **given))
    assert not list(tmp_path.iterdir())


def test_an_unknown_method_is_said_with_the_nearest(pairs_file: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownName) as refused:
        train(TrainOptions(model="nowhere", pairs=pairs_file, out=tmp_path / "v", method="mean"))
    assert "mean_difference" in refused.value.hint


@pytest.mark.parametrize(("told", "blocks"), [((), None), (("4-6", "2"), [2, 4, 5, 6]), (("3,1,3",), [1, 3])])
def test_blocks_as_they_are_told(told: tuple[str, ...], blocks: list[int] | None) -> None:
    assert blocks_of(told) == blocks


# show


def test_a_vector_is_described(line: Line, complete_run: RunFolder, folder: Path) -> None:
    vector = load(folder)
    told = line.json("vector", "show", folder, "--run", complete_run.path, "--text", TEXT, "--limit", 3)
    found = in_features(vector, load_dictionary(complete_run.dictionary), n=3)
    assert [part["feature"] for part in told["features"]["parts"]] == [part.feature for part in found.parts]
    assert told["features"]["explained"] == pytest.approx(found.parts[-1].explained)
    assert all(part["description"] for part in told["features"]["parts"])
    best = vector.best_block
    scores = reading(load_model(complete_run.recipe().model), vector.at([best]), TEXT)
    assert (told["reading"]["block"], told["reading"]["tokens"]) == (best, scores.tokens)
    assert told["reading"]["scores"] == pytest.approx(scores.scores[0].tolist(), abs=1e-5)
    assert line("vector", "show", folder, "--run", complete_run.path, "--text", TEXT) == 0
    for said in ("mean residual norm", "<- best", "random direction", f"behind block {best}"):
        assert said in line.err


def test_what_cannot_be_taken_apart_is_said(line: Line, complete_run: RunFolder, folder: Path) -> None:
    save(load(folder).at([0]), folder)
    told = line.json("vector", "show", folder, "--run", complete_run.path)
    assert told["features"] is None
    assert "dictionary is of block 1" in told["notes"][0]


def test_vectors_that_are_not_there(line: Line, run_copy: RunFolder, folder: Path) -> None:
    save(load(folder), run_copy.vectors / "happy")
    _, hint = line.refused(2, "vector", "show", "hapy", "--run", run_copy.path)
    assert "happy" in hint
    assert line.json("vector", "show", "happy", "--run", run_copy.path)["name"] == "happy"
    assert "no vector" in line.refused(2, "vector", "show", "hapy")[0]
    assert "no control vector" in line.refused(1, "vector", "show", run_copy.recipe_file)[0]
    assert "not a vector" in line.refused(1, "vector", "show", run_copy.dictionary)[0]
    assert "no model was named" in line.refused(2, "vector", "show", folder, "--text", TEXT)[0]


# apply


def test_applying_is_steering(line: Line, complete_run: RunFolder, folder: Path) -> None:
    vector = load(folder)
    words = ("vector", "apply", folder, "--run", complete_run.path, "--prompt", TEXT, "--tokens", 12)
    told = line.json(*words, "--strength", 4, "--blocks", 1, "--scope", "generated", "--seed", 3)
    lm = load_model(complete_run.recipe().model)
    assert told["default"] == lm.generate(TEXT, n_tokens=12, seed=3)
    again = line.json(*words, "--strength", 4, "--seed", 3)
    with steer(lm, None, [Rule(edit=Add(4), vector=vector)]):
        assert again["steered"] == lm.generate(TEXT, n_tokens=12, seed=3) != again["default"]
    assert told["edits"] == [
        {
            "vector": "happy", "edit": "add", "strength": 4.0, "unit": vector.unit, "blocks": [1],
            "scope": "generated",
        }
    ]  # fmt: skip
    same = line.json(*words, "--strength", 0)
    assert same["steered"] == same["default"]


def test_the_recommended_strength_is_taken(line: Line, model: str, folder: Path) -> None:
    words = ("vector", "apply", folder, "--model", model, "--prompt", TEXT, "--tokens", 3)
    sentence, hint = line.refused(2, *words)
    assert "no strength is known" in sentence
    assert "--strength" in hint
    save(replace(load(folder), recommended=0.25), folder)
    assert line.json(*words)["edits"][0]["strength"] == 0.25
    assert "for all blocks" in line.refused(2, *words, "--blocks", 1)[0]
    assert line(*words) == 0
    assert "steered (+0.25 x happy" in line.err


def test_what_cannot_be_applied(line: Line, model: str, folder: Path) -> None:
    words = ("vector", "apply", folder, "--prompt", TEXT, "--strength")
    assert "nan is no strength" in line.refused(2, *words, "nan", "--model", model)[0]
    assert "block 9" in line.refused(2, *words, 1, "--model", model, "--blocks", "9")[0]
    assert "no model was named" in line.refused(2, *words, 1)[0]
    assert "both given" in line.refused(2, *words, 1, "--model", model, "--run", folder)[0]
    save(replace(load(folder), model_hash="feed"), folder)
    sentence, _ = line.refused(1, *words, 1, "--model", model)
    assert "feed" in sentence
    assert load_model(model).hash in sentence


# export and import


@pytest.mark.parametrize("kind", ["gguf", "npz"])
def test_what_is_imported_is_what_was_exported(line: Line, folder: Path, tmp_path: Path, kind: str) -> None:
    file = tmp_path / f"v.{kind}"
    out = line.json("vector", "export", folder, file)
    assert line.json("vector", "import", file, "--out", tmp_path / "again")["notes"] == []
    vector, again = load(folder), load(tmp_path / "again")
    kept = vector if kind == "npz" else vector.at(vector.blocks[1:])
    assert again.hash == kept.hash
    assert again.accuracy == kept.accuracy
    assert out["blocks"] == list(kept.blocks)
    assert [("block 0 was left out" in note) for note in out["notes"]] == [True] * (kind == "gguf")
    assert "there already" in line.refused(2, "vector", "export", folder, file)[0]
    assert line("vector", "export", folder, file, "--overwrite") == 0
    assert ("block 0 was left out" in line.err) == (kind == "gguf")


def foreign(model: str, file: Path) -> ControlVector:
    """A vector that counts in activations, written to a file."""
    lm = load_model(model)
    generator = torch.Generator().manual_seed(0)
    vector = ControlVector(
        directions={1: torch.randn(lm.d_model, generator=generator)},
        d_model=lm.d_model,
        provenance={"file": "other"},
    )
    export_gguf(vector, file)
    return vector


def test_another_tools_vector_is_counted_in_norms(
    line: Line, run_copy: RunFolder, model: str, folder: Path, tmp_path: Path
) -> None:
    vector = foreign(model, tmp_path / "v.gguf")
    told = line.json("vector", "import", tmp_path / "v.gguf", "--out", tmp_path / "plain")
    assert told["unit"] == "activation"
    assert "--measure" in told["notes"][0]
    told = line.json("vector", "import", tmp_path / "v.gguf", "--run", run_copy.path, "--measure")
    assert (told["name"], told["unit"]) == ("v", "mean residual norm")
    counted = load(run_copy.vectors / "v")
    assert torch.allclose(counted.push(1, 0.7), vector.push(1, 0.7), atol=1e-5)
    assert counted.model_hash == load_model(model).hash
    line.json("vector", "import", tmp_path / "v.gguf", "--out", tmp_path / "like", "--like", folder)
    assert load(tmp_path / "like").norms == {1: load(folder).norms[1]}
    assert torch.allclose(load(tmp_path / "like").push(1, 0.7), vector.push(1, 0.7), atol=1e-5)
    line.json("vector", "import", tmp_path / "v.gguf", "--out", tmp_path / "shifted", "--shift", "-1")
    assert load(tmp_path / "shifted").blocks == (0,)


def test_nothing_but_a_vector_is_replaced(line: Line, run_copy: RunFolder, folder: Path) -> None:
    file = folder.parent / "v.npz"
    assert line("vector", "export", folder, file) == 0
    before = sorted(run_copy.dictionary.iterdir())
    words = ("vector", "import", file, "--overwrite", "--out")
    assert "is no control vector" in line.refused(2, *words, run_copy.dictionary)[0]
    assert sorted(run_copy.dictionary.iterdir()) == before
    note = folder.parent / "note.npz"
    note.write_text("mine")
    assert "is no control vector" in line.refused(2, "vector", "export", folder, note, "--overwrite")[0]
    assert note.read_text() == "mine"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("export", "{}", "v.txt"), 2, "v.txt is no file that a vector can be written to"),
        (("export", "{}", "v.npz", "--strength", "2"), 2, "whatever its strength"),
        (("export", "{}", "v.gguf", "--strength", "nan"), 2, "nan is no strength"),
        (("export", "{}", "none/v.npz"), 2, "there is no folder"),
        (("import", "none.npz", "--out", "v"), 2, "there is no file"),
        (("import", "bad.npz", "--out", "v"), 1, "no readable control vector"),
        (("import", "bad.npz", "--out", "v", "--shift", "1"), 2, "a shift is for gguf files"),
        (("import", "bad.npz", "--out", "v", "--measure"), 2, "none was named"),
        (("import", "bad.npz", "--out", "v", "--measure", "--like", "{}"), 2, "two units"),
        (("import", "bad.npz"), 2, "no place for the vector"),
    ],
)
def test_files_that_cannot_be(
    line: Line, folder: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], code: int, said: str
) -> None:
    monkeypatch.chdir(folder.parent)
    Path("bad.npz").write_bytes(b"PK not really")
    sentence, _ = line.refused(code, "vector", *(word.format(folder) for word in words))
    assert said in sentence
    assert sorted(path.name for path in Path().iterdir()) == ["bad.npz", "happy"]
