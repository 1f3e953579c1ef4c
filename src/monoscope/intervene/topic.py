"""Words of a topic, and what can be counted in a text: words, mentions, repetition."""

import re
from collections.abc import Sequence
from itertools import pairwise

from monoscope.errors import WrongUse

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")


class Topic:
    """A set of words that speak of one thing.

    A word is matched whole and whatever its case: ``bridge`` is found in "the Bridge's towers", not in
        "bridges" or
    "bridgehead". A phrase of several words counts all of them when they follow each other.

    Raises:
        WrongUse: there is no word, or an entry holds none.
    """

    def __init__(self, words: Sequence[str]) -> None:
        if isinstance(words, str) or not words:
            raise WrongUse(
                f"{words!r} is no list of topic words", 'give a list, for instance ["bridge", "golden gate"]'
            )
        for entry in words:
            if not text_words(entry):
                raise WrongUse(f"the topic word {entry!r} holds no letter or digit", "give words")
        self.words = tuple(words)
        longest_first = sorted(set(self.words), key=lambda entry: (-len(entry), entry))
        alternatives = "|".join(r"\s+".join(map(re.escape, entry.split())) for entry in longest_first)
        self._pattern = re.compile(rf"(?<!\w)(?:{alternatives})(?!\w)", re.IGNORECASE)

    def count(self, text: str) -> int:
        """How many of the text's words belong to the topic."""
        return sum(len(text_words(found)) for found in self._pattern.findall(text))

    def mentioned(self, text: str) -> bool:
        """True when the text holds at least one of the words."""
        return self._pattern.search(text) is not None


def text_words(text: str) -> list[str]:
    """The words of a text, in lower case: letters and digits, apostrophes inside kept."""
    return _WORD.findall(text.lower())


def distinct_bigrams(text: str) -> float:
    """distinct-2 of one text: unique pairs of neighbouring words / pairs (Li et al. 2016, arXiv 1510.03055).

    1 where no pair repeats, near 0 for a word said over and over. A text of fewer than two words has no pair
    and counts 0: endless letters without a space, or nothing at all, is no readable text.
    """
    words = text_words(text)
    pairs = list(pairwise(words))
    return len(set(pairs)) / len(pairs) if pairs else 0.0
