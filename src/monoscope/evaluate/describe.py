"""What a metric says of itself: its docstring is the one place where its formula and unit are written."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

HEADINGS = ("Measures", "Formula", "Unit", "How it can mislead", "References")
"""Headings that every metric's docstring has, in this order."""


@dataclass(frozen=True)
class Description:
    """A metric in words."""

    measures: str
    """What it tells, in one or two sentences."""
    formula: str
    """One line."""
    unit: str
    """Unit of the number."""
    misleads: str
    """When a good number means little."""
    references: str
    """Where it comes from."""


def describe(metric: Callable[..., Any]) -> Description:
    """Read a metric's docstring.

    Raises:
        ValueError: a heading is missing or has nothing under it.
    """
    texts: dict[str, list[str]] = {}
    heading = ""
    for line in (inspect.getdoc(metric) or "").splitlines():
        name = line.strip().removesuffix(":")
        if name in HEADINGS and line.strip().endswith(":"):
            heading = name
        elif heading:
            texts.setdefault(heading, []).append(line.strip())
    found = {name: " ".join(texts.get(name, [])).strip() for name in HEADINGS}
    missing = [name for name, text in found.items() if not text]
    if missing:
        raise ValueError(f"metric {metric.__name__} says nothing under {', '.join(missing)}")
    return Description(*(found[name] for name in HEADINGS))
