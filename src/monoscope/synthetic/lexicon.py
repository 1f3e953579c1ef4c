"""The topics of the planted world: word lists, read once from the package's TOML files."""

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Topic:
    """What a passage can be about, and the phrases that fill its sentences."""

    name: str
    """Key of the topic, for instance ``golden_gate_bridge``."""
    family: str
    """The file it comes from: ``landmarks``, ``sea`` ..."""
    title: str
    """How a sentence names it."""
    names: tuple[str, ...]
    """Singular noun phrases for it or its hero."""
    thing: tuple[str, ...]
    """Singular noun phrases with an article."""
    things: tuple[str, ...]
    """Plural noun phrases."""
    adjectives: tuple[str, ...]
    """Single adjectives."""
    actions: tuple[str, ...]
    """Past-tense predicates of a person."""
    wishes: tuple[str, ...]
    """Bare-infinitive predicates."""
    scenes: tuple[str, ...]
    """Phrases of place or time that begin with a preposition."""
    events: tuple[str, ...]
    """Past-tense clauses with a subject of their own."""
    facts: tuple[str, ...]
    """Whole sentences in the present tense."""
    speech: tuple[str, ...]
    """Short lines that somebody says."""
    words: frozenset[str] = frozenset()
    """Lowercase content words that mark the topic; empty for ordinary themes, which carry no tag."""
    share: float = 0.0
    """Share of the corpus's words that its passages take."""
    parent: str = ""
    """The concept that contains it, or nothing."""
    same_as: str = ""
    """The concept it expresses in another language, or nothing."""

    @property
    def concepts(self) -> tuple[str, ...]:
        """Every concept that a passage of this topic expresses."""
        own = self.same_as or self.name
        return tuple(name for name in (own, self.parent) if name) if self.words else ()


def read_table(file: str) -> dict[str, dict[str, Any]]:
    """One TOML file of the lexicon."""
    return tomllib.loads(files("monoscope.synthetic").joinpath("lexicon", file).read_text(encoding="utf-8"))


def read_topic(name: str, family: str, table: dict[str, Any]) -> Topic:
    """A topic out of its table."""
    fields: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in table.items()
    }
    fields["words"] = frozenset(word.lower() for word in fields.get("words", ()))
    return Topic(name=name, family=family, **fields)


@cache
def topics() -> dict[str, Topic]:
    """Every topic by name, the ordinary themes included."""
    found = {}
    for entry in sorted(
        files("monoscope.synthetic").joinpath("lexicon").iterdir(), key=lambda item: item.name
    ):
        if not entry.name.endswith(".toml") or entry.name == "scripts.toml":
            continue
        for name, table in read_table(entry.name).items():
            found[name] = read_topic(name, entry.name.removesuffix(".toml"), table)
    return found


@cache
def scripts() -> dict[str, dict[str, list[str]]]:
    """Arabic and Hebrew words and sentences."""
    return read_table("scripts.toml")
