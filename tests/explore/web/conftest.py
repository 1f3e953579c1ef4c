"""The built page in a browser, in front of a server that makes its answers up."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from explore.web.answers import Answers, evaluation
from explore.web.server import TOKEN, serving


@dataclass
class Open:
    """A page that was opened, and what the browser said about it."""

    page: Any
    answers: Answers
    address: str
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


@pytest.fixture
def explorer(chromium: Any) -> Iterator[Callable[..., Open]]:
    """``explorer("#/features", width=360)``: the page there; what it complains of or asks of others fails the test."""
    running: list[tuple[Any, Any, Open, tuple[str, ...]]] = []

    def go(
        hash_: str = "#/",
        *,
        answers: Answers | None = None,
        token: str | None = TOKEN,
        expected: tuple[str, ...] = (),
        **options: Any,
    ) -> Open:
        said = answers or Answers(evaluation=evaluation())
        server = serving(said)
        address = server.__enter__()
        size = {"width": options.pop("width", 1280), "height": options.pop("height", 900)}
        settings = {"locale": "en-GB", "reduced_motion": "reduce", "viewport": size, **options}
        context = chromium.new_context(**settings)
        context.grant_permissions(["clipboard-read", "clipboard-write"], origin=address)
        page = context.new_page()
        made = Open(page, said, address)
        page.on("console", lambda message: made.complaints.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: made.complaints.append(f"error: {error}"))
        page.on("request", lambda request: made.requests.append(request.url))
        running.append((server, context, made, expected))
        if token is not None:
            page.goto(f"{address}/#token={token}")
            page.wait_for_selector("header.bar")
            assert token not in page.url
            page.evaluate("hash => { location.hash = hash }", hash_)
        else:
            page.goto(address + "/" + hash_)
        return made

    yield go
    for server, context, made, expected in running:
        context.close()
        server.__exit__(None, None, None)
        assert [each for each in made.complaints if not any(words in each for words in expected)] == []
        others = [url for url in made.requests if not url.startswith((made.address, "data:", "blob:"))]
        assert others == []
