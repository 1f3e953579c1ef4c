"""A complete run as data: from what, how, and in TOML.

``monoscope run RECIPE.toml`` reads one, ``RUN/run.toml`` is one. Every table is optional; what is left out has its
default::

    model = "builtin"
    corpus = "builtin"
    site = "blocks.2.resid_post"

    [harvest]
    n_tokens = 2_000_000

    [dictionary]
    n_features = 4096
    sparsifier = { name = "topk", k = 32 }

    [training]
    n_tokens = 8_000_000
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import tomli_w

from monoscope.activations.harvest import HarvestOptions
from monoscope.commands.showcase import ShowcaseOptions
from monoscope.dictionaries import SPARSIFIERS, AutoencoderOptions, Sparsifier
from monoscope.errors import BrokenInput, MissingInput, WrongUse, nearest
from monoscope.evaluate.report import EvaluateOptions
from monoscope.features.options import IndexOptions
from monoscope.manifest import flattened
from monoscope.registry import Registry
from monoscope.train import PENALTIES, Penalty, TrainOptions

Options = TypeVar("Options")

REGISTRIES: dict[Any, tuple[Registry[Any], str]] = {
    Sparsifier: (SPARSIFIERS, "topk"),
    Penalty: (PENALTIES, "l1"),
}
"""A kind of option -> where its variants are registered, and the one meant where none is named."""
KINDS = {registry[name] for registry, _ in REGISTRIES.values() for name in registry}
"""Every variant."""

KIND_OF_VALUE = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}
"""What values are called in messages."""


@dataclass(frozen=True, kw_only=True)
class BesideOptions:
    """Further dictionaries of the same activations: what splits as they grow, and what is found again."""

    widths: tuple[int, ...] = ()
    """Features of narrower or wider dictionaries."""
    k: tuple[int, ...] = ()
    """Features that each of them keeps for a token, for topk and batch_topk; as many as the run's own unless given."""
    seeds: tuple[int, ...] = ()
    """Seeds of further dictionaries as wide as the run's own."""
    n_tokens: int = 1_000_000
    """Tokens that each of them learns from."""
    n_compared: int = 100_000
    """Tokens of held-out text that they are compared on, at most."""

    def __post_init__(self) -> None:
        if self.k and len(self.k) != len(self.widths):
            raise WrongUse(
                f"beside.k = {list(self.k)} and beside.widths = {list(self.widths)} differ in length",
                "give one k for each width, or none",
            )


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """All that decides what a run makes."""

    model: str = "builtin"
    """``builtin``, a folder, or a Hugging Face id."""
    corpus: str = "builtin"
    """``builtin``, a file, a folder, or ``hf:NAME``."""
    site: str = ""
    """Where in the model; empty stands for the residual stream after the middle block."""
    activations: str = ""
    """Folder of activations that were harvested before, to learn from; empty: this run harvests its own."""
    harvest: HarvestOptions = field(default_factory=HarvestOptions)
    """How much text is read."""
    dictionary: AutoencoderOptions = field(default_factory=AutoencoderOptions)
    """What is learnt."""
    training: TrainOptions = field(default_factory=TrainOptions)
    """How it is learnt."""
    index: IndexOptions = field(default_factory=IndexOptions)
    """What is kept of every feature."""
    evaluation: EvaluateOptions = field(default_factory=EvaluateOptions)
    """What is measured."""
    showcase: ShowcaseOptions = field(default_factory=ShowcaseOptions)
    """Which feature is shown at work."""
    beside: BesideOptions = field(default_factory=BesideOptions)
    """Which dictionaries it is compared with; none unless given."""

    def to_table(self) -> dict[str, Any]:
        """The recipe as TOML and JSON can hold it; what is None is left out."""
        return _told(self)

    @classmethod
    def from_table(cls, table: Mapping[str, Any], where: str) -> "Recipe":
        """The recipe that a table tells.

        Args:
            table: what :meth:`to_table` gives, or a part of it.
            where: what to call it in errors.

        Raises:
            WrongUse: an option does not exist, or has a value that it cannot have.
        """
        return built(cls, table, where)

    def to_toml(self) -> str:
        """The recipe as text."""
        return tomli_w.dumps(self.to_table())


