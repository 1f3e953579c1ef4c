"""A server that runs: from a free port to its end."""

import socket

import uvicorn
from starlette.types import ASGIApp

from monoscope.errors import WrongUse

LONGEST_GOODBYE = 3
"""Seconds that requests have when the server is stopped."""


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens; port 0 takes a free one.

    Raises:
        WrongUse: the address is not to be had.
    """
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except (OSError, OverflowError) as error:
        raise WrongUse(
            f"{host}:{port} cannot be listened on: {error}", "another port may be free: --port 0 takes one"
        ) from error


def make_server(app: ASGIApp) -> uvicorn.Server:
    """A server that is told its sockets by ``run(sockets=[...])``, and stops when ``should_exit`` is set."""
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        lifespan="off",
        timeout_graceful_shutdown=LONGEST_GOODBYE,
        h11_max_incomplete_event_size=64 * 1024,
    )
    return uvicorn.Server(config)
