"""From an options dataclass to a command line, and from a mistake in one to a sentence."""

import contextlib
import dataclasses
import io
import os
import re
import textwrap
import tomllib
import typing
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Annotated, Any

from monoscope.errors import WrongUse, nearest


def parse(program: str, options: type, words: list[str]) -> tuple[Any, bool]:
    """The options that a line gives, and whether JSON was asked for; ``--help`` is answered here and leaves.

    Args:
        program: the command, as it is called.
        options: its dataclass.
        words: what stands after the command.

    Raises:
        WrongUse: the line is no use of the command.
        SystemExit: help was asked for and printed.
    """
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

    def parsed_line() -> Any:
        return tyro.cli(
            line,
            args=words,
            prog=program,
            description=_paragraphs(options.__doc__ or ""),
            config=(tyro.conf.FlagCreatePairsOff,),
        )

    if {"-h", "--help"} & set(words):
        parsed = parsed_line()
        return parsed.options, parsed.json
    _check_options(program, line, words)
    said = io.StringIO()
    width = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = "10000"
    try:
        with contextlib.redirect_stderr(said):
            parsed = parsed_line()
    except SystemExit as error:
        raise _mistake(program, said.getvalue()) from error
    finally:
        os.environ.pop("COLUMNS") if width is None else os.environ.update(COLUMNS=width)
    return parsed.options, parsed.json


def value_of(told: str) -> Any:
    """A number, true or false where it reads as one; otherwise the text."""
    try:
        return tomllib.loads(f"value = {told}")["value"]
    except tomllib.TOMLDecodeError:
        return told


def _paragraphs(text: str) -> str:
    """A docstring as people read it: without indentation and markup."""
    parts = text.replace("``", "").split("\n\n")
    return "\n\n".join(textwrap.fill(" ".join(part.split()), 88) for part in parts)


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
            names += [f"--no-{name}"] if hint is bool and entry.default is True else [f"--{name}"]
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
    elif wrong := re.match(r"Error parsing (.+?): invalid literal for int\(\) with base 10: (.*)", first):
        first = f"{wrong[1]} takes a whole number, not {wrong[2]}"
    sentence, _, rest = first.partition(". ")
    return WrongUse(
        f"{program}: {sentence.rstrip('.')}", f"{rest.rstrip('.')}; {help_hint}" if rest else help_hint
    )
