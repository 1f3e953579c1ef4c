import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from monoscope import cli
from monoscope.commands.run_folder import RunFolder
from monoscope.dictionaries.files import load

from .conftest import Interrupter, Line


def test_killed_in_every_stage_a_run_goes_on_and_learns_the_same(
    recipe_file: Path, tmp_path: Path, complete_run: RunFolder
) -> None:
    program = Path(__file__).with_name("killer.py")
    done = subprocess.run(
        [sys.executable, str(program), str(recipe_file), str(tmp_path / "run")],
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert {end["signal"] for end in result["ends"].values()} == {signal.SIGKILL}
    assert not any(end["complete"] for end in result["ends"].values())
    made = {stage: end["made"] for stage, end in result["ends"].items()}
    assert made["train"] == []
    assert made["index"] == ["dictionary"]
    assert made["evaluate"] == ["dictionary", "features"]
    assert made["showcase"] == ["dictionary", "features", "evaluation"]
    assert result["complete"]
    assert result["dictionary"] == load(complete_run.dictionary).hash
    left = {path.name for path in (tmp_path / "run").iterdir() if path.name.startswith(".")}
    assert left == {".lock"}, left


def test_interrupted_a_run_says_one_sentence_and_goes_on(
    line: Line, recipe_file: Path, tmp_path: Path, complete_run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("run", recipe_file, "--out", tmp_path / "run")
    with monkeypatch.context() as patch:
        patch.setattr(cli, "_reporter", Interrupter)
        assert line(*words) == 1
    assert line.out == ""
    assert line.err == "error: stopped; the same command goes on where it stopped\n"
    assert (tmp_path / "run" / ".dictionary.training" / "checkpoint.safetensors").is_file()
    assert "stopped; the same command goes on" in (tmp_path / "run" / "report.html").read_text(
        encoding="utf-8"
    )
    assert line(*words) == 0, line.err
    assert load(tmp_path / "run" / "dictionary").hash == load(complete_run.dictionary).hash


def test_other_commands_do_not_promise_to_go_on(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("monoscope.commands.features.search", stop)
    assert line("features", "search", "run", "bridge") == 1
    assert line.err == "error: stopped\n"
