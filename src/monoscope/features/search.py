"""The ranking behind ``features search``: pure functions of counts and logit weights.

For a query of words w and a feature i::

    overlap(i, w) = max(0, log(q / p) / -log(q * b))
    effect(i, w)  = z^2 / (z^2 + 25) for z > 0, else 0
    both          = (2 * overlap + effect) / 3

- p is the share of tokens on which i is active (its density), b the share that have w in the window around them,
  and q the chance that i is active near w. This is the normalised pointwise mutual information (Bouma 2009) of
  «i is active» and «w is near»: 0 when independent, 1 when each comes only with the other. A topic feature is
  found although most of its tokens are not the word; a feature that fired five times by chance is not.
- q is measured from the feature's side, on a sample of n of its activations drawn in proportion to their size, of
  which c have w near: ``s = (max(c - 1, 0) + 4 b) / (n + 4)``, then ``q' = min(1, s p / b)``, and with N occurrences
  of w in the corpus ``q = (N q' + 4 p) / (N + 4)``. One meeting is given to chance, and either side is drawn back to
  independence as if four more cases had been seen: rare features and rare words must earn their score.
- z is the feature's logit weight on w in standard deviations from the mean over all features; half of the effect
  is reached at z = 5.
- All forms of a word (case, spelling, stem) count as one. A query of several words gets the mean over words of each
  part, in the overlap weighted by -log b: rare words say more.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float, Integer

from monoscope.errors import UnknownName, nearest

PRIOR = 4.0
"""Cases of independence that are added to those seen, of the feature and of the word."""
CHANCE = 1
"""Meetings of a feature and a word that are given to chance."""
HALF_EFFECT = 5.0
"""Standard deviations at which the effect is one half."""
OVERLAP_WEIGHT = 2 / 3
"""Weight of the overlap in ``both``; the effect has the rest."""

By = Literal["both", "overlap", "effect"]
"""What a search is sorted by."""


@dataclass(frozen=True)
class Scores:
    """How every feature answers a query."""

    score: Float[np.ndarray, " n_features"]
    """What ``by`` asked for."""
    overlap: Float[np.ndarray, " n_features"]
    """Goes with the query's words nearby."""
    effect: Float[np.ndarray, " n_features"]
    """Promotes the query's words."""


def overlap(
    count: Integer[np.ndarray, " pair"],
    samples: Integer[np.ndarray, " pair"],
    density: Float[np.ndarray, " pair"],
    base: Float[np.ndarray, " pair"] | float,
    occurrences: Integer[np.ndarray, " pair"] | int,
) -> Float[np.ndarray, " pair"]:
    """Association of features with words, in [0, 1]: the formula is in the module's text.

    Args:
        count: samples of the feature with the word in the window.
        samples: samples of the feature.
        density: share of all tokens on which the feature is active, above 0.
        base: share of all tokens with the word in the window, above 0.
        occurrences: of the word in the corpus.
    """
    near = (np.maximum(count - CHANCE, 0) + PRIOR * base) / (samples + PRIOR)
    active = np.minimum(near * density / base, 1)
    active = (occurrences * active + PRIOR * density) / (occurrences + PRIOR)
    joint = np.minimum(active * base, 1 - 1e-9)
    return np.clip(np.log(active / density) / -np.log(joint), 0, 1).astype(np.float32)


def effect(z: Float[np.ndarray, " pair"]) -> Float[np.ndarray, " pair"]:
    """How far a token is promoted, in [0, 1): the formula is in the module's text."""
    square = np.square(np.maximum(z, 0), dtype=np.float32)
    return square / (square + np.float32(HALF_EFFECT**2))


def combine(
    overlaps: Sequence[tuple[float, Float[np.ndarray, " n_features"]]],
    effects: Sequence[Float[np.ndarray, " n_features"]],
    n_features: int,
    by: str,
) -> Scores:
    """Bring the words of a query together.

    Args:
        overlaps: for each word that the corpus knows its weight and its overlap with every feature.
        effects: for each word that the vocabulary knows the effect of every feature.
        n_features: features in the dictionary.
        by: one of ``By``.

    Raises:
        UnknownName: ``by`` is another word.
    """
    weight = sum(weight for weight, _ in overlaps)
    near = sum((weight * part for weight, part in overlaps), np.zeros(n_features)) / max(weight, 1e-9)
    push = sum(effects, np.zeros(n_features)) / max(len(effects), 1)
    scores = {
        "both": OVERLAP_WEIGHT * near + (1 - OVERLAP_WEIGHT) * push,
        "overlap": near,
        "effect": push,
    }
    if by not in scores:
        raise UnknownName(f"{by!r} is no way to sort a search", nearest(by, scores))
    return Scores(scores[by], near, push)
