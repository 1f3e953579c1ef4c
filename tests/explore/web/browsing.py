"""What the tests of the page share: places, waiting, and reading what is drawn."""

import time
from typing import Any

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
