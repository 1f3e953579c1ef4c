"""How well patterns say when their features fire, on text that they were not found in."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float, Int, Integer

from monoscope.errors import WrongUse
from monoscope.features.firings import POSITION_BITS, Firings
from monoscope.features.patterns.record import Counts, FeaturePatterns
from monoscope.features.patterns.trie import PatternTrie


class PatternTally:
    """What is counted while held-out text streams by.

    ``update(a); update(b)`` equals ``merge`` of the two: a corpus can be cut and the parts put together. With
    ``p`` the predicted and ``a`` the actual activation of a token, both as shares of the feature's largest, and
    ``t`` a threshold: ``n_predicted = #(p > t)``, ``n_active = #(a > t)``, ``n_both = #(p > t and a > t)``.

    Args:
        features: the patterns of every feature, in order.
        thresholds: shares of the largest activation.

    Raises:
        WrongUse: a feature is missing, or they are in another order.
    """

    def __init__(self, features: Sequence[FeaturePatterns], thresholds: tuple[float, ...]) -> None:
        if [record.feature for record in features] != list(range(len(features))):
            raise WrongUse("patterns are scored for every feature, in order", "give them as they were found")
        self._features = list(features)
        self._thresholds = thresholds
        self._trie = PatternTrie(self._features)
        largest = np.array([record.largest for record in features], np.float64)
        self._largest = np.where(largest > 0, largest, 1.0)
        n, n_patterns = len(self._features), len(self._trie)
        self._n_tokens = 0
        self._predicted, self._active, self._both = np.zeros((3, len(thresholds), n), np.int64)
        # Sums over tokens of p, p^2, a, a^2, p a, and of a where anything is predicted.
        self._sums = np.zeros((6, n))
        self._matches, self._true = np.zeros((2, n_patterns), np.int64)
        self._mass = np.zeros(n_patterns)

    def update(
        self,
        firings: Firings,
        tokens: Integer[np.ndarray, " position"],
        passage: Int[np.ndarray, " position"],
        positions: Int[np.ndarray, " scored"],
    ) -> None:
        """Count some text.

        Args:
            firings: what fired there; firings elsewhere are not looked at.
            tokens: token ids by flat position.
            passage: passage number by position.
            positions: the tokens that count, ascending: of held-out documents, none counted before.
        """
        positions = positions[passage[positions] >= 0]
        self._n_tokens += len(positions)
        for matches in self._trie.match(tokens, passage, positions):
            actual = (
                _looked_up(firings, matches.features, matches.positions) / self._largest[matches.features]
            )
            self._matches += _counted(matches.patterns, len(self._matches))
            self._true += _counted(matches.patterns[actual > 0], len(self._true))
            self._mass += np.bincount(matches.patterns, actual, len(self._mass))
            decides = matches.decides
            who, a = matches.features[decides], actual[decides]
            p = self._trie.activation[matches.patterns[decides]]
            for level, threshold in enumerate(self._thresholds):
                self._predicted[level] += self._count(who[p > threshold])
                self._both[level] += self._count(who[(p > threshold) & (a > threshold)])
            for place, weight in ((0, p), (1, p * p), (4, p * a), (5, a)):
                self._sums[place] += np.bincount(who, weight, len(self._features))
        counted = np.zeros(len(tokens) + 1, bool)
        counted[positions] = True
        inside = counted[np.minimum(firings.positions, len(tokens))]
        who = firings.features[inside]
        a = firings.values[inside] / self._largest[who]
        for level, threshold in enumerate(self._thresholds):
            self._active[level] += self._count(who[a > threshold])
        for place, weight in ((2, a), (3, a * a)):
            self._sums[place] += np.bincount(who, weight, len(self._features))

    def merge(self, later: "PatternTally") -> None:
        """Add what another tally of the same patterns counted."""
        self._n_tokens += later._n_tokens
        for name in ("_predicted", "_active", "_both", "_sums", "_matches", "_true", "_mass"):
            getattr(self, name)[...] += getattr(later, name)

    def scored(self) -> list[FeaturePatterns]:
        """The patterns with their scores."""
        return [self._scored(number) for number in range(len(self._features))]

    def _scored(self, number: int) -> FeaturePatterns:
        record, sums = self._features[number], self._sums[:, number].tolist()
        mass = sums[2]
        first = int(self._trie.starts[number])
        patterns = tuple(
            replace(
                pattern,
                matches=int(self._matches[i]),
                active=int(self._true[i]),
                share=float(self._mass[i]) / mass if mass else None,
            )
            for i, pattern in enumerate(record.patterns, first)
        )
        counts = tuple(
            Counts(
                threshold,
                self._n_tokens,
                int(self._predicted[level, number]),
                int(self._active[level, number]),
                int(self._both[level, number]),
            )
            for level, threshold in enumerate(self._thresholds)
        )
        return replace(
            record,
            patterns=patterns,
            counts=counts,
            share=sums[5] / mass if mass else None,
            correlation=_correlation(self._n_tokens, *sums[:5]),
        )

    def _count(self, features: Int[np.ndarray, " entry"]) -> Int[np.ndarray, " n_features"]:
        return _counted(features, len(self._features))


def _counted(numbers: Integer[np.ndarray, " entry"], n: int) -> Int[np.ndarray, " n"]:
    return np.bincount(numbers, minlength=n)


def _looked_up(
    firings: Firings, features: Int[np.ndarray, " entry"], positions: Int[np.ndarray, " entry"]
) -> Float[np.ndarray, " entry"]:
    """The activation of each feature at each position; 0 where it is silent."""
    if not len(firings.keys):
        return np.zeros(len(features))
    wanted = (features << POSITION_BITS) | positions
    found = np.minimum(np.searchsorted(firings.keys, wanted), len(firings.keys) - 1)
    return np.where(firings.keys[found] == wanted, firings.values[found], 0.0).astype(np.float64)


def _correlation(n: int, p: float, pp: float, a: float, aa: float, pa: float) -> float | None:
    """Pearson's correlation from sums over n tokens; None where a variance is nought."""
    if not n:
        return None
    spread = (pp - p * p / n) * (aa - a * a / n)
    # Sums that cancel leave rounding behind: what is no larger is nought.
    if spread <= 1e-18 * max(pp * aa, 1e-300):
        return None
    return float(np.clip((pa - p * a / n) / spread**0.5, -1.0, 1.0))
