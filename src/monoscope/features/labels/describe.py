"""Descriptions of a feature from what the index knows of it and from its patterns, each with a score of its own."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from itertools import islice

import numpy as np
from jaxtyping import Float, Int

from monoscope.features import database as layout
from monoscope.features.description import named_parts
from monoscope.features.index import FeatureIndex
from monoscope.features.labels.record import Description, ShownPattern
from monoscope.features.patterns import FeaturePatterns, Pattern, shown_patterns
from monoscope.features.record import FeatureRecord
from monoscope.features.search import overlap

NAMED = 3
"""Tokens, words or patterns that a description names."""
LEAST_SHARE = 0.1
"""Patterns that explain less than this part of what the first one explains on held-out text are not named."""
MOST_PATTERNS = 8
"""Patterns that a label holds."""
WORDS = 4096
"""Words of the index that are looked at together."""


def described(
    record: FeatureRecord,
    near: Sequence[tuple[str, float]],
    deviations: float | None,
    patterns: FeaturePatterns | None,
    vocabulary: Sequence[str],
) -> tuple[tuple[Description, ...], tuple[ShownPattern, ...]]:
    """What can be said about a feature without its corpus' tags, and its patterns as text.

    Args:
        record: what the index knows of it.
        near: words around its activations and their overlap, the most telling first.
        deviations: how far its strongest logit weight is from the mean, in standard deviations; None where its
            direction does not reach the logits.
        patterns: its patterns, scored; None where none were looked for.
        vocabulary: text of every token.
    """
    parts = named_parts(record.tokens, [], record.promoted, NAMED)
    found = []
    if record.tokens:
        found.append(Description("tokens", ", ".join(parts.own), {"share": parts.share}))
        if near:
            found.append(Description("near", ", ".join(text for text, _ in near), {"overlap": near[0][1]}))
    shown = [] if patterns is None else shown_patterns(patterns, vocabulary)
    if patterns is not None and shown:
        found.append(Description("patterns", "; ".join(_named(shown)), _scores(patterns)))
    if record.tokens and parts.promoted and deviations is not None:
        found.append(Description("promotes", ", ".join(parts.promoted), {"deviations": deviations}))
    return tuple(found), tuple(_line(text, pattern) for text, pattern in shown[:MOST_PATTERNS])


def _named(shown: Sequence[tuple[str, Pattern]]) -> list[str]:
    """The patterns that a description names."""
    least = LEAST_SHARE * (shown[0][1].share or 0.0)
    return [text for text, pattern in shown[:NAMED] if (pattern.share or 0.0) >= least]


def _scores(patterns: FeaturePatterns) -> dict[str, float | None]:
    """How well all of a feature's patterns do on held-out text; the first threshold counts."""
    counts = patterns.counts[0] if patterns.counts else None
    return {
        "precision": counts and counts.precision,
        "recall": counts and counts.recall,
        "share": patterns.share,
        "correlation": patterns.correlation,
    }


def _line(text: str, pattern: Pattern) -> ShownPattern:
    return ShownPattern(
        text, pattern.activation, pattern.examples, pattern.matches, pattern.active, pattern.share
    )


class NearWords:
    """The words around the activations of every feature, the most telling first; see :func:`near_words`."""

    def __init__(
        self,
        numbers: Int[np.ndarray, "n_features named"],
        overlaps: Float[np.ndarray, "n_features named"],
        texts: dict[int, str],
    ) -> None:
        self._numbers, self._overlaps, self._texts = numbers, overlaps, texts

    def __getitem__(self, feature: int) -> list[tuple[str, float]]:
        """Words of a feature and their overlap with it."""
        pairs = zip(self._numbers[feature].tolist(), self._overlaps[feature].tolist(), strict=True)
        return [(self._texts[number], value) for number, value in pairs if value > 0]


def near_words(index: FeatureIndex, *, named: int = NAMED) -> NearWords:
    """The words of an index that go best with each feature, by the overlap of ``monoscope.features.search``.

    The words are read once, some thousands at a time; ``named`` words of each feature are held.
    """
    statistics = index.statistics()
    density, samples = (
        statistics["density"],
        np.minimum(statistics["n_active"], index.manifest.content["samples"]),
    )
    numbers = np.full((index.n_features, named), -1, np.int64)
    overlaps = np.zeros((index.n_features, named), np.float32)
    with closing(layout.open_database(index.folder / "index.sqlite")) as database:
        rows = database.execute("SELECT id, occurrences, base, features FROM word ORDER BY id")
        while block := list(islice(rows, WORDS)):
            pairs = [layout.from_steps(features, layout.ASSOCIATION) for *_, features in block]
            feature = np.concatenate([each["feature"] for each in pairs]).astype(np.int64)
            count = np.concatenate([each["count"] for each in pairs]).astype(np.int64)
            word, occurrences, base = (
                np.repeat([row[column] for row in block], [len(each) for each in pairs])
                for column in range(3)
            )
            score = overlap(count, samples[feature], density[feature], base, occurrences)
            _keep_best(numbers, overlaps, feature, word, score)
        return NearWords(numbers, overlaps, _texts(database, numbers))


def _keep_best(
    numbers: Int[np.ndarray, "n_features named"],
    overlaps: Float[np.ndarray, "n_features named"],
    feature: Int[np.ndarray, " pair"],
    word: Int[np.ndarray, " pair"],
    score: Float[np.ndarray, " pair"],
) -> None:
    """Bring new pairs among the best of each feature; of equals the word of lower number comes first."""
    touched, which = np.unique(feature, return_inverse=True)
    named = numbers.shape[1]
    owner = np.concatenate([np.repeat(np.arange(len(touched)), named), which])
    words = np.concatenate([numbers[touched].reshape(-1), word])
    scores = np.concatenate([overlaps[touched].reshape(-1), score])
    order = np.lexsort((words, -scores, owner))
    starts = np.searchsorted(owner[order], np.arange(len(touched)))
    best = order[starts[:, None] + np.arange(named)]
    numbers[touched], overlaps[touched] = words[best], scores[best]


def _texts(database: sqlite3.Connection, numbers: Int[np.ndarray, "n_features named"]) -> dict[int, str]:
    """Number -> text of the words that are named."""
    wanted = set(np.unique(numbers[numbers >= 0]).tolist())
    rows = database.execute("SELECT id, text FROM word")
    return {number: text for number, text in rows if number in wanted}
