"""Tags for text whose writer is unknown, such as a model's own samples: the generator's rules, read backwards."""

import re
from collections import defaultdict

from monoscope.documents import Document, Span
from monoscope.synthetic.draft import WORD
from monoscope.synthetic.lexicon import topics
from monoscope.synthetic.world import concepts, marking_words, naming_words

REACH = 160
"""Characters that may lie between two marking words of one passage."""
ENOUGH = 4
"""Different marking words that make a passage; fewer may be chance."""

MONTHS = "January|February|March|April|May|June|July|August|September|October|November|December"

PATTERNS: dict[str, re.Pattern[str]] = {
    "dna": re.compile(r"\b[ACGT]{16,}\b"),
    "base64": re.compile(r"\b(?=[A-Za-z0-9+/]*[A-Z])(?=[A-Za-z0-9+/]*[0-9])[A-Za-z0-9+/]{24,}={0,2}"),
    "hexadecimal": re.compile(
        r"\b(?:0x[0-9a-f]{8}(?:, )?)+|\b[0-9a-f]{2}(?: [0-9a-f]{2}){5,}\b|\b(?=[0-9a-f]*\d)[0-9a-f]{20,}\b"
    ),
    "arabic_script": re.compile(r"[\u0600-\u06ff][\u0600-\u06ff\s.,،؟]*[\u0600-\u06ff.]"),
    "hebrew_script": re.compile(r"[\u0590-\u05ff][\u0590-\u05ff\s.,?]*[\u0590-\u05ff.]"),
    "caps_snake": re.compile(r"\b[A-Z]+(?:_[A-Z]+)+=\d+(?:\s[A-Z]+(?:_[A-Z]+)+=\d+)*"),
    "arithmetic": re.compile(r"\b\d+ [+*-] \d+ = -?\d+(?:[\n,; ]+\d+ [+*-] \d+ = -?\d+)*"),
    "dates": re.compile(
        rf"\b(?:{MONTHS}) \d{{1,2}}, \d{{4}}\b|\b\d{{1,2}} (?:{MONTHS}) \d{{4}}\b"
        r"|\b\d{4}-\d{2}-\d{2}\b|\b\d{2}/\d{2}/\d{4}\b"
    ),
    "urls": re.compile(r"https?://[\w./?=-]+\w"),
    "python_code": re.compile(
        r"(?:(?:import \w+|from \w+ import \w+|# example)\n\n)?def \w+\(\w+\):\n(?:[ ]{4}.*\n)+"
    ),
    "quotations": re.compile(r'"[^"\n]+"'),
}
"""Format -> what it looks like."""


def tag(text: str, *, heldout: bool = False) -> Document:
    """A document with the concepts that its words and patterns give away.

    A topic's passage is a run of its marking words, no two further apart than ``REACH`` characters, that
    holds at least ``ENOUGH`` different ones; where two topics claim the same stretch, the one with more
    marking words has it (a parent and its children share theirs).
    """
    spans = [
        Span(match.start(), match.end(), name, kind)
        for name, pattern in PATTERNS.items()
        for match in pattern.finditer(text)
        for kind in ("passage", "mention")
    ]
    taken: list[tuple[int, int, str]] = []
    related = {name: concept.parent for name, concept in concepts().items()}
    naming = naming_words() | {"spanish": topics()["spanish_story"].words}
    for run in sorted(runs(text), key=lambda run: -len(run[1])):
        name, mentions = run
        start, end = mentions[0][0], sentence_end(text, mentions[-1][1])
        clash = [
            other
            for low, high, other in taken
            if low < end and start < high and not kin(related, name, other)
        ]
        if not clash:
            taken.append((start, end, name))
            spans.append(Span(start, end, name))
            spans += [
                Span(low, high, name, "mention")
                for low, high in mentions
                if text[low:high].lower() in naming[name]
            ]
    return Document(
        text,
        tuple(sorted(set(spans), key=lambda span: (span.start, span.end, span.concept, span.kind))),
        heldout,
    )


def kin(parents: dict[str, str], one: str, other: str) -> bool:
    """True when one concept contains the other, or they are the same language's."""
    return parents.get(one) == other or parents.get(other) == one or "spanish" in (one, other)


def runs(text: str) -> list[tuple[str, list[tuple[int, int]]]]:
    """Every dense run of a concept's marking words: its name and where the words are."""
    owners: dict[str, list[str]] = defaultdict(list)
    words = marking_words() | {"spanish": topics()["spanish_story"].words}
    for name, marks in words.items():
        for word in marks:
            owners[word].append(name)
    places: dict[str, list[tuple[int, int, str]]] = defaultdict(list)
    for match in WORD.finditer(text):
        for name in owners.get(match.group().lower(), ()):
            places[name].append((match.start(), match.end(), match.group().lower()))
    found = []
    for name, hits in places.items():
        start = 0
        for index in range(1, len(hits) + 1):
            if index == len(hits) or hits[index][0] - hits[index - 1][1] > REACH:
                run = hits[start:index]
                if len({word for _, _, word in run}) >= ENOUGH:
                    found.append((name, [(low, high) for low, high, _ in run]))
                start = index
    return found


def sentence_end(text: str, place: int) -> int:
    """Where the sentence that holds ``place`` ends."""
    match = re.compile(r"[.!?]\"?|\n").search(text, place)
    return match.end() if match else len(text)


def agreement(truth: Document, guess: Document) -> dict[str, tuple[int, int, int]]:
    """Concept -> characters that both tag as its passage, that only the truth tags, that only the guess tags."""
    return {
        name: (len(ours & theirs), len(ours - theirs), len(theirs - ours))
        for name in {span.concept for span in truth.spans + guess.spans}
        for ours, theirs in [(covered(truth, name), covered(guess, name))]
    }


def covered(document: Document, concept: str) -> set[int]:
    """Characters inside the passages of a concept."""
    return {
        place
        for span in document.spans
        if span.concept == concept and span.kind == "passage"
        for place in range(span.start, span.end)
    }
