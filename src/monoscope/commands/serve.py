"""``monoscope serve``: a run in a browser, and its model behind an OpenAI-compatible address."""

import contextlib
import secrets
import shlex
import time
import tomllib
import webbrowser
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from monoscope.commands.names import names_of
from monoscope.commands.open_run import OpenRun
from monoscope.commands.progress import Reporter
from monoscope.commands.run_folder import RunFolder, read_record, read_text
from monoscope.commands.terminal import someone_is_there
from monoscope.errors import BrokenInput, MonoscopeError, WrongUse
from monoscope.intervene.plan import parse_plan
from monoscope.intervene.topic import text_words
from monoscope.manifest import is_complete
from monoscope.models import load_model

if TYPE_CHECKING:
    from monoscope.intervene import EachSteered
    from monoscope.serve.asking import Served
    from monoscope.serve.engine import Engine


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
    check(options)
    from monoscope.commands.exploring import explored
    from monoscope.intervene import EachSteered
    from monoscope.serve.app import make_app
    from monoscope.serve.engine import Engine, EngineOptions
    from monoscope.serve.guard import GuardOptions
    from monoscope.serve.server import listen, make_server

    reporter = reporter or Reporter()
    limits = EngineOptions(slots=options.slots, queue=options.queue)
    token = None if options.no_token else options.token or secrets.token_urlsafe(24)
    guard = GuardOptions(token=token, host=options.host, names=options.name)
    folder = RunFolder(options.run)
    recipe = folder.recipe()
    listening = listen(options.host, options.port)
    with contextlib.closing(listening):
        opened = OpenRun(folder, recipe, reporter, lm=load_model(recipe.model, dtype=options.dtype))
        steered = EachSteered(opened.lm, None)
        take_dictionary(opened, steered)
        with Engine(opened.lm, steered, limits) as engine:
            served = what_is_served(options, opened, engine)
            host = f"[{options.host}]" if ":" in options.host else options.host
            address = f"http://{host}:{listening.getsockname()[1]}"
            for line in greeting(address, token, served.names()):
                reporter.say(line)
            if options.open and someone_is_there():
                webbrowser.open(page_of(address, token))
            seen = explored(opened, served.presets, before=lambda: take_dictionary(opened, steered))
            app = make_app(served, guard, seen, context=recipe.harvest.context)
            with contextlib.suppress(KeyboardInterrupt):
                make_server(app).run(sockets=[listening])
            return {"address": address, "models": served.names(), "tokens_written": engine.n_tokens}


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


def take_dictionary(opened: OpenRun, steered: "EachSteered") -> None:
    """Steer with the run's dictionary as soon as there is one: a run may still be learning it.

    Raises:
        MismatchedArtefact, BrokenInput: it is another model's, or cannot be read.
    """
    if steered.dictionary is None and is_complete(opened.folder.dictionary):
        steered.take(opened.model_dictionary)


def what_is_served(options: ServeOptions, opened: OpenRun, engine: "Engine") -> "Served":
    """The model, how requests name steerings, and the presets.

    Raises:
        MissingInput, BrokenInput: a file is not there, or is none.
        WrongUse: a preset cannot be carried out.
    """
    from monoscope.serve.asking import Served

    presets = shown_preset(opened.folder) | (presets_of(options.presets) if options.presets else {})
    names = names_of(opened)
    for name, told in presets.items():
        try:
            engine.check(parse_plan(told, names))
        except MonoscopeError as error:
            raise WrongUse(
                f"the preset {name} cannot be carried out: {error.sentence}", error.hint
            ) from error
    names = replace(names, presets={name: parse_plan(told, names) for name, told in presets.items()})
    return Served(
        lm=opened.lm,
        engine=engine,
        rules_of=lambda told: parse_plan(told, names),
        presets=presets,
        chat_template=read_text(options.chat_template) if options.chat_template else None,
        longest=options.longest or None,
        created=int(time.time()),
    )


def shown_preset(folder: RunFolder) -> dict[str, Any]:
    """The showcase's feature at the strength that it recommends, or that it showed; nothing without a showcase.

    It is called by the first two words of its topic: ``Golden Gate Bridge`` is ``golden-gate``.
    """
    if not is_complete(folder.showcase):
        return {}
    shown = read_record(folder.showcase / "showcase.json")
    name = "-".join(text_words(shown["query"])[:2])
    if shown["feature"] is None or not name:
        return {}
    multiple = shown["recommended"] if shown["recommended"] is not None else shown["shown"]
    return {name: {"edits": [{"feature": shown["feature"], "clamp": multiple}]}}


def presets_of(path: Path) -> dict[str, Any]:
    """Name -> steering.

    Raises:
        MissingInput, BrokenInput: the file is not there, or is none.
    """
    try:
        presets = tomllib.loads(read_text(path))
    except tomllib.TOMLDecodeError as error:
        raise BrokenInput(
            f"{path} is no TOML: {error}", 'a preset is a line like calm = "2*412@generated"'
        ) from error
    for name, told in presets.items():
        if not isinstance(told, str | dict | list):
            raise BrokenInput(f"the preset {name} in {path} is {told!r}", "give a text or a table with edits")
    return presets


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
