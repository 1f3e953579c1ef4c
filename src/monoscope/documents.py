"""A document: a text, and what is known about it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a document that expresses a concept.

    A *mention* is a word or phrase that names or belongs to the concept; a *passage* is the whole stretch of
    text that is about it. The two are tagged apart because a feature may mark either.
    """

    start: int
    """First character."""
    end: int
    """One past the last character."""
    concept: str
    """Name of the concept, for instance ``golden_gate_bridge``."""
    kind: str = "passage"
    """``mention`` or ``passage``."""


@dataclass(frozen=True, slots=True)
class Document:
    """One text of a corpus."""

    text: str
    """The text itself, non-empty."""
    spans: tuple[Span, ...] = ()
    """What is known to be expressed where; empty for ordinary corpora."""
    heldout: bool = False
    """True when the document must not be trained on: evaluation reads it."""
