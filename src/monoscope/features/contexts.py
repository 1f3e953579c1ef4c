"""Which words stand around a feature's activations, counted on a sample drawn in proportion to the
activation.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, Integer

from monoscope.features.grouping import first_of_groups, run_starts
from monoscope.features.passages import Words, windows
from monoscope.features.search import overlap

LEAST_OVERLAP = 0.1
"""Pairs of feature and word with less are not stored: a search does not find them."""


@dataclass(frozen=True)
class Contexts:
    """Pairs of a feature and a word that stands near its activations more often than elsewhere."""

    features: Int[np.ndarray, " pair"]
    """Feature, ascending; a feature's words by falling overlap."""
    words: Int[np.ndarray, " pair"]
    """Number of the word."""
    counts: Int[np.ndarray, " pair"]
    """Samples of the feature with the word in the window."""
    overlaps: Float[np.ndarray, " pair"]
    """See :func:`monoscope.features.search.overlap`."""
    samples: Int[np.ndarray, " n_features"]
    """Samples of each feature."""


def count_contexts(
    features: Integer[np.ndarray, " sample"],
    positions: Int[np.ndarray, " sample"],
    words: Words,
    passage: Int[np.ndarray, " position"],
    *,
    base: Float[np.ndarray, " word"],
    density: Float[np.ndarray, " n_features"],
    before: int,
    after: int,
    kept: int,
    block: int = 1 << 16,
) -> Contexts:
    """Count the words in the windows around samples.

    Args:
        features: feature of each sample, ascending.
        positions: flat position of each sample.
        words: the corpus' words.
        passage: passage number by position.
        base: share of all usable tokens with the word in their window.
        density: share of usable tokens on which each feature is active.
        before: tokens of the window before the sample.
        after: tokens after it.
        kept: words kept of a feature.
        block: samples handled at a time.
    """
    samples = np.bincount(features, minlength=len(density))
    none = np.zeros(0, np.int64)
    parts = [(none, none, none, np.zeros(0, np.float32))]
    for first, last in _blocks(features, block):
        where, inside = windows(positions[first:last], passage, before, after)
        near = np.where(inside, words.ids[where], -1)
        feature, word, counts = _met(features[first:last], near, len(words.texts))
        overlaps = overlap(counts, samples[feature], density[feature], base[word], words.occurrences[word])
        order = np.lexsort((-overlaps, feature))
        order = order[overlaps[order] >= LEAST_OVERLAP]
        order = order[first_of_groups(feature[order], kept)]
        parts.append((feature[order], word[order], counts[order], overlaps[order]))
    feature, word, counts, overlaps = (np.concatenate([part[i] for part in parts]) for i in range(4))
    return Contexts(feature, word, counts, overlaps, samples)


def _met(
    features: Integer[np.ndarray, " sample"], near: Int[np.ndarray, "sample window"], n_words: int
) -> tuple[Int[np.ndarray, " pair"], Int[np.ndarray, " pair"], Int[np.ndarray, " pair"]]:
    """Pairs of feature and word, and in how many samples' windows they met; ``near`` is -1 where no word is."""
    sample, column = np.nonzero(near >= 0)
    once = np.sort(sample * np.int64(n_words) + near[sample, column])
    once = once[run_starts(once)]
    pairs = np.sort(features[once // n_words] * np.int64(n_words) + once % n_words)
    starts = run_starts(pairs)
    counts = np.diff(np.append(starts, len(pairs)))
    return pairs[starts] // n_words, pairs[starts] % n_words, counts


def _blocks(features: Integer[np.ndarray, " sample"], block: int) -> list[tuple[int, int]]:
    """Cuts of about ``block`` samples that keep each feature whole."""
    starts = run_starts(features)
    if not len(starts):
        return []
    marks = np.arange(block, len(features), block)
    cuts = np.unique(
        np.concatenate(([0], starts[np.searchsorted(starts, marks, side="right") - 1], [len(features)]))
    )
    return list(zip(cuts[:-1].tolist(), cuts[1:].tolist(), strict=True))
