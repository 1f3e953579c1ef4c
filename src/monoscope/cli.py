"""The command line: options dataclasses turned into options, results into text or JSON, exceptions into one sentence.

No command is imported before it is asked for, so that ``--help`` and ``--version`` answer at once.
"""

import contextlib
import dataclasses
import io
import json
import os
import re
import sys
import typing
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

from monoscope.errors import MonoscopeError, WrongUse, nearest
from monoscope.manifest import full_disk_is_said


@dataclass(frozen=True)
class Command:
    """Where a command is implemented, and what the list of commands says of it."""

    module: str
    """Module under ``monoscope.commands``."""
    name: str
    """``NAME`` is the function, ``NAME_text`` tells people its result."""
    options: str
    """Its options dataclass."""
    summary: str
    """One line."""
    resumes: bool = False
    """True when the same command goes on where it was stopped."""


COMMANDS: dict[str, Command] = {
    "demo": Command(
        "demo", "demo", "DemoOptions", "the built-in model and corpus, the whole line, then the page", True
    ),
    "run": Command("run", "run", "RunOptions", "a model and a corpus, the whole line", True),
    "harvest": Command(
        "harvest", "harvest_to", "HarvestCommand", "store a model's activations on a corpus", True
    ),
    "train": Command("train", "train_to", "TrainCommand", "learn a dictionary of features", True),
    "index": Command("index", "index_run", "IndexCommand", "what every feature fires on and writes", True),
    "evaluate": Command(
        "evaluate", "evaluate_run", "EvaluateCommand", "the report card, beside baselines", True
    ),
    "features search": Command("features", "search", "SearchOptions", "find features by a word or a topic"),
    "features show": Command("features", "show", "ShowOptions", "one feature's card"),
    "features on": Command("features", "on", "OnOptions", "which features fire on a text"),
    "steer": Command(
        "steer", "steer_run", "SteerOptions", "write with features changed, default and steered"
    ),
}
"""What can be asked for, in the order of the help."""

STOPPED = "stopped; the same command goes on where it stopped"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line.

    Args:
        arguments: words after the program's name; those of this process by default.

    Returns:
        The exit code: 0 done, 1 failed, 2 wrong use.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = os.environ.get("MONOSCOPE_DEBUG") == "1"
    try:
        return _run(words)
    except KeyboardInterrupt:
        if debug:
            raise
        command = COMMANDS.get(_command_name(words))
        _complain(STOPPED if command is None or command.resumes else "stopped")
        return 1
    except BrokenPipeError:
        _give_up_output()
        return 1
    except MonoscopeError as error:
        if debug:
            raise
        _complain(error.sentence, error.hint)
        return error.exit_code
    except Exception as error:
        if debug:
            raise
        return _unexpected(error)


def _run(words: list[str]) -> int:
    if not words or words[0] in ("-h", "--help", "help"):
        print(_help())
        return 0
    if words[0] in ("-V", "--version"):
        print(f"monoscope {version('monoscope')}")
        return 0
    name = _command_name(words)
    if name not in COMMANDS:
        return _unknown_command(words)
    command = COMMANDS[name]
    module = import_module(f"monoscope.commands.{command.module}")
    options, as_json = _parse(name, getattr(module, command.options), words[len(name.split()) :])
    with full_disk_is_said(Path.cwd()):
        result = getattr(module, command.name)(options, reporter=_reporter())
    if as_json:
        print(json.dumps(result, ensure_ascii=False, allow_nan=False))
    else:
        _tell(getattr(module, f"{command.name}_text")(result))
    sys.stdout.flush()
    return 0


def _command_name(words: Sequence[str]) -> str:
    """The command that a line begins with: one word or two."""
    return " ".join(words[:2]) if " ".join(words[:2]) in COMMANDS else " ".join(words[:1])


def _unknown_command(words: Sequence[str]) -> int:
    group = [name for name in COMMANDS if name.split()[0] == words[0] and " " in name]
    if group and set(words[1:2]) <= {"-h", "--help"} and len(words) > 1:
        print("\n".join(["usage: monoscope features search | show | on", "", *_lines(group)]))
        return 0
    if group:
        asked = f"monoscope {' '.join(words[:2])}"
        sentence = f"{asked} is no command" if len(words) > 1 else f"{asked} needs to know what to do"
        raise WrongUse(sentence, f"there are {', '.join(f'monoscope {name}' for name in group)}")
    first = "option of monoscope itself" if words[0].startswith("-") else "command"
    raise WrongUse(
        f"{words[0]!r} is no {first}", f"{nearest(words[0], COMMANDS)}; monoscope --help lists them all"
    )


def _help() -> str:
    head = (import_module("monoscope").__doc__ or "").split("\n")[0]
    return "\n".join(
        [
            head,
            "",
            "usage: monoscope COMMAND [OPTIONS]      monoscope COMMAND --help explains one",
            "",
            *_lines(COMMANDS),
            "",
            "Each takes --json: exactly one JSON object on standard output; everything else goes to standard error.",
            "Exit code: 0 done, 1 failed, 2 wrong use. MONOSCOPE_DEBUG=1 shows where an error came from.",
        ]
    )


