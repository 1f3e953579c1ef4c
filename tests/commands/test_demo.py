import io
from pathlib import Path

import pytest

from monoscope.commands import demo
from monoscope.commands.recipe import Recipe
from monoscope.commands.run_folder import RunFolder
from monoscope.commands.terminal import someone_is_there

from .conftest import Line


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch, complete_run: RunFolder) -> list[str]:
    """Pages that a browser was asked for; the demonstration is the tiny run."""
    pages: list[str] = []
    monkeypatch.setattr(demo.webbrowser, "open", lambda page: pages.append(page) or True)
    monkeypatch.setattr(demo, "demo_recipe", complete_run.recipe)
    monkeypatch.setenv("DISPLAY", ":0")
    return pages


@pytest.fixture
def explored(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Runs that were served."""
    runs: list[Path] = []
    monkeypatch.setattr(demo, "serve", lambda options, reporter: runs.append(options.run))
    return runs


def test_no_browser_without_a_person(
    line: Line, opened: list[str], explored: list[Path], complete_run: RunFolder
) -> None:
    result = line.json("demo", "--out", complete_run.path)
    assert result["report"] == str(complete_run.report)
    assert opened == explored == []
    assert str(complete_run.report) in line.err


def test_a_browser_where_there_is_a_person(
    line: Line,
    opened: list[str],
    explored: list[Path],
    complete_run: RunFolder,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sys.stdin", Terminal())
    assert line("demo", "--out", complete_run.path, "--no-open") == 0
    assert opened == explored == []
    assert line("demo", "--out", complete_run.path) == 0
    assert opened == [complete_run.report.as_uri()]
    assert explored == [complete_run.path]
    monkeypatch.setattr(demo, "can_serve", lambda: False)
    assert line("demo", "--out", complete_run.path) == 0
    assert len(explored) == 1
    monkeypatch.delenv("DISPLAY")
    for name in ("WAYLAND_DISPLAY", "BROWSER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    assert not someone_is_there()


def test_the_demonstration_is_a_recipe_like_others() -> None:
    made = demo.demo_recipe()
    assert (made.model, made.corpus) == ("builtin", "builtin")
    assert made.showcase.query == "Golden Gate Bridge"
    assert Recipe.from_table(made.to_table(), "demo") == made
