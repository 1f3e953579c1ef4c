"""What the commands that find features share: options, results as a table, and a text's tokens in one line."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import tyro

from monoscope.errors import WrongUse
from monoscope.features import SearchResult

Run = Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="RUN")]
Where = Annotated[str, tyro.conf.arg(metavar="FILTER", help_behavior_hint="")]
"""A filter, as text; empty: all features."""

BYTES = re.compile(r"(?:<0x[0-9A-F]{2}>)+")
"""How tokens write bytes that are no whole character."""


def check_limit(limit: int) -> None:
    """Refuse to find nothing.

    Raises:
        WrongUse: the limit is below 1.
    """
    if limit < 1:
        raise WrongUse(f"--limit {limit} asks for no features", "give 1 or more")


def answer(query: Any, found: Sequence[SearchResult], **more: Any) -> dict[str, Any]:
    """``query`` and ``results``, best first, and what else there is to say."""
    return {"query": query, **more, "results": [each.to_json() for each in found]}


def nothing(sentence: str, where: str) -> str:
    """What is said where nothing was found, so that a filter is not forgotten."""
    return f"{sentence} and passes {where}" if where else sentence


def table(results: Sequence[dict[str, Any]]) -> str:
    """Results for people."""
    width = max((len(each["why"]) for each in results), default=0)
    lines = [f"{'feature':>8}  {'score':>7}  {'density':>8}  {'why':<{width}}  description"]
    lines += [
        f"{each['feature']:>8}  {each['score']:7.3g}  {each['density']:8.3%}  {each['why']:<{width}}  "
        f"{each['description']}"
        for each in results
    ]
    return "\n".join(lines)


def counted(number: int, what: str) -> str:
    """``1 text``, ``2 texts``."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def quoted(text: str, most: int = 60) -> str:
    """A text as a sentence names it: in one line, cut when it is long."""
    line = " ".join(text.split())
    return f"“{line}”" if len(line) <= most else f"“{line[:most]}…”"


def marked(tokens: Sequence[str], activations: Sequence[float]) -> str:
    """A text in one line, its strongest token in brackets; characters split over tokens are put together."""
    strongest = max(range(len(tokens)), key=lambda place: activations[place])
    parts: list[tuple[str, bool]] = []
    open_bytes = False
    for place, token in enumerate(tokens):
        is_bytes = BYTES.search(token) is not None
        if open_bytes and is_bytes:
            text, strong = parts.pop()
            parts.append((text + token, strong or place == strongest))
        else:
            parts.append((token, place == strongest))
        open_bytes = is_bytes and not _whole(parts[-1][0])
    shown = [(BYTES.sub(_characters, text), strong) for text, strong in parts]
    return "".join(f"[{text}]" if strong else text for text, strong in shown).replace("\n", "⏎")


def _whole(text: str) -> bool:
    return BYTES.search(BYTES.sub(_characters, text)) is None


def _characters(found: re.Match[str]) -> str:
    """The characters that some bytes are, or the bytes as they were written."""
    try:
        return bytes.fromhex(found[0].replace("<0x", "").replace(">", "")).decode()
    except UnicodeDecodeError:
        return found[0]
