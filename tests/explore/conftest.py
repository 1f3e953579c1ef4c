"""A browser for the pages."""

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from explore import fake
from monoscope.explore import report_html

REQUIRED = os.environ.get("MONOSCOPE_REQUIRE_CHROMIUM") == "1"


@pytest.fixture(scope="session")
def report() -> dict[str, Any]:
    """A report of 300 made-up features; not to be changed."""
    return fake.report(300)


@pytest.fixture(scope="session")
def html(report: dict[str, Any]) -> str:
    """Its page."""
    return report_html(report)


@dataclass
class Visit:
    """A page that was opened, and what the browser said about it."""

    page: Any
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """A headless Chromium; without one the test is skipped, or fails where one is required."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        program = None
    if program is None:
        reason = "needs Chromium on the path, and the package playwright"
        pytest.fail(reason) if REQUIRED else pytest.skip(reason)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program, args=["--headless", "--no-sandbox", "--disable-gpu"]
        )
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium: Any, tmp_path: Path) -> Iterator[Callable[..., Visit]]:
    """``visit(html, "#feature-3", width=390)``: that page, from a file; complaints and requests fail the test."""
    opened: list[tuple[Visit, bool]] = []

    def go(html: str, fragment: str = "", *, complaints: bool = True, **options: Any) -> Visit:
        path = tmp_path / "report.html"
        path.write_text(html, encoding="utf-8")
        size = {"width": options.pop("width", 1280), "height": options.pop("height", 900)}
        page = chromium.new_page(viewport=size, reduced_motion="reduce", **options)
        made = Visit(page)
        page.on("console", lambda message: made.complaints.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: made.complaints.append(f"error: {error}"))
        page.on("request", lambda request: made.requests.append(request.url))
        page.goto(path.as_uri() + fragment)
        opened.append((made, complaints))
        return made

    yield go
    for made, complaints in opened:
        made.page.close()
        if complaints:
            assert made.complaints == []
            assert [url for url in made.requests if not url.startswith(("file:", "data:"))] == []
