"""Which features are active on the same tokens, counted on a sample of them.

For features i and j, of n sampled tokens c_i have i active, c_j have j, and c_ij have both::

    v_i   = c_i (1 - c_i / n)
    r_ij  = (c_ij - c_i c_j / n) / sqrt((v_i + 4) (v_j + 4))

Without the fours r is the phi coefficient: Pearson's correlation of «i is active» and «j is active». With them it is
drawn to 0 as if each had fired some four times more, by itself: two features that met once, and were seen once, have
0.2 and not 1. Only correlations above 0 are listed.
"""

from dataclasses import dataclass
from math import sqrt

import numpy as np
import torch
from jaxtyping import Float, Int

from monoscope.dictionaries.kernels.compiled import Compiled
from monoscope.features.grouping import stable_order

PRIOR = 4.0
"""Activations by itself that are added to each feature's."""


@dataclass(frozen=True)
class Coactive:
    """For each feature the features that go with it, closest first."""

    features: Int[np.ndarray, "n_features kept"]
    """Their numbers; -1 where there are no more."""
    correlations: Float[np.ndarray, "n_features kept"]
    """r: the formula is in the module's text."""
    shares: Float[np.ndarray, "n_features kept"]
    """c_ij / c_i: the share of the feature's own sampled activations on which the other is active too."""


@Compiled
def _best(low, high, starts, places, token_starts, owners, n, kept, features, correlations, shares):
    """The ``kept`` best of each feature from ``low`` to ``high``; of equals the lower number."""
    n_features = len(starts) - 1
    together = np.zeros(n_features, np.int32)
    met = np.empty(n_features, np.int32)
    for own in range(low, high):
        n_met = 0
        for entry in range(starts[own], starts[own + 1]):
            place = places[entry]
            for other in range(token_starts[place], token_starts[place + 1]):
                feature = owners[other]
                if together[feature] == 0:
                    met[n_met] = feature
                    n_met += 1
                together[feature] += 1
        count = starts[own + 1] - starts[own]
        spread = count * (1 - count / n) + PRIOR
        for index in range(n_met):
            feature, both = met[index], together[met[index]]
            together[feature] = 0
            size = starts[feature + 1] - starts[feature]
            r = np.float32((both - count * size / n) / sqrt(spread * (size * (1 - size / n) + PRIOR)))
            if feature == own or r <= 0:
                continue
            slot = kept
            while slot > 0 and (
                correlations[own, slot - 1] < r
                or (correlations[own, slot - 1] == r and features[own, slot - 1] > feature)
            ):
                slot -= 1
            for later in range(kept - 1, slot, -1):
                features[own, later] = features[own, later - 1]
                correlations[own, later] = correlations[own, later - 1]
                shares[own, later] = shares[own, later - 1]
            if slot < kept:
                features[own, slot], correlations[own, slot] = feature, r
                shares[own, slot] = np.float32(both / count)


def coactive(
    features: Int[np.ndarray, " entry"],
    positions: Int[np.ndarray, " entry"],
    n_features: int,
    n_tokens: int,
    kept: int,
) -> Coactive:
    """The features that are active on the same tokens as each feature.

    Time grows with the sum, over the tokens, of the square of the features active on one; memory is ``n_features``
    numbers for each thread.

    Args:
        features: what fired in the sample, ascending.
        positions: where.
        n_features: features in the dictionary.
        n_tokens: tokens in the sample, active or not.
        kept: features listed of each.
    """
    starts = np.searchsorted(features, np.arange(n_features + 1))
    token, places = np.unique(positions, return_inverse=True)
    order = stable_order(places)
    token_starts = np.searchsorted(places[order], np.arange(len(token) + 1))
    found = Coactive(
        np.full((n_features, kept), -1, np.int32),
        np.zeros((n_features, kept), np.float32),
        np.zeros((n_features, kept), np.float32),
    )
    read = (starts, places, token_starts, features[order])
    written = (found.features, found.correlations, found.shares)
    if len(features) and kept:
        _best(
            n_features,
            *(torch.from_numpy(np.ascontiguousarray(array)) for array in read),
            float(n_tokens),
            kept,
            *(torch.from_numpy(array) for array in written),
        )
    return found
