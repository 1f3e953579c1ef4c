"""An interpolated 5-gram model over the same tokens: what the built-in model must beat."""

import math

import numpy as np

BASE = np.uint64(0x9E3779B97F4A7C15)
"""Odd multiplier of the rolling hash that names a context."""


class InterpolatedNgram:
    r"""Interpolated absolute discounting of order n.

    .. math:: p(w|h) = \frac{\max(c(hw) - D, 0)}{c(h)} + \frac{D \, N_{1+}(h\cdot)}{c(h)} p(w|h')

    with :math:`h'` the context without its oldest token, down to the uniform distribution (Chen and Goodman,
    1999, section 2.7). Contexts are named by 64-bit hashes; with 10^8 of them a collision is unlikely to
    matter.
    """

    def __init__(
        self, tokens: np.ndarray, *, vocabulary: int, order: int = 5, discount: float = 0.75
    ) -> None:
        self.order, self.discount, self.vocabulary = order, discount, vocabulary
        self.grams: list[tuple[np.ndarray, np.ndarray]] = []
        self.contexts: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        for length in range(1, order + 1):
            context, gram = hashes(tokens, length)
            names, first, counts = np.unique(gram, return_index=True, return_counts=True)
            owners, inverse = np.unique(context[first], return_inverse=True)
            self.grams.append((names, counts))
            self.contexts.append((owners, np.bincount(inverse, counts), np.bincount(inverse)))

    def log2_probabilities(self, tokens: np.ndarray) -> np.ndarray:
        """log2 p of every token but the first, given up to ``order - 1`` tokens before it."""
        probability = np.full(len(tokens), 1.0 / self.vocabulary)
        for length in range(1, min(self.order, len(tokens)) + 1):
            context, gram = hashes(tokens, length)
            names, counts = self.grams[length - 1]
            owners, totals, followers = self.contexts[length - 1]
            count = looked_up(names, counts, gram)
            total, distinct = looked_up(owners, totals, context), looked_up(owners, followers, context)
            known = total > 0
            tail = probability[length - 1 :]
            mixed = (np.maximum(count - self.discount, 0) + self.discount * distinct * tail) / np.maximum(
                total, 1
            )
            probability[length - 1 :] = np.where(known, mixed, tail)
        return np.log2(probability[1:])


def hashes(tokens: np.ndarray, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Names of each n-gram of this length and of its context (all but its last token)."""
    windows = len(tokens) - length + 1
    context = np.full(windows, length, dtype=np.uint64)
    with np.errstate(over="ignore"):
        for offset in range(length - 1):
            context = (context ^ (tokens[offset : offset + windows].astype(np.uint64) + np.uint64(1))) * BASE
            context ^= context >> np.uint64(29)
        gram = (context ^ (tokens[length - 1 :].astype(np.uint64) + np.uint64(1) + np.uint64(1 << 32))) * BASE
    return context, gram ^ (gram >> np.uint64(31))


def looked_up(names: np.ndarray, values: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """``values`` of the wanted names, 0 where a name is unknown."""
    place = np.minimum(np.searchsorted(names, wanted), len(names) - 1)
    return np.where(names[place] == wanted, values[place], 0).astype(np.float64)


def ngram_bits_per_character(model: InterpolatedNgram, encoded: list[np.ndarray], texts: list[str]) -> float:
    """Held-out loss in bits per character; each text begins with the special token, as for the neural model."""
    bits = -sum(model.log2_probabilities(tokens).sum() for tokens in encoded if len(tokens) > 1)
    return float(bits / sum(len(text) for text in texts)) if texts else math.nan
