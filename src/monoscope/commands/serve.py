"""``monoscope serve``: a run in a browser, and its model behind an OpenAI-compatible address."""

import contextlib
import secrets
import shlex
import time
import webbrowser
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from socket import socket
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from monoscope.commands.open_run import OpenRun
from monoscope.commands.progress import Reporter
from monoscope.commands.run_folder import RunFolder, read_text
from monoscope.commands.terminal import someone_is_there
from monoscope.errors import WrongUse
from monoscope.models import load_model

if TYPE_CHECKING:
    import uvicorn

    from monoscope.serve.asking import Served


@dataclass(frozen=True, kw_only=True)
class ServeOptions:
    """Serve a run: a page to explore it, and its model for any client of OpenAI's, steered for each request by itself.

    The page opens in a browser where a person is there. A request steers in its field ``steering``, or by asking for
    the model ``NAME:PRESET``. Only this machine is listened to, and only whoever knows the token is answered, unless
    other options say otherwise. Ctrl-C ends it.
    """

    run: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="RUN")]
    """Folder of the run."""
    open: Annotated[bool, tyro.conf.arg(help_behavior_hint="")] = True
    """Do not open the page in a browser (nor is it without a terminal on standard input)."""
    host: str = "127.0.0.1"
    """Address to listen on."""
    port: int = 8000
    """Port to listen on; 0 takes a free one."""
    token: Annotated[str, tyro.conf.arg(metavar="TOKEN")] = ""
    """What clients must send; a random one unless given."""
    no_token: bool = False
    """Answer whoever asks."""
    name: Annotated[tuple[str, ...], tyro.conf.UseAppendAction, tyro.conf.arg(metavar="HOST")] = ()
    """A further name under which the server is reached; may be repeated."""
    slots: int = 64
    """Texts that are written at once."""
    queue: int = 256
    """Texts that may wait; more are refused."""
    longest: int = 0
    """The longest continuation, in tokens; 0: what the context holds."""
    presets: Annotated[Path | None, tyro.conf.arg(metavar="FILE.toml")] = None
    """Steerings by name: ``calm = "2*412@generated"``, or a table with ``edits``."""
    chat_template: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """A Jinja template in place of the tokenizer's own; without either, contents are joined by newlines."""
    dtype: str = "auto"
    """``auto`` (bfloat16 where the machine is fast with it), ``float32`` or ``bfloat16``."""


def serve(options: ServeOptions, *, reporter: Reporter | None = None) -> dict[str, Any]:
    """Serve until Ctrl-C.

    Returns:
        ``address``, ``models``, ``tokens_written``.

    Raises:
        WrongUse: options contradict each other, or the address is not to be had.
        MissingInput, BrokenInput: a file is not there, or is none.
    """
    with serving(options, reporter or Reporter()) as made:
        with contextlib.suppress(KeyboardInterrupt):
            made.run()
        return {
            "address": made.address,
            "models": made.served.names(),
            "tokens_written": made.served.engine.n_tokens,
        }


@dataclass(frozen=True, kw_only=True)
class Serving:
    """A run that is served."""

    address: str
    """Where it listens."""
    served: "Served"
    """What."""
    server: "uvicorn.Server"
    listening: socket

    def run(self) -> None:
        """Answer until Ctrl-C, or until :meth:`stop` is called from elsewhere."""
        self.server.run(sockets=[self.listening])

    def stop(self) -> None:
        """Answer no more."""
        self.server.should_exit = True


@contextlib.contextmanager
def serving(options: ServeOptions, reporter: Reporter) -> Iterator[Serving]:
    """Inside the block, an address that is listened on; the page opens where a person is there.

    Raises:
        WrongUse, MissingInput, BrokenInput: as :func:`serve`.
    """
    check(options)
    from monoscope.commands.exploring import explored
    from monoscope.commands.offered import Offered, presets_of
    from monoscope.intervene import EachSteered
    from monoscope.serve.app import make_app
    from monoscope.serve.asking import Served
    from monoscope.serve.engine import Engine, EngineOptions
    from monoscope.serve.guard import GuardOptions
    from monoscope.serve.server import listen, make_server

    limits = EngineOptions(slots=options.slots, queue=options.queue)
    token = None if options.no_token else options.token or secrets.token_urlsafe(24)
    guard = GuardOptions(token=token, host=options.host, names=options.name)
    folder = RunFolder(options.run)
    recipe = folder.recipe()
    with contextlib.closing(listen(options.host, options.port)) as listening:
        opened = OpenRun(folder, recipe, reporter, lm=load_model(recipe.model, dtype=options.dtype))
        steered = EachSteered(opened.lm, None)
        with Engine(opened.lm, steered, limits) as engine:
            own = presets_of(options.presets) if options.presets else {}
            offered = Offered(opened, steered, engine, own)
            served = Served(
                lm=opened.lm,
                engine=engine,
                rules_of=offered.rules,
                presets=offered.presets,
                chat_template=read_text(options.chat_template) if options.chat_template else None,
                longest=options.longest or None,
                created=int(time.time()),
            )
            host = f"[{options.host}]" if ":" in options.host else options.host
            address = f"http://{host}:{listening.getsockname()[1]}"
            for line in greeting(address, token, served.names()):
                reporter.say(line)
            if options.open and someone_is_there():
                webbrowser.open(page_of(address, token))
            seen = explored(opened, offered.presets, before=offered.renew)
            app = make_app(served, guard, seen, context=recipe.harvest.context)
            yield Serving(address=address, served=served, server=make_server(app), listening=listening)


def serve_text(result: dict[str, Any]) -> str:
    """What was done, for people."""
    return f"{result['address']} is closed; {result['tokens_written']} tokens were written"


def check(options: ServeOptions) -> None:
    """Refuse what can be seen to be wrong before anything is read.

    Raises:
        WrongUse: it is.
    """
    if options.token and options.no_token:
        raise WrongUse("--token and --no-token were given", "give one of them")
    if options.longest < 0:
        raise WrongUse(f"--longest {options.longest} is no number of tokens", "give 0 or more")
    if not 0 <= options.port < 65536:
        raise WrongUse(f"--port {options.port} is no port", "give 0 to 65535; 0 takes a free one")
    if missing := missing_packages():
        raise WrongUse(
            f"{' and '.join(missing)} is not installed", "pip install 'monoscope[serve]' installs it"
        )


def missing_packages() -> list[str]:
    """What a server needs and is not installed."""
    return [each for each in ("fastapi", "uvicorn", "prometheus_client") if find_spec(each) is None]


def can_serve() -> bool:
    """Whether what a server needs is installed."""
    return not missing_packages()


def page_of(address: str, token: str | None) -> str:
    """The explorer's address; what is behind the # stays in the browser."""
    return f"{address}/" if token is None else f"{address}/#token={token}"


def greeting(address: str, token: str | None, models: list[str]) -> list[str]:
    """What is said when the server listens."""
    header = [] if token is None else ["-H", f"Authorization: Bearer {token}"]
    body = f'{{"model": "{models[-1]}", "prompt": "Once upon a time", "max_tokens": 40}}'
    words = ["curl", f"{address}/v1/completions", *header, "-H", "Content-Type: application/json", "-d", body]
    return [
        f"the page: {page_of(address, token)}",
        f"listening on {address}/v1; models: {', '.join(models)}",
        "no token: whoever reaches the address is answered" if token is None else f"token: {token}",
        shlex.join(words),
        "Ctrl-C ends it",
    ]
