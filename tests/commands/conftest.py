"""A whole run of a tiny random model on made-up text, made once, and copies of it to spoil."""

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import pytest

from monoscope import cli
from monoscope.activations import HarvestOptions
from monoscope.commands.progress import Advance, Reporter
from monoscope.commands.recipe import Recipe
from monoscope.commands.run import RunOptions, run
from monoscope.commands.run_folder import RunFolder
from monoscope.commands.showcase import ShowcaseOptions
from monoscope.dictionaries import AutoencoderOptions, TopK
from monoscope.evaluate.intervals import IntervalOptions
from monoscope.evaluate.recovery import RecoveryOptions
from monoscope.evaluate.report import EvaluateOptions
from monoscope.train import TrainOptions

THEMES = {
    "bridge": "the old bridge crosses the water and fog hides the towers of the bridge",
    "dog": "the little dog ran to the park with a red ball and a happy girl",
    "king": "the king of the land had three sons and could not be made to laugh",
}
"""Concept -> the words of documents about it."""


def write_corpus(path: Path, n_documents: int = 240) -> Path:
    """Documents that each are about one theme, tagged; every fifth is held out."""
    random = Random(0)
    with path.open("w", encoding="utf-8") as file:
        for number in range(n_documents):
            theme = random.choice(sorted(THEMES))
            text = " ".join(random.choices(THEMES[theme].split(), k=30))
            spans = [[0, len(text), theme, "passage"]]
            spans += [[at, at + len(theme), theme, "mention"] for at in [text.find(theme)] if at >= 0]
            split = "heldout" if number % 5 == 0 else "training"
            file.write(json.dumps({"text": text, "spans": spans, "split": split}) + "\n")
    return path


def tiny_recipe(model: Path, corpus: Path) -> Recipe:
    """A run of a few seconds."""
    return Recipe(
        model=str(model),
        corpus=str(corpus),
        site="blocks.1.resid_post",
        harvest=HarvestOptions(n_tokens=4000, context=64),
        dictionary=AutoencoderOptions(n_features=48, sparsifier=TopK(4)),
        training=TrainOptions(n_tokens=12_800, batch=128, checkpoint_every_seconds=0.01),
        evaluation=EvaluateOptions(
            n_tokens=1000,
            n_faithfulness_tokens=300,
            recovery=RecoveryOptions(n_calibration_tokens=1500),
            intervals=IntervalOptions(draws=50),
        ),
        showcase=ShowcaseOptions(
            query="bridge", n_prompts=3, n_tokens=6, controls=1, candidates=2, multiples=(0.0, 2.0)
        ),
    )


@pytest.fixture(scope="session")
def corpus_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("corpus") / "themes.jsonl")


@pytest.fixture(scope="session")
def recipe(tiny_model_folder: Callable[[str], Path], corpus_file: Path) -> Recipe:
    return tiny_recipe(tiny_model_folder("llama").resolve(), corpus_file.resolve())


@pytest.fixture(scope="session")
def recipe_file(recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recipe") / "tiny.toml"
    path.write_text(recipe.to_toml(), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def complete_run(recipe_file: Path, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A complete run, activations deleted; not to be changed."""
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    run(RunOptions(recipe=recipe_file, out=folder))
    return RunFolder(folder)


@pytest.fixture
def run_copy(complete_run: RunFolder, tmp_path: Path) -> RunFolder:
    """A copy of the complete run, to spoil."""
    shutil.copytree(complete_run.path, tmp_path / "tiny")
    return RunFolder(tmp_path / "tiny")


class Line:
    """Runs command lines in this process."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self.out = self.err = ""

    def __call__(self, *words: object) -> int:
        """The exit code; ``out`` and ``err`` hold what was printed."""
        self._capsys.readouterr()
        try:
            return cli.main([str(word) for word in words])
        except SystemExit as stop:
            return int(stop.code or 0)
        finally:
            self.out, self.err = self._capsys.readouterr()

    def json(self, *words: object) -> dict[str, Any]:
        """The one object that ``--json`` prints."""
        assert self(*words, "--json") == 0, self.err
        assert self.out.count("\n") == 1
        return json.loads(self.out)

    def refused(self, code: int, *words: object) -> tuple[str, str]:
        """The sentence and the hint of an error, and nothing else."""
        assert self(*words) == code, self.err
        assert self.out == ""
        lines = self.err.splitlines()
        assert [line.split(":")[0] for line in lines[-2:]] == ["error", "hint"], self.err
        assert "Traceback" not in self.err
        return lines[-2].removeprefix("error: "), lines[-1].removeprefix("hint: ")


@pytest.fixture
def line(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Line]:
    monkeypatch.delenv("MONOSCOPE_DEBUG", raising=False)
    with Path(os.devnull).open(encoding="utf-8") as nothing:
        monkeypatch.setattr(sys, "stdin", nothing)
        yield Line(capsys)


class Interrupter(Reporter):
    """Presses Ctrl-C in the middle of the training."""

    @contextmanager
    def stage(self, name: str, unit: str = "tokens") -> Iterator[Advance]:
        def advance(done: int, total: int) -> None:
            if name == "train" and done > total // 2:
                os.kill(os.getpid(), signal.SIGINT)

        yield advance
