"""What every command line has in common: help, mistakes, errors, exit codes."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from monoscope import cli
from monoscope.cli import COMMANDS, main
from monoscope.commands.arguments import parse
from monoscope.commands.demo import DemoOptions
from monoscope.errors import WrongUse


@pytest.fixture(autouse=True)
def no_debugging(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MONOSCOPE_DEBUG", raising=False)


def refused(capsys: pytest.CaptureFixture[str], code: int, *words: str) -> tuple[str, str]:
    """The sentence and the hint, and nothing else."""
    assert main(words) == code
    out, err = capsys.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert len(lines) == 2, err
    assert lines[0].startswith("error: ")
    assert lines[1].startswith("hint: ")
    return lines[0].removeprefix("error: "), lines[1].removeprefix("hint: ")


@pytest.mark.parametrize("words", [(), ("--help",), ("-h",), ("help",)])
def test_help_lists_every_command(capsys: pytest.CaptureFixture[str], words: tuple[str, ...]) -> None:
    assert main(words) == 0
    out, err = capsys.readouterr()
    assert err == ""
    for name, command in COMMANDS.items():
        assert name in out
        assert command.summary in out
    assert max(map(len, out.splitlines())) <= 120


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("monoscope 0.")


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_explains_itself(capsys: pytest.CaptureFixture[str], name: str) -> None:
    with pytest.raises(SystemExit) as stop:
        main([*name.split(), "--help"])
    assert stop.value.code == 0
    out = capsys.readouterr().out
    assert f"usage: monoscope {name}" in out
    assert "--json" in out
    assert "{None}" not in out.split("training options")[0]


@pytest.mark.parametrize(
    ("words", "said", "hint"),
    [
        (("trian",), "'trian' is no command", "train"),
        (("--jsn",), "'--jsn' is no option of monoscope itself", "monoscope --help"),
        (("features",), "monoscope features needs to know what to do", "monoscope features search"),
        (("features", "find"), "monoscope features find is no command", "monoscope features show"),
        (("train", "--n-feature", "3"), "monoscope train has no option --n-feature", "--n-features"),
        (
            ("train", "--training.bach", "3", "--out", "x"),
            "has no option --training.bach",
            "--training.batch",
        ),
        (("train",), "monoscope train needs --out", "monoscope train --help"),
        (("steer",), "monoscope steer needs RUN", "--help"),
        (("steer", "r", "--prompt", "x", "--ablate"), "no feature was named", "--feature"),
        (("train", "--out", "x", "--k", "3.5"), "monoscope train: --k takes INT, not '3.5'", "--help"),
        (
            ("steer", "r", "--prompt", "x", "--seed", "one"),
            "--seed takes a whole number, not 'one'",
            "--help",
        ),
        (("train", "--out", "x", "--k"), "Missing value for argument '--k'", "--help"),
        (("harvest", "--out", "x", "--site", "s", "--split", "test"), "invalid choice 'test'", "heldout"),
        (("index", "a", "b"), "Unrecognized options: b", "--help"),
        (("features", "show", "a", "many"), "FEATURE takes a whole number, not 'many'", "--help"),
    ],
)
def test_mistakes_are_one_sentence(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...], said: str, hint: str
) -> None:
    sentence, advice = refused(capsys, 2, *words)
    assert said in sentence
    assert hint in advice
    assert "│" not in sentence + advice


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("index", "{}/none"), "is no run: it has no run.toml"),
        (("evaluate", "{}"), "is no run: it has no run.toml"),
        (("features", "search", "{}/none", "bridge"), "is no run"),
        (("features", "show", "{}/none", "3"), "is no run"),
        (("features", "on", "{}/none", "text"), "is no run"),
        (("steer", "{}/none", "--feature", "1", "--clamp", "2", "--prompt", "x"), "is no run"),
        (("run", "{}/recipe.toml", "--out", "{}/run"), "there is no recipe"),
        (("run", "--model", "{}/none", "--out", "{}/run"), "there is no model folder"),
        (
            ("harvest", "--model", "{}/none", "--site", "blocks.0.resid_post", "--out", "{}/acts"),
            "no model folder",
        ),
    ],
)
def test_what_is_not_there(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, command: tuple[str, ...], said: str
) -> None:
    sentence, _ = refused(capsys, 2, *(word.format(tmp_path) for word in command))
    assert said in sentence
    assert list(tmp_path.iterdir()) == []


def spoilt(folder: Path, name: str, content: bytes | None) -> Path:
    path = folder / name
    path.write_bytes(content) if content is not None else path.mkdir()
    return path


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("empty.txt", b"", "holds no text"),
        ("blank.txt", b" \n\n", "holds no text"),
        ("binary.txt", b"\x7fELF\x00\x01", "is binary, with a zero byte at offset 4"),
        ("latin.txt", "caffè".encode("latin-1"), "is not UTF-8: byte 0xe8 at offset 4"),
        ("lines.jsonl", b'{"text": "a"}\n{"text": \n', "line 2 is not JSON"),
        ("column.jsonl", b'{"body": "a"}\n', "line 1"),
        ("folder", None, "holds no corpus file"),
        ("one.txt", b"a", "too short to cut in two"),
    ],
)
def test_corpora_that_cannot_be_read(
    capsys: pytest.CaptureFixture[str],
    tiny_model_folder: Callable[[str], Path],
    tmp_path: Path,
    name: str,
    content: bytes | None,
    said: str,
) -> None:
    corpus, model = spoilt(tmp_path, name, content), str(tiny_model_folder("llama"))
    words = ("harvest", "--model", model, "--corpus", str(corpus), "--site", "blocks.0.resid_post")
    sentence, _ = refused(capsys, 1, *words, "--out", str(tmp_path / "acts"))
    assert said in sentence


def test_a_folder_that_is_no_model(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no model", encoding="utf-8")
    words = (
        "run",
        "--model",
        str(tmp_path),
        "--corpus",
        str(tmp_path / "notes.txt"),
        "--out",
        str(tmp_path / "run"),
    )
    sentence, hint = refused(capsys, 1, *words)
    assert "is no model: it has no config.json" in sentence
    assert "notes.txt" in hint


def raising(error: BaseException) -> Callable[..., None]:
    def fail(*_: object, **__: object) -> None:
        raise error

    return fail


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(28, "No space left on device"), "is full"),
        (PermissionError(13, "Permission denied", "/somewhere"), "permission denied: /somewhere"),
        (MemoryError(), "there is not enough memory"),
        (ZeroDivisionError("division by zero"), "ZeroDivisionError: division by zero"),
    ],
)
def test_what_nobody_foresaw_is_one_sentence(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, error: Exception, said: str
) -> None:
    monkeypatch.setattr("monoscope.commands.features.search", raising(error))
    sentence, _ = refused(capsys, 1, "features", "search", "run", "bridge")
    assert said in sentence


def test_debugging_shows_where(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MONOSCOPE_DEBUG", "1")
    monkeypatch.setattr("monoscope.commands.features.search", raising(ZeroDivisionError("here")))
    with pytest.raises(ZeroDivisionError, match="here"):
        main(["features", "search", str(tmp_path), "bridge"])


def test_a_reader_who_has_had_enough_is_no_error(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monoscope.commands.features.search", raising(BrokenPipeError()))
    monkeypatch.setattr(sys, "stdout", sys.stdout)
    assert main(["features", "search", "run", "bridge"]) == 1
    assert capsys.readouterr().err == ""


def test_json_is_strict(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "monoscope.commands.features.search", lambda options, reporter: {"score": float("nan")}
    )
    sentence, _ = refused(capsys, 1, "features", "search", "run", "bridge", "--json")
    assert "JSON" in sentence
    monkeypatch.setattr("monoscope.commands.features.search", lambda options, reporter: {"é": 1})
    assert main(["features", "search", "run", "bridge", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"é": 1}


def test_the_program_itself(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "MONOSCOPE_DEBUG"}
    done = subprocess.run(
        [sys.executable, "-m", "monoscope", "features", "show", str(tmp_path), "1", "--json"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env=environment,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")


def test_every_command_exists() -> None:
    for command in COMMANDS.values():
        module = __import__(f"monoscope.commands.{command.module}", fromlist=["_"])
        for name in (command.name, f"{command.name}_text", command.options):
            assert hasattr(module, name), (command.module, name)
    assert cli.main.__doc__


def test_a_hint_names_only_what_is_taken() -> None:

    with pytest.raises(WrongUse) as caught:
        parse("monoscope demo", DemoOptions, ["--open"])
    assert "--no-open" in caught.value.hint
    assert "--open," not in caught.value.hint
    options, _ = parse("monoscope demo", DemoOptions, ["--no-open"])
    assert not options.open


def test_processes_that_are_asked_the_same_refuse_it_once(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for rank, said in (("0", "error:"), ("1", "")):
        monkeypatch.setenv("RANK", rank)
        assert cli.main(["features", "show", str(tmp_path / "no"), "1"]) == 2
        assert capsys.readouterr().err[:6] == said
