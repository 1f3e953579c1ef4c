"""Which tagged concept each feature marks best: chosen on the first half of a text, measured on the second.

Every feature, every concept, both kinds of tags and every threshold are tried, from one reading of the text. Of all
thresholds only those count that are an activation of the feature on a tagged token, since any other loses precision or
recall; so what is looked at for a concept are the activations on its own tokens, however many features there are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from monoscope.evaluate.tags import KINDS
from monoscope.features.firings import Firings
from monoscope.features.grouping import run_starts, stable_order

VALUE_BITS = 32
"""Bits of a (feature, activation) key that hold the activation: positive floats sort as their bits do."""


@dataclass(frozen=True)
class Half:
    """What fired on a stretch of text, by token and as one sorted number for each (feature, activation)."""

    keys: Int[np.ndarray, " entry"]
    """In the order of the tokens."""
    bounds: Int[np.ndarray, " token_and_end"]
    """What fired on token i of the half are entries ``bounds[i]`` to ``bounds[i + 1]``."""
    rising: Int[np.ndarray, " entry"]
    """The keys, sorted."""

    @classmethod
    def of(cls, keys: Int[np.ndarray, " entry"], tokens: Int[np.ndarray, " entry"], n_tokens: int) -> "Half":
        """From entries in the order of their tokens, which are numbered from 0."""
        return cls(keys, np.searchsorted(tokens, np.arange(n_tokens + 1)), np.sort(keys))

    def on(self, members: Int[np.ndarray, " member"]) -> Int[np.ndarray, " entry"]:
        """Sorted keys of what fired on some tokens."""
        counts = self.bounds[members + 1] - self.bounds[members]
        first = np.repeat(self.bounds[members] - (np.cumsum(counts) - counts), counts)
        return np.sort(self.keys[first + np.arange(len(first))])


@dataclass(frozen=True)
class FeatureMarks:
    """For each feature the concept and kind of tag that it marks best on the first half of a text."""

    concept: Int[np.ndarray, " n_features"]
    """Number of the concept; -1 for a feature that fires on no tagged token of the first half."""
    kind: Int[np.ndarray, " n_features"]
    """Number of the kind, of ``KINDS``."""
    threshold: Float[np.ndarray, " n_features"]
    """A token is marked where the activation reaches this."""
    first_f1: Float[np.ndarray, " n_features"]
    """F1 on the first half: the best of many, and so an optimistic number."""
    f1: Float[np.ndarray, " n_features"]
    """``2 TP / (marked + tagged)`` on the second half."""
    precision: Float[np.ndarray, " n_features"]
    """``TP / marked`` there."""
    recall: Float[np.ndarray, " n_features"]
    """``TP / tagged`` there."""
    tagged: Int[np.ndarray, " n_features"]
    """Tokens of the second half that are tagged so."""


class Marking:
    """Collects what fires on a text, 8 bytes for each activation, and says which feature marks which concept.

    Args:
        n_features: features of the dictionary.
        positions: flat positions of the tokens that count, ascending.
    """

    def __init__(self, n_features: int, positions: Int[np.ndarray, " token"]) -> None:
        self._n_features, self._positions = n_features, positions
        self._parts: list[tuple[np.ndarray, np.ndarray]] = []

    def update(self, firings: Firings) -> None:
        """Take what fired on some rows; rows come in order."""
        order = stable_order(firings.positions)
        features, at = firings.features[order].astype(np.int64), firings.positions[order]
        place = np.searchsorted(self._positions, at)
        known = place < len(self._positions)
        known[known] = self._positions[place[known]] == at[known]
        bits = firings.values[order].astype(np.float32).view(np.uint32)
        keys = (features << VALUE_BITS) | bits
        self._parts.append((keys[known], place[known].astype(np.int32)))

    def marks(
        self,
        members: Mapping[tuple[str, str], Int[np.ndarray, " _"]],
        concepts: Sequence[str],
        *,
        least: int = 1,
    ) -> FeatureMarks:
        """The best concept of every feature.

        Args:
            members: (concept, kind) -> ordinals of its tokens among those that count, ascending.
            concepts: those that are tried; numbers in the result count through them.
            least: a kind of tag with fewer tokens in either half is not tried.
        """
        first, second = self._halves()
        n_first = len(first.bounds) - 1
        best = _none(self._n_features)
        for number, concept in enumerate(concepts):
            for kind, name in enumerate(KINDS):
                tagged = members.get((concept, name), np.empty(0, np.int64))
                here, there = tagged[tagged < n_first], tagged[tagged >= n_first] - n_first
                if min(len(here), len(there)) >= least:
                    _keep_better(best, _tried(first, second, here, there), number, kind)
        return best

    def _halves(self) -> tuple[Half, Half]:
        none = (np.zeros(0, np.int64), np.zeros(0, np.int32))
        keys, tokens = (np.concatenate(parts) for parts in zip(none, *self._parts, strict=True))
        n_tokens = len(self._positions)
        half = n_tokens // 2
        cut = int(np.searchsorted(tokens, half))
        return (
            Half.of(keys[:cut], tokens[:cut], half),
            Half.of(keys[cut:], tokens[cut:] - half, n_tokens - half),
        )


@dataclass(frozen=True)
class _Tried:
    """The features that fire on some tagged tokens, each at its best threshold."""

    keys: Int[np.ndarray, " feature"]
    """Feature and threshold."""
    first_f1: Float[np.ndarray, " feature"]
    hits: Int[np.ndarray, " feature"]
    """Tokens of the second half that are marked and tagged."""
    marked: Int[np.ndarray, " feature"]
    tagged: int


def _tried(first: Half, second: Half, here: np.ndarray, there: np.ndarray) -> _Tried:
    """All features and thresholds, for tokens tagged in either half."""
    keys = first.on(here)
    f1 = 2 * _at_least(keys, keys) / (_at_least(first.rising, keys) + len(here))
    owner = keys >> VALUE_BITS
    # The last of each feature: highest F1, and of equals the highest threshold.
    order = np.lexsort((keys, f1, owner))
    best = order[np.append(run_starts(owner)[1:], len(owner)) - 1] if len(owner) else order
    hits, marked = _at_least(second.on(there), keys[best]), _at_least(second.rising, keys[best])
    return _Tried(keys[best], f1[best], hits, marked, len(there))


def _at_least(rising: Int[np.ndarray, " entry"], keys: Int[np.ndarray, " key"]) -> Int[np.ndarray, " key"]:
    """How many entries have the same feature as a key, and an activation as large or larger."""
    end = np.searchsorted(rising, ((keys >> VALUE_BITS) + 1) << VALUE_BITS)
    return end - np.searchsorted(rising, keys)


def _none(n_features: int) -> FeatureMarks:
    concept, kind = np.full((2, n_features), -1)
    threshold, first_f1, f1, precision, recall = np.zeros((5, n_features))
    return FeatureMarks(
        concept, kind, threshold, first_f1, f1, precision, recall, np.zeros(n_features, np.int64)
    )


def _keep_better(best: FeatureMarks, found: _Tried, concept: int, kind: int) -> None:
    """Write down the features that mark this better than what they marked before."""
    better = found.first_f1 > best.first_f1[found.keys >> VALUE_BITS]
    who = found.keys[better] >> VALUE_BITS
    bits = (found.keys[better] & ((1 << VALUE_BITS) - 1)).astype(np.uint32)
    hits, marked = found.hits[better], found.marked[better]
    best.concept[who], best.kind[who], best.tagged[who] = concept, kind, found.tagged
    best.threshold[who], best.first_f1[who] = bits.view(np.float32), found.first_f1[better]
    best.f1[who] = 2 * hits / (marked + found.tagged)
    best.precision[who], best.recall[who] = hits / np.maximum(marked, 1), hits / found.tagged
