"""The command line: options dataclasses turned into options, results into text or JSON, exceptions into one sentence.

No command is imported before it is asked for, so that ``--help`` and ``--version`` answer at once.
"""

import contextlib
import json
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

from monoscope.commands.arguments import parse
from monoscope.commands.terminal import visible, visible_json
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
    "sweep": Command(
        "sweep", "sweep", "SweepCommand", "learn many dictionaries from one reading of activations", True
    ),
    "index": Command("index", "index_run", "IndexCommand", "what every feature fires on and writes", True),
    "evaluate": Command(
        "evaluate", "evaluate_run", "EvaluateCommand", "the report card, beside baselines", True
    ),
    "explain": Command(
        "explain",
        "explain_run",
        "ExplainCommand",
        "describe every feature, and what the model loses without it",
    ),
    "features search": Command(
        "features", "search", "SearchOptions", "find features by words, a token, an example, a concept"
    ),
    "features show": Command("features", "show", "ShowOptions", "one feature's card"),
    "features on": Command("features", "on", "OnOptions", "which features fire on a text"),
    "features near": Command("features", "near", "NearOptions", "features that point the same way"),
    "features contrast": Command(
        "features", "contrast", "ContrastOptions", "features that fire on some texts and not on others"
    ),
    "features attribute": Command(
        "features", "attribute", "AttributeOptions", "features that speak for one token and against another"
    ),
    "export": Command(
        "export", "export", "ExportOptions", "pages for any static host, and other tools' layouts"
    ),
    "steer": Command(
        "steer", "steer_run", "SteerOptions", "write with features changed, default and steered"
    ),
    "vector train": Command("vector", "train", "TrainOptions", "learn a control vector from pairs of texts"),
    "vector show": Command(
        "vector", "show", "ShowOptions", "what a vector is: which layer, which features, what it reads"
    ),
    "vector apply": Command("vector", "apply", "ApplyOptions", "write along a vector, default and steered"),
    "vector export": Command(
        "vector", "export_vector", "ExportOptions", "write a vector for llama.cpp (gguf) or numpy (npz)"
    ),
    "vector import": Command("vector", "import_vector", "ImportOptions", "take up a vector from gguf or npz"),
    "serve": Command(
        "serve", "serve", "ServeOptions", "the run's model for any client of OpenAI's, steered by request"
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
        # Processes that torchrun started are all asked the same: what is wrong with it is said once.
        if not isinstance(error, WrongUse) or os.environ.get("RANK", "0") == "0":
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
    options, as_json = parse(
        f"monoscope {name}", getattr(module, command.options), words[len(name.split()) :]
    )
    with full_disk_is_said(Path.cwd()):
        result = getattr(module, command.name)(options, reporter=_reporter())
    if as_json:
        print(visible_json(json.dumps(result, ensure_ascii=False, allow_nan=False)))
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
        verbs = " | ".join(name.split()[1] for name in group)
        print("\n".join([f"usage: monoscope {words[0]} {verbs}", "", *_lines(group)]))
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
    return [f"  {name:<20} {COMMANDS[name].summary}" for name in names]


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
    _console().print(visible(text), markup=False, soft_wrap=True)


def _complain(sentence: str, hint: str = "") -> None:
    """An error for people: one line, and one with what to do."""
    print(f"error: {_line(sentence)}", file=sys.stderr)
    if hint:
        print(f"hint: {_line(hint)}", file=sys.stderr)


def _line(text: str) -> str:
    return visible(" ".join(text.split()))


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
