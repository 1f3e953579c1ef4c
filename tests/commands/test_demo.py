import io

import pytest

from monoscope.commands import demo
from monoscope.commands.recipe import Recipe
from monoscope.commands.run_folder import RunFolder

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


def test_no_browser_without_a_person(line: Line, opened: list[str], complete_run: RunFolder) -> None:
    result = line.json("demo", "--out", complete_run.path)
    assert result["report"] == str(complete_run.report)
    assert opened == []
    assert str(complete_run.report) in line.err


def test_a_browser_where_there_is_a_person(
    line: Line, opened: list[str], complete_run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", Terminal())
    assert line("demo", "--out", complete_run.path, "--no-open") == 0
    assert opened == []
    assert line("demo", "--out", complete_run.path) == 0
    assert opened == [complete_run.report.as_uri()]
    monkeypatch.delenv("DISPLAY")
    for name in ("WAYLAND_DISPLAY", "BROWSER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    assert not demo.someone_is_there()


def test_the_demonstration_is_a_recipe_like_others() -> None:
    made = demo.demo_recipe()
    assert (made.model, made.corpus) == ("builtin", "builtin")
    assert made.showcase.query == "Golden Gate Bridge"
    assert Recipe.from_table(made.to_table(), "demo") == made
