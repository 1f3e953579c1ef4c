"""A filter as people write it: ``density<0.01 & max>5 & description~"bridge" & alive``.

::

    filter     either
    either     both, then any number of  "|" both
    both       one, then any number of  "&" one
    one        "~" one   or   "(" either ")"   or   "alive"   or   a condition
    condition  NUMBER-NAME  < <= > >= = !=  NUMBER        or  NUMBER-NAME = NUMBER..NUMBER
               TEXT-NAME    ~ = !=          WORD or "TEXT"

``~`` before a condition is *not*, after the name of a text it is *holds*. A number may end in ``%``; a range
holds both its ends. Quoted text is written as in JSON, or in single quotes as it is.
"""

import json
import re
from dataclasses import dataclass

from monoscope.errors import UnknownName, WrongUse, nearest
from monoscope.features.filters import (
    FULL_NAMES,
    NUMBER_RELATIONS,
    NUMBERS,
    TEXT_RELATIONS,
    TEXTS,
    Alive,
    Both,
    Either,
    Filter,
    Not,
    Number,
    Text,
)

MOST_PIECES = 200
"""Words, numbers and signs in a filter at most: who asks for more asks by mistake."""
DEEPEST = 30
"""Conditions inside conditions at most."""
PIECE = re.compile(
    r"""(?P<text>"(?:[^"\\]|\\.)*"|'[^']*')
    |(?P<number>[-+]?(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][-+]?\d+)?%?)
    |(?P<word>[^\W\d]\w*(?:\.\w+)*)
    |(?P<sign><=|>=|!=|==|\.\.|[<>=~&|()])""",
    re.VERBOSE | re.DOTALL,
)
EXAMPLE = 'for instance density<0.01 & description~"bridge"'


def as_filter(where: Filter | str | None) -> Filter | None:
    """A filter, however it was given.

    Raises:
        WrongUse, UnknownName: it is text and no filter; see :func:`read_filter`.
    """
    return read_filter(where) if isinstance(where, str) else where


def read_filter(text: str) -> Filter:
    """The filter that a text says; ``str`` of it says the same.

    Raises:
        WrongUse: the text is no filter; the sentence says at which character, counted from 1.
        UnknownName: it is one, of a name that no feature has.
    """
    reading = _Reading(text, _pieces(text))
    found = reading.either()
    if reading.kind != "end":
        raise reading.mistake("goes on", "join conditions by & or |")
    return found


@dataclass(frozen=True)
class _Piece:
    """A word, a number, a text or a sign."""

    kind: str
    text: str
    place: int
    """Its first character, counted from 1."""


def _pieces(text: str) -> list[_Piece]:
    pieces, place = [], 0
    while place < len(text):
        if text[place].isspace():
            place += 1
            continue
        match = PIECE.match(text, place)
        if match is None:
            what = "a quote that is not closed" if text[place] in "\"'" else f"{text[place]!r}"
            raise WrongUse(f"the filter has {what} at character {place + 1}", EXAMPLE)
        pieces.append(_Piece(str(match.lastgroup), match[0], place + 1))
        if len(pieces) > MOST_PIECES:
            raise WrongUse(
                f"the filter has more than {MOST_PIECES} words, numbers and signs", "ask for less at once"
            )
        place = match.end()
    if not pieces:
        raise WrongUse("the filter is empty", EXAMPLE)
    return [*pieces, _Piece("end", "", len(text) + 1)]


@dataclass
class _Reading:
    """Reads a filter from its pieces, by descent."""

    source: str
    pieces: list[_Piece]
    at: int = 0
    depth: int = 0

    @property
    def here(self) -> _Piece:
        return self.pieces[self.at]

    @property
    def kind(self) -> str:
        return self.here.kind

    def take(self) -> _Piece:
        piece = self.here
        self.at += piece.kind != "end"
        return piece

    def taken(self, sign: str) -> bool:
        """Go past a sign, when it is next."""
        found = self.kind == "sign" and self.here.text == sign
        self.at += found
        return found

    def mistake(self, found: str, hint: str) -> WrongUse:
        """What is wrong with the next piece."""
        what = f"{found} with {_quoted(self.here)}" if self.kind != "end" else "ends"
        return WrongUse(f"the filter {what} at character {self.here.place}", hint)

    def either(self) -> Filter:
        found = self.both()
        while self.taken("|"):
            found = Either(found, self.both())
        return found

    def both(self) -> Filter:
        found = self.one()
        while self.taken("&"):
            found = Both(found, self.one())
        return found

    def one(self) -> Filter:
        if self.depth > DEEPEST:
            raise self.mistake("goes deeper", f"at most {DEEPEST} conditions can stand inside each other")
        self.depth += 1
        found = self.part()
        self.depth -= 1
        return found

    def part(self) -> Filter:
        if self.taken("~"):
            return Not(self.one())
        if self.taken("("):
            found = self.either()
            if not self.taken(")"):
                raise self.mistake("goes on", "a parenthesis is open: close it with )")
            return found
        if self.kind != "word":
            raise self.mistake("goes on", f"a condition belongs here, {EXAMPLE}")
        return self.condition()

    def condition(self) -> Filter:
        name = self.take()
        if name.text == "alive":
            return Alive()
        known = FULL_NAMES.get(name.text, name.text)
        if known in NUMBERS:
            return self.number(known)
        if known in TEXTS:
            return self.text(known)
        names = dict.fromkeys([*NUMBERS, *FULL_NAMES, *TEXTS, "alive"])
        raise UnknownName(
            f"the filter asks for {_quoted(name)} at character {name.place}, which features don't have",
            nearest(name.text, names),
        )

    def number(self, name: str) -> Filter:
        relation = self.relation(name, NUMBER_RELATIONS)
        low = self.value(name)
        if relation != "=" or not self.taken(".."):
            return Number(name, relation, low)
        return Both(Number(name, ">=", low), Number(name, "<=", self.value(name)))

    def value(self, name: str) -> float | int:
        if self.kind != "number":
            raise self.mistake("goes on", f"{name} is a number: give one, for instance {name}>5")
        written = self.here.text
        value = float(written.removesuffix("%")) / (100 if written.endswith("%") else 1)
        if value in (float("inf"), float("-inf")):
            raise self.mistake("goes on", f"{name} is compared with finite numbers")
        self.take()
        return int(value) if value.is_integer() and abs(value) < 2**53 else value

    def text(self, name: str) -> Filter:
        relation = self.relation(name, TEXT_RELATIONS)
        if self.kind not in ("word", "text", "number"):
            raise self.mistake("goes on", f'{name} is a text: give one, for instance {name}~"bridge"')
        return Text(name, relation, self.unquoted())

    def unquoted(self) -> str:
        """The text that the next piece stands for."""
        written = self.here.text
        if written.startswith("'"):
            value = written[1:-1]
        elif written.startswith('"'):
            try:
                value = json.loads(written, strict=False)
            except ValueError as error:
                raise self.mistake("has a wrong escape", 'write \\" for a quote and \\\\ for \\') from error
        else:
            value = written
        self.take()
        return value

    def relation(self, name: str, known: dict) -> str:
        written = "=" if self.here.text == "==" else self.here.text
        if self.kind != "sign" or written not in known:
            raise self.mistake("goes on", f"{name} is compared by {' '.join(known)}")
        self.take()
        return written


def _quoted(piece: _Piece) -> str:
    """A piece as a sentence names it, cut when it is long."""
    return repr(piece.text if len(piece.text) <= 40 else f"{piece.text[:40]}…")
