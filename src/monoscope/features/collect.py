"""The one pass over the corpus: every sketch and shortlist of every feature, filled while the firings stream
by.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, Integer

from monoscope.activations import ActivationStore
from monoscope.dictionaries import SparseAutoencoder
from monoscope.features.firings import Firings, stream_firings
from monoscope.features.options import IndexOptions
from monoscope.features.passages import windows
from monoscope.features.shortlists import Shortlist, uniform_numbers
from monoscope.features.sketches import Moments, TokenMass


@dataclass
class Collected:
    """What one pass over the corpus gathered."""

    moments: Moments
    """Counts, sums, maxima and histograms."""
    tokens: TokenMass
    """Activation by token."""
    top: Shortlist
    """The largest activations, one a row."""
    intervals: Shortlist
    """A random few of each interval of activation; group = feature * intervals + interval, the weakest 0."""
    by_mass: Shortlist
    """A sample in proportion to activation."""


def collect(
    dictionary: SparseAutoencoder,
    store: ActivationStore,
    passage: Int[np.ndarray, " position"],
    options: IndexOptions,
    *,
    vocabulary_size: int,
    progress: Callable[[int, int], None] | None = None,
) -> Collected:
    """Encode the corpus once and keep what the index needs.

    Args:
        dictionary: what to encode with.
        store: the activations at its site.
        passage: passage number by position; windows don't leave a passage.
        options: how much to keep.
        vocabulary_size: tokens in the vocabulary.
        progress: called with (tokens done, tokens in all).
    """
    n_features, window = dictionary.n_features, options.window
    collected = Collected(
        Moments.empty(n_features),
        TokenMass(vocabulary_size),
        Shortlist(n_features, options.top, window=window, one_per=store.rows.context),
        Shortlist(n_features * options.intervals, options.per_interval, window=window),
        Shortlist(n_features, options.samples),
    )
    tokens = store.rows.tokens.reshape(-1)
    # Sketches sort on one core while the next item is encoded; one item waits at most.
    with ThreadPoolExecutor(max_workers=1) as worker:
        taken = None
        for firings in stream_firings(dictionary, store, progress=progress):
            if taken is not None:
                taken.result()
            taken = worker.submit(_take, collected, firings, tokens, passage, options)
        if taken is not None:
            taken.result()
    return collected


def _take(
    collected: Collected,
    firings: Firings,
    tokens: Integer[np.ndarray, " position"],
    passage: Int[np.ndarray, " position"],
    options: IndexOptions,
) -> None:
    """Show one item of the stream to every sketch."""
    features, positions, values = firings.features, firings.positions, firings.values

    def around(features: np.ndarray, positions: np.ndarray) -> np.ndarray:
        where, inside = windows(positions, passage, options.window_before, options.window_after)
        return firings.at(features, where, inside)

    collected.moments.update(firings)
    collected.tokens.update(firings, tokens)
    collected.top.offer(features, features, positions, values, values, windows=around)

    largest = collected.moments.largest
    kept = collected.intervals.entries
    collected.intervals.regroup(interval_groups(kept["feature"], kept["value"], largest, options.intervals))
    groups = interval_groups(features, values, largest, options.intervals)
    chance = uniform_numbers(features, positions, 2 * options.seed)
    collected.intervals.offer(groups, features, positions, values, chance, windows=around)

    chance = uniform_numbers(features, positions, 2 * options.seed + 1)
    collected.by_mass.offer(features, features, positions, values, values / -np.log(chance))


def interval_groups(
    features: Integer[np.ndarray, " entry"],
    values: Float[np.ndarray, " entry"],
    largest: Float[np.ndarray, " n_features"],
    intervals: int,
) -> Int[np.ndarray, " entry"]:
    """``feature * intervals + i`` for an activation in the i-th of the equal parts of (0, largest], from
    0.
    """
    part = np.ceil(values / largest[features] * intervals).astype(np.int64) - 1
    return features.astype(np.int64) * intervals + np.clip(part, 0, intervals - 1)
