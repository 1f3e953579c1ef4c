"""Patterns as text: ``the Golden Gate [Bridge]``."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import replace

from monoscope.features.patterns.record import START, WILDCARD, FeaturePatterns, Pattern

SIGNS = {WILDCARD: "*", START: "^"}
"""What stands for what is no token; the same signs in a token's own text are written after a backslash."""
BYTES = re.compile(r"(?:<0x[0-9A-F]{2}>)+")
"""Bytes of a character, as a vocabulary's texts show them where a token holds but a part of it."""
JOINERS = "\N{ZERO WIDTH JOINER}\N{ZERO WIDTH NON-JOINER}"
"""Signs that cannot be seen and that emoji and some scripts cannot do without."""
ISOLATE = "\N{FIRST STRONG ISOLATE}", "\N{POP DIRECTIONAL ISOLATE}"
"""Around text from right to left, so that what stands beside it keeps its place."""


def pattern_text(tokens: Sequence[int], vocabulary: Sequence[str]) -> str:
    """A pattern as text: the token that the feature fires on in brackets, ``*`` for any token, ``^`` for the
    beginning of a text.

    Bytes of one character that lie in several tokens are put together where the pattern has them all, and stand
    in the brackets when the last of them does; a character of which a part is missing stays written
    ``<0xF0><0x9F>``. Signs that cannot be seen are written as escapes, a token of spaces as ``␣``. A pattern
    with text from right to left is enclosed in directional isolates.

    Args:
        tokens: see ``Pattern.tokens``.
        vocabulary: text of every token, spaces kept.
    """
    pieces = [SIGNS.get(token) or _shown(vocabulary[token]) for token in tokens]
    # Signs stand apart, as words do; a token without a space in front stays close to what it follows.
    pieces = [f" {piece}" if token < 0 else piece for token, piece in zip(tokens, pieces, strict=True)]
    before, last = _whole_character("".join(pieces[:-1]), pieces[-1])
    before = _joined(before)
    space = " " if last.startswith(" ") else ""
    text = f"{before}{space}[{_joined(last.removeprefix(' '))}]".strip()
    if any(unicodedata.bidirectional(character) in ("R", "AL") for character in text):
        return f"{ISOLATE[0]}{text}{ISOLATE[1]}"
    return text


def describe_patterns(record: FeaturePatterns, vocabulary: Sequence[str], *, named: int = 3) -> str:
    """A line about a feature's patterns and how far they can be trusted.

    For instance ``Golden Gate [Bridge] (61 % of activation, right 24 of 25 times), the [bridge] (...); all 5
    patterns: precision 0.94, recall 0.71, 88 % of activation on held-out text``. Right means active at all;
    precision and recall are those of the first threshold. Patterns that look the same, with and without a space
    in front, are one here.

    Args:
        record: the patterns; those explaining most held-out activation are named once they are scored, else those
            of most examples.
        vocabulary: text of every token, spaces kept.
        named: how many are named.
    """
    if not record.n_examples:
        return "no examples to find a pattern in"
    if not record.patterns:
        return f"no n-gram explains any of its {record.n_examples} examples"
    found = shown_patterns(record, vocabulary)
    parts = [f"{text} ({_evidence(pattern, record)})" for text, pattern in found[:named]]
    n = len(found)
    return f"{', '.join(parts)}; {'its pattern' if n == 1 else f'all {n} patterns'}: {_score(record)}"


def shown_patterns(record: FeaturePatterns, vocabulary: Sequence[str]) -> list[tuple[str, Pattern]]:
    """A feature's patterns as texts, those that explain most held-out activation first, then those of most examples.

    Patterns that look the same, with and without a space in front, are one here.
    """
    found: dict[str, Pattern] = {}
    for pattern in record.patterns:
        text = pattern_text(pattern.tokens, vocabulary)
        found[text] = _together(found[text], pattern) if text in found else pattern
    return sorted(found.items(), key=lambda each: -(each[1].share or 0.0))


def _together(one: Pattern, other: Pattern) -> Pattern:
    """Two patterns of the same text: they differ in a token, so no token of a text is matched by both."""
    examples = one.examples + other.examples
    if one.matches is None or other.matches is None or one.active is None or other.active is None:
        return replace(one, examples=examples)
    share = None if one.share is None or other.share is None else one.share + other.share
    matches, active = one.matches + other.matches, one.active + other.active
    return replace(one, examples=examples, matches=matches, active=active, share=share)


def _evidence(pattern: Pattern, record: FeaturePatterns) -> str:
    """What speaks for one pattern."""
    if pattern.matches is None:
        return f"{pattern.examples} of {record.n_examples} examples"
    if not pattern.matches:
        return "not seen in held-out text"
    right = f"right {pattern.active} of {pattern.matches} times"
    return right if pattern.share is None else f"{_percent(pattern.share)} of activation, {right}"


def _score(record: FeaturePatterns) -> str:
    """How well all patterns do."""
    if not record.counts:
        return f"{record.explained_examples} of {record.n_examples} examples, not scored on other text"
    counts = record.counts[0]
    if counts.recall is None:
        return f"silent on {counts.n_tokens} held-out tokens"
    if counts.precision is None:
        return f"none seen on {counts.n_tokens} held-out tokens, where it is active {counts.n_active} times"
    share = "" if record.share is None else f", {_percent(record.share)} of activation"
    return f"precision {counts.precision:.2f}, recall {counts.recall:.2f}{share} on held-out text"


def _shown(text: str) -> str:
    """A token's text with nothing in it that cannot be seen or could be taken for a sign."""
    if text and not text.strip(" "):
        return "␣" * len(text)
    return "".join(map(_visible, text))


def _visible(character: str) -> str:
    if character in "\\*^[]":
        return f"\\{character}"
    if character.isprintable() or character in JOINERS:
        return character
    return character.encode("unicode_escape").decode()


def _whole_character(before: str, last: str) -> tuple[str, str]:
    """Bytes at the end of ``before`` go to ``last`` where together they are one character."""
    leading = BYTES.match(last)
    trailing = re.search(rf"{BYTES.pattern}\Z", before)
    if leading and trailing:
        # From the nearest byte backwards: a character has two to four.
        for start in range(trailing.end() - len("<0xFF>"), trailing.start() - 1, -len("<0xFF>")):
            if _decoded(before[start:] + leading[0]) is not None:
                return before[:start], before[start:] + last
    return before, last


def _joined(text: str) -> str:
    """Bytes put together where they are whole characters."""
    return BYTES.sub(lambda found: _decoded(found[0]) or found[0], text)


def _decoded(pieces: str) -> str | None:
    """The characters that bytes stand for; None unless they are whole and can be seen."""
    raw = bytes.fromhex(pieces.replace("<0x", "").replace(">", ""))
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return None
    return "".join(map(_visible, text))


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 0.01 else "under 1 %"
