"""At which tokens something is done: which part of a text, and on which condition."""

import re
from dataclasses import dataclass
from math import inf, isfinite
from typing import Literal, NamedTuple

from monoscope.errors import UnknownName, WrongUse, nearest

Part = Literal["all", "prompt", "generated"]


class Bounds(NamedTuple):
    """Tokens from one place up to another, counted from the beginning of the text and from the end of its prompt."""

    start: float = 0
    """First position in the text."""
    stop: float = inf
    """Position after the last."""
    after: float = -inf
    """First position, counted from the end of the prompt: 0 is the first token that the model wrote."""
    before: float = inf
    """Position after the last, counted from there."""


@dataclass(frozen=True, kw_only=True)
class Scope:
    """Tokens of a text, at most one of ``first``, ``last`` and ``span`` given.

    A token is changed when the model reads it: what is done to ``generated`` tokens is first seen in the second of
    them, since the first is written while the model reads the prompt's last.
    """

    part: Part = "all"
    """The whole text, its prompt, or what the model wrote."""
    first: int | None = None
    """The first so many of the text, the beginning-of-text token included."""
    last: int | None = None
    """The last so many of the prompt."""
    span: tuple[int, int] | None = None
    """From one position of the text up to, and without, another."""
    skip_special: bool = False
    """Leave out tokens that stand for no text."""

    def __post_init__(self) -> None:
        given = [name for name in ("first", "last", "span") if getattr(self, name) is not None]
        if len(given) + (self.part != "all") > 1:
            raise WrongUse(f"a scope has {' and '.join([*given, self.part])}", "give one of them")
        for name in ("first", "last"):
            if (count := getattr(self, name)) is not None and count < 1:
                raise WrongUse(f"{name}={count} is no number of tokens", "give 1 or more")
        if self.span is not None and not 0 <= self.span[0] < self.span[1]:
            raise WrongUse(f"there are no tokens from {self.span[0]} up to {self.span[1]}", "give 0 <= a < b")

    @property
    def bounds(self) -> Bounds:
        """The scope as numbers."""
        found = {"all": Bounds(), "prompt": Bounds(before=0), "generated": Bounds(after=0)}[self.part]
        if self.first is not None:
            found = found._replace(stop=self.first)
        if self.last is not None:
            found = found._replace(after=-self.last, before=0)
        if self.span is not None:
            found = found._replace(start=self.span[0], stop=self.span[1])
        return found

    @classmethod
    def parse(cls, text: str) -> "Scope":
        """``all``, ``prompt``, ``generated``, ``first:8``, ``last:2``, ``4:10``; with ``,text`` without special tokens.

        Raises:
            UnknownName: it is none of these.
            WrongUse: its numbers are out of range.
        """
        where, _, more = text.partition(",")
        skip = {"": False, "text": True}.get(more)
        if skip is not None:
            if where in ("all", "prompt", "generated"):
                return cls(part=where, skip_special=skip)  # type: ignore[arg-type]
            if found := re.fullmatch(r"(first|last):(\d+)", where, re.ASCII):
                return cls(**{found[1]: int(found[2])}, skip_special=skip)  # type: ignore[arg-type]
            if found := re.fullmatch(r"(\d+):(\d+)", where, re.ASCII):
                return cls(span=(int(found[1]), int(found[2])), skip_special=skip)
        known = ["all", "prompt", "generated", "first:8", "last:2", "4:10", "generated,text"]
        raise UnknownName(f"{text!r} is no scope", nearest(text, known))

    def __str__(self) -> str:
        counts = [
            f"{name}:{count}" for name in ("first", "last") if (count := getattr(self, name)) is not None
        ]
        spans = [] if self.span is None else [f"{self.span[0]}:{self.span[1]}"]
        return "".join([*counts, *spans] or [self.part]) + (",text" if self.skip_special else "")


@dataclass(frozen=True)
class When:
    """Only at tokens at which another feature is active, or is not."""

    feature: int
    """Its number, in the same dictionary."""
    above: float = 0.0
    """More active than so many times its largest activation."""
    otherwise: bool = False
    """The other tokens instead: those at which it is not."""

    def __post_init__(self) -> None:
        if not (isfinite(self.above) and self.above >= 0):
            raise WrongUse(f"{self.above} is no bound for an activation", "give a number from 0 up")
