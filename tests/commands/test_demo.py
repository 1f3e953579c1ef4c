import io
import threading
from threading import Thread
from typing import Any

import httpx
import pytest

from monoscope.commands import demo, run
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
    monkeypatch.setattr("webbrowser.open", lambda page: pages.append(page) or True)
    monkeypatch.setattr(demo, "demo_recipe", complete_run.recipe)
    monkeypatch.setenv("DISPLAY", ":0")
    return pages


def test_no_browser_without_a_person(
    line: Line, opened: list[str], complete_run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = line.json("demo", "--out", complete_run.path)
    assert result["report"] == str(complete_run.report)
    assert str(complete_run.report) in line.err
    monkeypatch.setattr("sys.stdin", Terminal())
    assert line("demo", "--out", complete_run.path, "--no-open") == 0
    assert opened == []


def test_the_page_alone_where_nothing_can_be_served(
    line: Line, opened: list[str], complete_run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", Terminal())
    monkeypatch.setattr(demo, "can_serve", lambda: False)
    assert line("demo", "--out", complete_run.path) == 0
    assert opened == [complete_run.report.as_uri()]
    monkeypatch.delenv("DISPLAY")
    for name in ("WAYLAND_DISPLAY", "BROWSER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    assert not someone_is_there()


def test_a_person_explores_while_the_run_is_made(
    line: Line, opened: list[str], complete_run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The explorer answers before the run is made and after it, until Ctrl-C; both leave nothing that listens."""
    told: list[tuple[str, dict[str, Any]]] = []

    def ask(when: str) -> None:
        address, token = opened[-1].split("/#token=")
        with httpx.Client(headers={"Authorization": f"Bearer {token}"}, timeout=30) as http:
            told.append((when, http.get(f"{address}/api/run").raise_for_status().json()))

    def make(folder: RunFolder, recipe: Recipe, **options: Any) -> Any:
        ask("while")
        made = run.make(folder, recipe, **options)
        ask("after")
        return made

    def interrupted(server: Thread) -> None:
        if threading.current_thread() is threading.main_thread() and server.name == "server" and not stopped:
            stopped.append(server)
            assert server.is_alive()
            raise KeyboardInterrupt
        waited(server)

    stopped: list[Thread] = []
    waited = Thread.join
    monkeypatch.setattr("sys.stdin", Terminal())
    monkeypatch.setattr(demo, "make", make)
    monkeypatch.setattr(Thread, "join", interrupted)
    assert line("demo", "--out", complete_run.path) == 0
    assert [when for when, _ in told] == ["while", "after"]
    assert told[0][1]["has"]["index"]
    assert "all is made" in line.err
    assert len(opened) == 1
    assert not stopped[0].is_alive()
    with pytest.raises(httpx.ConnectError):
        ask("closed")


def test_the_demonstration_is_a_recipe_like_others() -> None:
    made = demo.demo_recipe()
    assert (made.model, made.corpus) == ("builtin", "builtin")
    assert made.showcase.query == "Golden Gate Bridge"
    assert Recipe.from_table(made.to_table(), "demo") == made
