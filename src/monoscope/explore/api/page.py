"""The page itself: the files that were built from ``web/``, held in memory."""

import mimetypes
from collections.abc import Awaitable, Callable
from functools import cache
from importlib.resources import files

from fastapi import FastAPI
from fastapi.responses import Response

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
"""Nothing comes from elsewhere and nothing goes there; no script and no style but the page's own files."""


@cache
def bundle() -> dict[str, bytes]:
    """Path on the server -> file."""
    place = files("monoscope.explore") / "web"
    if not place.is_dir():
        return {}
    top = {f"/{file.name}": file.read_bytes() for file in place.iterdir() if file.is_file()}
    assets = {f"/assets/{file.name}": file.read_bytes() for file in (place / "assets").iterdir()}
    return {"/": top.pop("/index.html")} | top | assets


def add_page(app: FastAPI) -> None:
    """The page at ``/`` and its files beside it; they hold nothing of the run."""
    for path, content in bundle().items():
        kind = mimetypes.guess_type("index.html" if path == "/" else path)[0] or "application/octet-stream"
        if kind.startswith("text/"):
            kind += "; charset=utf-8"
        response = Response(content, media_type=kind, headers=HEADERS)
        app.add_api_route(path, _always(response), methods=["GET", "HEAD"], include_in_schema=False)


def _always(response: Response) -> Callable[[], Awaitable[Response]]:
    async def answer() -> Response:
        return response

    return answer