def _lines(names: Iterable[str]) -> list[str]:
    return [f"  {name:<16} {COMMANDS[name].summary}" for name in names]


def _parse(name: str, options: type, words: list[str]) -> tuple[Any, bool]:
    """The options that a line gives, and whether JSON was asked for."""
    import tyro

    line = dataclasses.make_dataclass(
        "Line",
        [
            ("options", Annotated[options, tyro.conf.arg(name="")]),
            (
                "json",
                Annotated[
                    bool,
                    tyro.conf.arg(help="Print one JSON object on standard output.", help_behavior_hint=""),
                ],
                False,
            ),
        ],
    )
    program = f"monoscope {name}"

    def parse() -> Any:
        description = (options.__doc__ or "").replace("``", "")
        return tyro.cli(
            line, args=words, prog=program, description=description, config=(tyro.conf.FlagCreatePairsOff,)
        )

    if {"-h", "--help"} & set(words):
        parsed = parse()
        return parsed.options, parsed.json
    _check_options(program, line, words)
    said = io.StringIO()
    width = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = "10000"
    try:
        with contextlib.redirect_stderr(said):
            parsed = parse()
    except SystemExit as error:
        raise _mistake(program, said.getvalue()) from error
    finally:
        os.environ.pop("COLUMNS") if width is None else os.environ.update(COLUMNS=width)
    return parsed.options, parsed.json


def _check_options(program: str, line: type, words: Sequence[str]) -> None:
    """Refuse the first word that looks like an option and is none."""
    known = _option_names(line)
    for word in words:
        name = word.partition("=")[0].replace("_", "-")
        if word.startswith("--") and name not in known:
            close = get_close_matches(name, known, n=3, cutoff=0.5)
            hint = f"{nearest(name, close)}; " if close else ""
            raise WrongUse(f"{program} has no option {word}", f"{hint}{program} --help lists them")


def _option_names(cls: Any, prefix: str = "") -> list[str]:
    """``--name`` of every field, fields of nested options included."""
    names = []
    for entry in dataclasses.fields(cls):
        hint = typing.get_type_hints(cls)[entry.name]
        if dataclasses.is_dataclass(hint):
            inner = "" if entry.name in ("options", "dials") else f"{prefix}{entry.name}."
            names += _option_names(hint, inner)
        else:
            name = f"{prefix}{entry.name}".replace("_", "-")
            names += [f"--{name}", f"--no-{name}"] if hint is bool else [f"--{name}"]
    return names


def _mistake(program: str, box: str) -> WrongUse:
    """What tyro drew a box about, as a sentence and a hint."""
    help_hint = f"{program} --help explains"
    # The title, a border or a rule under it, what was wrong, and a rule before what is always said.
    lines = [line.strip("│╭╮╰╯|+") for line in box.splitlines()][1:]
    rules = [number for number, line in enumerate(lines) if len(line) > 2 and not line.strip(" ─-")]
    start = 1 if rules[:1] == [0] else 0
    end = next((number for number in rules if number > start), len(lines))
    said = [line for line in lines[start:end] if line.strip()]
    if said and said[0].strip().startswith("Missing from"):
        indent = len(said[0]) - len(said[0].lstrip()) + 4
        names = [line.split()[0] for line in said[1:] if len(line) - len(line.lstrip()) == indent]
        return WrongUse(f"{program} needs {' and '.join(names)}", help_hint)
    first = said[0].strip() if said else "the command line cannot be read"
    if wrong := re.match(r"Error parsing (.+?): no type matching (.+?) could .* from \[(.*)\]", first):
        first = f"{wrong[1]} takes {wrong[2].removeprefix('{None}|')}, not {wrong[3]}"
    sentence, _, rest = first.partition(". ")
    return WrongUse(
        f"{program}: {sentence.rstrip('.')}", f"{rest.rstrip('.')}; {help_hint}" if rest else help_hint
    )


def _reporter() -> Any:
    from monoscope.commands.progress import Reporter

    return Reporter(_console())


def _console() -> Any:
    from rich.console import Console

    return Console(stderr=True, highlight=False)


def _give_up_output() -> None:
    """Whoever read our output has had enough: nothing is left to say, and nowhere to say it."""
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _tell(text: str) -> None:
    _console().print(text, markup=False, soft_wrap=True)


def _complain(sentence: str, hint: str = "") -> None:
    """An error for people: one line, and one with what to do."""
    flat = " ".join(sentence.split())
    print(f"error: {flat}", file=sys.stderr)
    if hint:
        print(f"hint: {' '.join(hint.split())}", file=sys.stderr)


def _unexpected(error: Exception) -> int:
    """Say what no one foresaw."""
    if isinstance(error, OSError) and error.strerror:
        place = f" {error.filename}" if error.filename else ""
        _complain(
            f"{error.strerror[0].lower()}{error.strerror[1:]}:{place}", "check the path and its permissions"
        )
    elif isinstance(error, MemoryError):
        _complain("there is not enough memory", "give smaller batches or fewer features")
    else:
        reason = str(error).split("\n")[0]
        _complain(
            f"{type(error).__name__}: {reason}",
            "this is a defect of monoscope: MONOSCOPE_DEBUG=1 shows where, please report it",
        )
    return 1
