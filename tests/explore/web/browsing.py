"""What the tests of the page share: places, waiting, and reading what is drawn."""

import time
from pathlib import Path
from typing import Any

import pytest

from explore.web.answers import HOSTILE_FEATURE

PLACES = [
    "#/",
    "#/tour",
    "#/features",
    "#/features?q=bridge",
    "#/feature/12",
    f"#/feature/{HOSTILE_FEATURE}",
    "#/nowhere",
]
"""Each screen, and what is no screen."""
REFUSED = "Failed to load resource"
"""What Chromium says of every answer from 400 on."""

AXE = Path(__file__).parents[3] / "web" / "node_modules" / "axe-core" / "axe.min.js"
"""Checks of accessibility, where `npm ci` has run."""


def check_accessible(page: Any) -> None:
    """What is shown violates no rule of axe."""
    if not AXE.is_file():
        pytest.skip("needs `npm ci` in web")
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
    assert [(each["id"], each["nodes"][0]["html"][:200]) for each in found["violations"]] == []


def until(page: Any, script: str, seconds: float = 10.0) -> None:
    """Until a script says yes; the page's policy forbids what Playwright has for that."""
    deadline = time.monotonic() + seconds
    while not page.evaluate(script):
        assert time.monotonic() < deadline, f"never true: {script}"
        page.wait_for_timeout(20)


def ready(page: Any) -> None:
    """Until the screen says something."""
    page.wait_for_selector("main h1:not(.spoken)")
    until(page, "!document.querySelector('.wait')")


def visit(page: Any, hash_: str) -> None:
    """Go to another place of the page."""
    page.evaluate("hash => { location.hash = hash }", hash_)
    page.wait_for_timeout(100)
    ready(page)


def numbers(page: Any) -> list[int]:
    """Features of the drawn rows, from the top."""
    rows = page.eval_on_selector_all(
        ".grid .body .row",
        "rows => rows.map(row => [row.getBoundingClientRect().top, row.querySelector('.c-feature').textContent])",
    )
    return [int(number) for _, number in sorted(rows) if number.isdigit()]
