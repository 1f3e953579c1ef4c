"""Who may ask, and how much: checked before anything of a request is read."""

import asyncio
import ipaddress
import secrets
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from monoscope.explore.api.page import bundle
from monoscope.serve.refusals import answer, refusal

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
OPEN_TO_ALL = frozenset({"/health"})
"""Paths that need no token; nor do the page's files."""
LINGERING = 5.0
"""Seconds for which more of a body is taken than is read."""
THROWN_AWAY = 64_000_000
"""Bytes of such a body, at most."""


@dataclass(frozen=True, kw_only=True)
class GuardOptions:
    """Who may ask, and how much."""

    token: str | None
    """Sent as ``Authorization: Bearer TOKEN``; None: nobody needs one."""
    host: str = "127.0.0.1"
    """The address that is listened on."""
    names: tuple[str, ...] = ()
    """Further names under which the server may be reached."""
    largest_body: int = 1_000_000
    """Bytes."""

    def knows(self, name: str) -> bool:
        """Whether a request may be for that name.

        A page of another site can let its own name point here, so names that nobody gave are refused. An address is
        no name; it is fine where the server listens to more than its own machine.
        """
        if name in LOOPBACK or name in self.names or name == self.host:
            return True
        return self.host not in LOOPBACK and is_address(name)


class Guard:
    """Lets through what may be asked, as ASGI has it."""

    def __init__(self, app: ASGIApp, options: GuardOptions) -> None:
        self.app, self.options = app, options

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request, or hand it on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        problem = self.problem(Headers(scope=scope), scope["path"])
        if problem is None:
            messages = await self.whole_body(receive)
            if messages is not None:
                await self.app(scope, replayed(messages, receive), send)
                return
            limit = f"at most {self.options.largest_body} bytes are read"
            problem = 413, f"the body is too large: {limit}", "body_too_large"
        status, said, code = problem
        headers = {"Connection": "close"} if status == 413 else {}
        if status == 413:
            await thrown_away(receive)
        if status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        await answer(status, refusal(status, said, code=code), headers)(scope, receive, send)

    def problem(self, headers: Headers, path: str) -> tuple[int, str, str] | None:
        """Status, sentence and code of what is wrong with the head of a request."""
        if len(headers.getlist("host")) != 1 or not self.options.knows(host_name(headers["host"])):
            return 403, "this server does not go by that name: ask for the address it printed", "foreign_host"
        origin = headers.get("origin")
        if origin is not None and origin not in (
            f"http://{headers['host']}",
            f"https://{headers['host']}",
        ):
            return 403, "pages of other sites may not ask this server", "foreign_origin"
        is_open = path in OPEN_TO_ALL or path in bundle()
        if not is_open and not self.has_token(headers.get("authorization", "")):
            return 401, "the token is missing or wrong: send Authorization: Bearer TOKEN", "invalid_api_key"
        length = headers.get("content-length", "0")
        if not (length.isascii() and length.isdigit()) or int(length[:20]) > self.options.largest_body:
            return 413, f"at most {self.options.largest_body} bytes are read", "body_too_large"
        return None

    def has_token(self, told: str) -> bool:
        """Whether the header holds the token."""
        if self.options.token is None:
            return True
        kind, _, token = told.partition(" ")
        return kind.lower() == "bearer" and secrets.compare_digest(
            token.strip().encode(), self.options.token.encode()
        )

    async def whole_body(self, receive: Receive) -> list[Message] | None:
        """The messages of the body; None when it is larger than may be."""
        messages, size = [], 0
        while True:
            message = await receive()
            messages.append(message)
            size += len(message.get("body", b""))
            if size > self.options.largest_body:
                return None
            if message["type"] != "http.request" or not message.get("more_body", False):
                return messages


async def thrown_away(receive: Receive) -> None:
    """The rest of a body, read for a while and not kept.

    Whoever is still sending does not listen yet, and is cut off before the answer when the connection is closed.
    """
    size = 0
    with suppress(TimeoutError):
        async with asyncio.timeout(LINGERING):
            while size < THROWN_AWAY:
                message = await receive()
                size += len(message.get("body", b""))
                if message["type"] != "http.request" or not message.get("more_body", False):
                    return


def replayed(messages: Sequence[Message], receive: Receive) -> Receive:
    """What was received already, and then what comes."""
    rest = iter(messages)

    async def again() -> Message:
        message = next(rest, None)
        return await receive() if message is None else message

    return again


def host_name(told: str) -> str:
    """The name in a ``Host`` header, without the port; empty when it is none."""
    if set(told) & set("/@?#\\"):
        return ""
    try:
        return (urlsplit(f"//{told}").hostname or "").rstrip(".")
    except ValueError:
        return ""


def is_address(name: str) -> bool:
    """Whether it is an IP address."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
