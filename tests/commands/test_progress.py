import io

import pytest
from rich.console import Console

from monoscope.commands import progress
from monoscope.commands.progress import Reporter


def test_without_a_console_nothing_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    reporter = Reporter()
    reporter.say("hello")
    with reporter.stage("train") as advance:
        advance(1, 2)
    assert capsys.readouterr() == ("", "")


def test_plain_lines_where_there_is_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "LINE_EVERY", -1.0)
    out = io.StringIO()
    with Reporter(Console(file=out, width=200)).stage("train") as advance:
        advance(500, 2000)
        advance(1000, 2000)
        advance(2000, 2000)
    lines = out.getvalue().splitlines()
    assert lines[1].startswith("train: 50% of 2,000 tokens, ")
    assert lines[-1].startswith("train: 2,000 tokens in ")


def test_bars_on_a_terminal() -> None:
    out = io.StringIO()
    console = Console(file=out, width=100, force_terminal=True)
    with Reporter(console).stage("index") as advance:
        advance(1000, 4000)
        advance(4000, 4000)
    assert "index: 4,000 tokens in" in out.getvalue()


def test_what_an_earlier_call_did_is_no_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(0, 100, 10))
    monkeypatch.setattr(progress, "monotonic", lambda: float(next(clock)))
    pace = progress._Pace("train", "tokens")
    pace.advance(9000, 10_000)
    pace.advance(9500, 10_000)
    assert pace.speed() == pytest.approx(500 / 10)
