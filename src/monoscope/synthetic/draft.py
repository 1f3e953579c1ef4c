"""A document being written: text, and what each stretch of it expresses."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from monoscope.documents import Document, Span

WORD = re.compile(r"\w+")


class Draft:
    """Text that grows piece by piece and remembers which concepts were being expressed."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._length = 0
        self._passages: list[Span] = []

    def __len__(self) -> int:
        return self._length

    def write(self, text: str) -> None:
        """Add text."""
        self._parts.append(text)
        self._length += len(text)

    @contextmanager
    def passage(self, *concepts: str) -> Iterator[None]:
        """Everything written inside expresses the concepts."""
        start = self._length
        yield
        end = self._length
        if end > start:
            self._passages += [Span(start, end, concept) for concept in dict.fromkeys(concepts) if concept]

    def finish(
        self,
        marking: dict[str, frozenset[str]],
        naming: dict[str, frozenset[str]],
        *,
        heldout: bool = False,
    ) -> Document:
        """The finished document, its passages trimmed to what a reader can know, with the mentions in them tagged.

        A passage of a concept that has ``marking`` words begins at the first of them: nothing before it
        tells what the text will be about. Its ``naming`` words, which are among those, are its mentions.
        Concepts without words (formats) keep their passages, which are their mentions too.
        """
        text = "".join(self._parts)
        spans: list[Span] = []
        for passage in self._passages:
            concept = passage.concept
            spans += tagged(
                text, passage, marking.get(concept, frozenset()), naming.get(concept, frozenset())
            )
        return Document(
            text,
            tuple(sorted(set(spans), key=lambda span: (span.start, span.end, span.concept, span.kind))),
            heldout,
        )


def tagged(text: str, passage: Span, marking: frozenset[str], naming: frozenset[str]) -> list[Span]:
    """One passage as spans: itself, trimmed, and the mentions inside it."""
    start, end = trimmed(text, passage.start, passage.end)
    if not marking:
        return (
            [Span(start, end, passage.concept), Span(start, end, passage.concept, "mention")]
            if end > start
            else []
        )
    marks = [match for match in WORD.finditer(text, start, end) if match.group().lower() in marking]
    mentions = [
        Span(match.start(), match.end(), passage.concept, "mention")
        for match in marks
        if match.group().lower() in naming
    ]
    return [Span(marks[0].start(), end, passage.concept), *mentions] if marks else []


def trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    """The stretch without white space at either end."""
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end
