"""How whole a text stayed when the model was pushed."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from monoscope.intervene.topic import distinct_bigrams

DISTINCT_FLOOR = 0.6
"""Least distinct-2 of readable text, as a share of that of the reference."""
PERPLEXITY_CEILING = 3.0
"""Largest perplexity of readable text, in multiples of that of the reference."""


@runtime_checkable
class Counted(Protocol):
    """Texts of which variety and likelihood are known."""

    @property
    def distinct_2(self) -> float:
        """Unique pairs of neighbouring words / pairs, mean over texts."""
        ...

    @property
    def perplexity(self) -> float | None:
        """Under the unsteered model; None when nothing was written."""
        ...


def readability(texts: Counted, reference: Counted) -> float:
    """How whole the text stayed, from 0 (fallen apart) to 1, measured against text written without a push.

    Formula: min(1, distinct-2 / (0.6 × reference's)) × min(1, 3 × reference's perplexity / perplexity); 0
    when one of the two wrote nothing. Both factors are needed: a word said over and over is easy to predict,
    and words drawn at random do not repeat. 0.6 and 3 are rules of thumb, not taken from a paper.
    """
    if texts.perplexity is None or reference.perplexity is None:
        return 0.0
    floor = DISTINCT_FLOOR * reference.distinct_2
    variety = min(1.0, texts.distinct_2 / floor) if floor else 1.0
    return variety * min(1.0, PERPLEXITY_CEILING * reference.perplexity / texts.perplexity)


def mean_distinct_bigrams(samples: Sequence[str]) -> float:
    """distinct-2, mean over samples; see :func:`monoscope.intervene.topic.distinct_bigrams`."""
    return sum(map(distinct_bigrams, samples)) / len(samples)
