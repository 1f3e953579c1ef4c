"""Parts of what a client told, or one sentence on why they are none."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from monoscope.errors import UnknownName, WrongUse, nearest

EXAMPLE = "an expression is like 2*bridge@generated + -0.5*412"


def refuse_others(told: Mapping[Any, Any], known: Sequence[str], what: str) -> None:
    """Refuse keys that mean nothing.

    Raises:
        UnknownName: there is one.
    """
    for key in told:
        if key not in known:
            raise UnknownName(f"{what} has no {key!r}", nearest(str(key), known))


def number(told: object, what: str) -> float:
    """A number, however it was written.

    Raises:
        WrongUse: it is none.
    """
    if isinstance(told, int | float | str) and not isinstance(told, bool):
        try:
            return float(told)
        except (ValueError, OverflowError):
            pass
    raise WrongUse(f"{what} takes a number, not {shown(told)}", EXAMPLE)


def integer(told: object, what: str) -> int:
    """A whole number from 0 up, however it was written.

    Raises:
        WrongUse: it is none.
    """
    if (
        isinstance(told, int | str)
        and not isinstance(told, bool)
        and re.fullmatch(r"\d{1,18}", str(told), re.ASCII)
    ):
        return int(told)
    raise WrongUse(f"{what} takes a whole number from 0 up, not {shown(told)}", EXAMPLE)


def text(told: object, what: str) -> str:
    """A text.

    Raises:
        WrongUse: it is none.
    """
    if isinstance(told, str):
        return told
    raise WrongUse(f"{what} takes a text, not {shown(told)}", EXAMPLE)


def shown(told: object) -> str:
    """The beginning of what was told."""
    said = repr(told)
    return said if len(said) <= 60 else f"{said[:57]}..."