def read_recipe(path: Path) -> Recipe:
    """Read a recipe.

    Raises:
        MissingInput: there is no such file.
        BrokenInput: it is not TOML.
        WrongUse: it names an option that does not exist, or gives it a value that it cannot have.
    """
    if not path.is_file():
        raise MissingInput(f"there is no recipe {path}", "give a TOML file, or leave it out")
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BrokenInput(
            f"{path} is not TOML: {error}", "mend it, or compare it with another run.toml"
        ) from error
    return Recipe.from_table(table, str(path))


def check_same(begun: Recipe, asked: Recipe, where: str) -> None:
    """Refuse to go on with other options than before.

    Raises:
        WrongUse: an option differs; the sentence names it and both values.
    """
    before, now = flattened(begun.to_table()), flattened(asked.to_table())
    for name in [*before, *now]:
        if before.get(name) != now.get(name):
            raise WrongUse(
                f"{where} was begun with {name} = {_shown(before, name)}, and now it is {_shown(now, name)}",
                "leave the option as it was to go on, or give a new --out",
            )


def _shown(flat: Mapping[str, Any], name: str) -> str:
    return repr(flat[name]) if name in flat else "its default"


def _told(options: Any) -> dict[str, Any]:
    """An options dataclass as a table; one that a registry knows begins with its name."""
    named = {"name": options.name} if type(options) in KINDS else {}
    told: dict[str, Any] = {}
    for entry in fields(options):
        value = getattr(options, entry.name)
        if is_dataclass(value):
            told[entry.name] = _told(value)
        elif value is not None and not (isinstance(value, tuple) and not value):
            told[entry.name] = list(value) if isinstance(value, tuple) else value
    return named | told


def built(cls: type[Options], table: Any, where: str) -> Options:
    """An options dataclass out of a table.

    Raises:
        WrongUse: an option does not exist, or has a value that it cannot have.
    """
    if not isinstance(table, Mapping):
        raise WrongUse(f"{where} is {table!r}, and a table belongs there", "see a run.toml that was written")
    hints = get_type_hints(cls)
    known = [entry.name for entry in fields(cls)]  # type: ignore[arg-type]
    for name in table:
        if name not in known:
            raise WrongUse(f"{where} has no option {name!r}", nearest(name, known))
    return cls(**{name: _value(hints[name], value, f"{where}: {name}") for name, value in table.items()})


def _of_a_kind(kind: Any, table: Any, where: str) -> Any:
    """A sparsifier or a penalty out of a table: its name, and its own options.

    Raises:
        UnknownName: there is none of that name.
    """
    if not isinstance(table, Mapping):
        raise WrongUse(f"{where} is {table!r}, and a table belongs there", "see a run.toml that was written")
    registry, usual = REGISTRIES[kind]
    chosen = registry[table.get("name", usual)]
    own = {name: value for name, value in table.items() if name != "name"}
    known = [entry.name for entry in fields(chosen)]
    for name in own:
        if name not in known:
            raise WrongUse(f"the {registry.kind} {chosen.name} has no option {name!r}", nearest(name, known))
    return built(chosen, own, where)


def _value(hint: Any, value: Any, where: str) -> Any:
    """A value of the type that an option asks for."""
    kind = get_origin(hint)
    if hint in REGISTRIES:
        return _of_a_kind(hint, value, where)
    if is_dataclass(hint):
        return built(hint, value, where)  # type: ignore[arg-type]
    if kind in (Union, UnionType):
        (hint,) = (part for part in get_args(hint) if part is not NoneType)
        return _value(hint, value, where)
    if kind is Literal:
        if value not in get_args(hint):
            raise WrongUse(f"{where} is {value!r}", f"it may be {', '.join(map(repr, get_args(hint)))}")
        return value
    if kind is tuple and isinstance(value, (list, tuple)):
        return tuple(_value(get_args(hint)[0], each, where) for each in value)
    if hint is float and type(value) is int:
        return float(value)
    if type(value) is not hint:
        kind = KIND_OF_VALUE.get(hint, f"a {getattr(hint, '__name__', hint)}")
        raise WrongUse(
            f"{where} is {value!r}, and {kind} belongs there", "monoscope train --help lists options"
        )
    return value
