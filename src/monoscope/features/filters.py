"""Conditions on features: one small algebra for the command line, Python and every other front.

::

    rare = Number("density", "<", 0.01) & Alive()
    rare | ~Text("description", "~", "bridge")          # density<0.01 & alive | ~(description~"bridge")

A filter is a value: it can be compared, joined by ``&``, ``|`` and ``~``, written as text and read back
(:func:`monoscope.features.filter_text.read_filter`), and turned into a mask over the features of an index.
Numbers are compared as whole columns; descriptions are asked of the database.
"""

import json
import math
import operator
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Shaped

from monoscope.errors import UnknownName, WrongUse, nearest

NUMBERS = {
    "density": "density",
    "n_active": "n_active",
    "max": "max_activation",
    "mean": "mean_activation",
    "feature": "",
    "score": "",
}
"""Name of a number -> the column that holds it; a feature's own number and the score of a search have none."""
TEXTS = ("description", "site")
"""Names of texts."""
FULL_NAMES = {column: name for name, column in NUMBERS.items() if column}
"""The name that records and JSON have for a number -> its name here."""

NUMBER_RELATIONS: dict[str, Callable[[Any, float | int], Any]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "=": operator.eq,
    "!=": operator.ne,
}
"""How a number can be compared."""
TEXT_RELATIONS = {"~": "holds, whatever the case", "=": "is", "!=": "is not"}
"""How a text can be compared."""

Mask = Bool[np.ndarray, " n_features"]


@runtime_checkable
class Columns(Protocol):
    """What a filter asks of an index."""

    n_features: int

    @property
    def site(self) -> str:
        """Where the dictionary reads."""
        ...

    def statistics(self) -> Mapping[str, Shaped[np.ndarray, " n_features"]]:
        """The numbers of every feature by name of the column."""
        ...

    def described(self, text: str, relation: str) -> Bool[np.ndarray, " n_features"]:
        """The features whose description holds a text (``~``) or is it (``=``)."""
        ...


class Filter(ABC):
    """A condition on features."""

    @abstractmethod
    def mask(self, columns: Columns, score: Shaped[np.ndarray, " n_features"] | None = None) -> Mask:
        """True for the features that meet it.

        Args:
            columns: the index.
            score: of every feature, where a search has given one.

        Raises:
            WrongUse: the filter asks for a score and there is none.
        """

    def __and__(self, other: "Filter") -> "Filter":
        return Both(self, other)

    def __or__(self, other: "Filter") -> "Filter":
        return Either(self, other)

    def __invert__(self) -> "Filter":
        return Not(self)


@dataclass(frozen=True)
class Number(Filter):
    """A number of the feature compared with one given: ``density<0.01``.

    Raises:
        UnknownName: no such number or relation.
        WrongUse: the number given is not finite.
    """

    name: str
    """One of ``NUMBERS``."""
    relation: str
    """One of ``NUMBER_RELATIONS``."""
    value: float | int
    """What it is compared with."""

    def __post_init__(self) -> None:
        _check("a number of a feature", self.name, NUMBERS)
        _check("a relation of numbers", self.relation, NUMBER_RELATIONS)
        if not math.isfinite(self.value):
            raise WrongUse(f"{self.name} cannot be compared with {self.value}", "give a finite number")

    def mask(self, columns: Columns, score: Shaped[np.ndarray, " n_features"] | None = None) -> Mask:
        """True where the relation holds, in 64 bits."""
        return NUMBER_RELATIONS[self.relation](self._column(columns, score), self.value)

    def _column(self, columns: Columns, score: Shaped[np.ndarray, " n_features"] | None) -> np.ndarray:
        if self.name == "feature":
            return np.arange(columns.n_features)
        if self.name != "score":
            return columns.statistics()[NUMBERS[self.name]].astype(np.float64)
        if score is None:
            raise WrongUse(f"{self} asks for a score, and only what a search found has one", "leave it out")
        return score.astype(np.float64)

    def __str__(self) -> str:
        return f"{self.name}{self.relation}{repr(self.value).removesuffix('.0')}"


@dataclass(frozen=True)
class Text(Filter):
    """A text of the feature compared with one given: ``description~"bridge"``.

    Raises:
        UnknownName: no such text or relation.
    """

    name: str
    """One of ``TEXTS``."""
    relation: str
    """One of ``TEXT_RELATIONS``."""
    value: str
    """What it is compared with."""

    def __post_init__(self) -> None:
        _check("a text of a feature", self.name, TEXTS)
        _check("a relation of texts", self.relation, TEXT_RELATIONS)

    def mask(self, columns: Columns, score: Shaped[np.ndarray, " n_features"] | None = None) -> Mask:
        """True where the relation holds."""
        positive = "~" if self.relation == "~" else "="
        if self.name == "description":
            met = columns.described(self.value, positive)
        else:
            here, asked = columns.site.casefold(), self.value.casefold()
            same = asked in here if positive == "~" else self.value == columns.site
            met = np.full(columns.n_features, same)
        return ~met if self.relation == "!=" else met

    def __str__(self) -> str:
        return f"{self.name}{self.relation}{json.dumps(self.value, ensure_ascii=False)}"


@dataclass(frozen=True)
class Alive(Filter):
    """The feature fired at least once on the indexed corpus: ``alive``."""

    def mask(self, columns: Columns, score: Shaped[np.ndarray, " n_features"] | None = None) -> Mask:
        """True where ``n_active`` is above 0."""
        return columns.statistics()["n_active"] > 0

    def __str__(self) -> str:
        return "alive"


@dataclass(frozen=True)
class Both(Filter):
    """Both conditions are met: ``left & right``."""

    left: Filter
    right: Filter

    def mask(self, columns: Columns, score: Shaped[np.ndarray, " n_features"] | None = None) -> Mask:
        """True where both are."""
        return self.left.mask(columns, score) & self.right.mask(columns, score)

    def __str__(self) -> str:
        return f"{_inside(self.left, Either)} & {_inside(self.right, Either, Both)}"


@dataclass(frozen=True)
class Either(Filter):
    """At least one of two conditions is met: ``left | right``."""

    left: Filter
    right: Filter

    def mask(self, columns: Columns, score: Shaped[np.ndarray, " n_features"] | None = None) -> Mask:
        """True where either is."""
        return self.left.mask(columns, score) | self.right.mask(columns, score)

    def __str__(self) -> str:
        return f"{self.left} | {_inside(self.right, Either)}"


@dataclass(frozen=True)
class Not(Filter):
    """The condition is not met: ``~alive``, ``~(density<0.01)``."""

    of: Filter

    def mask(self, columns: Columns, score: Shaped[np.ndarray, " n_features"] | None = None) -> Mask:
        """True where it is not."""
        return ~self.of.mask(columns, score)

    def __str__(self) -> str:
        return f"~{_inside(self.of, Either, Both, Number, Text)}"


def _inside(part: Filter, *weaker: type[Filter]) -> str:
    """The text of a part, in parentheses when it would be read otherwise without."""
    return f"({part})" if isinstance(part, weaker) else str(part)


def _check(what: str, name: str, known: Mapping[str, Any] | tuple[str, ...]) -> None:
    if name not in known:
        raise UnknownName(f"{name!r} is no name of {what}", nearest(name, known))
