"""The one pass over the corpus: every sketch and shortlist of every feature, filled while the firings stream
by.
"""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, Integer

from monoscope.activations import ActivationStore, TokenRows
from monoscope.dictionaries import SparseAutoencoder
from monoscope.features.firings import Firings, stream_firings
from monoscope.features.options import IndexOptions
from monoscope.features.passages import windows
from monoscope.features.row_sample import RowSample
from monoscope.features.shortlists import Shortlist, uniform_numbers
from monoscope.features.sketches import Moments, TokenMass


@dataclass
class Collected:
    """What one pass over some rows of the corpus gathered."""

    rows: range
    """The rows, by their number in the indexed corpus."""
    moments: Moments
    """Counts, sums, maxima and histograms."""
    tokens: TokenMass
    """Activation by token."""
    top: Shortlist
    """The largest activations, one a row."""
    intervals: Shortlist
    """A random few of each part of the activations' range: group = feature * parts + part, see
    :func:`part_groups`."""
    drawn: Shortlist
    """A random few of all activations."""
    by_mass: Shortlist
    """A sample in proportion to activation."""
    sample: RowSample
    """All that fired on some rows."""

    @classmethod
    def empty(
        cls, n_features: int, options: IndexOptions, *, vocabulary_size: int, context: int, row: int = 0
    ) -> "Collected":
        """Nothing gathered yet; ``row`` is where the pass will begin."""
        window, parts = options.window, 2 * options.intervals
        return cls(
            range(row, row),
            Moments.empty(n_features),
            TokenMass(vocabulary_size),
            Shortlist(n_features, options.top, window=window, one_per=context),
            Shortlist(n_features * parts, options.per_interval, window=window),
            Shortlist(n_features, options.drawn, window=window),
            Shortlist(n_features, options.samples),
            RowSample(-(-options.sampled_tokens // context), context, options.seed),
        )

    def merge(self, later: "Collected", options: IndexOptions) -> None:
        """Add what was gathered on the rows that follow: the same as going on with them.

        Raises:
            ValueError: the rows don't follow.
        """
        if later.rows.start != self.rows.stop:
            raise ValueError(f"rows {later.rows} do not follow {self.rows}")
        self.moments.merge(later.moments)
        self.tokens.merge(later.tokens)
        for shortlist in (self.intervals, later.intervals):
            self.regroup(shortlist, options)
        for name in ("top", "intervals", "drawn", "by_mass", "sample"):
            getattr(self, name).merge(getattr(later, name))
        self.rows = range(self.rows.start, later.rows.stop)

    def regroup(self, intervals: Shortlist, options: IndexOptions) -> None:
        """Give kept entries the parts that belong to the largest activation seen by now."""
        kept = intervals.entries
        groups = part_groups(kept["feature"], kept["value"], self.moments.largest, 2 * options.intervals)
        if not np.array_equal(groups, kept["group"]):
            intervals.regroup(groups)


def collect(
    dictionary: SparseAutoencoder,
    store: ActivationStore,
    corpus: TokenRows,
    passage: Int[np.ndarray, " position"],
    options: IndexOptions,
    collected: Collected,
    *,
    stop: int | None = None,
    offset: int = 0,
    progress: Callable[[int, int], None] | None = None,
    keep: Callable[[Collected, bool], None] = lambda collected, now: None,
    see: Callable[[Firings], None] = lambda firings: None,
) -> None:
    """Encode rows of the store once and add what the index needs to ``collected``, from where that ends.

    Args:
        dictionary: what to encode with.
        store: the activations at its site.
        corpus: rows of the whole indexed corpus, of which those of the store are a part.
        passage: passage number by position of the corpus; windows don't leave a passage.
        options: how much to keep.
        collected: what was gathered before; it is added to.
        stop: row of the corpus to stop before; None: the store's last.
        offset: number of the store's first row in the corpus.
        progress: called with (tokens done, tokens in all).
        keep: called whenever an item has been added, and with True when the pass is interrupted.
        see: called with every item.
    """
    end = offset + len(store.rows.tokens) if stop is None else stop
    rows = range(collected.rows.stop - offset, end - offset)
    stream = stream_firings(dictionary, store, rows=rows, offset=offset, progress=progress)
    tokens = corpus.tokens.reshape(-1)

    def take(firings: Firings) -> None:
        see(firings)
        _take(collected, firings, tokens, passage, options)
        collected.rows = range(collected.rows.start, firings.rows.stop)

    # Sketches sort on one core while the next item is encoded; one item waits at most.
    with ThreadPoolExecutor(max_workers=1) as worker:
        taken: Future[None] | None = None
        try:
            for firings in stream:
                if taken is not None:
                    taken.result()
                    keep(collected, False)
                taken = worker.submit(take, firings)
        except KeyboardInterrupt:
            if taken is not None:
                taken.result()
                keep(collected, True)
            raise
        if taken is not None:
            taken.result()
    collected.rows = range(collected.rows.start, end)


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
    collected.sample.update(firings)
    collected.top.offer(features, features, positions, values, values, windows=around)
    one, other = uniform_numbers(features, positions, options.seed)
    collected.drawn.offer(features, features, positions, values, 1 / one, windows=around)
    collected.by_mass.offer(features, features, positions, values, values / -np.log(other))
    collected.regroup(collected.intervals, options)
    groups = part_groups(features, values, collected.moments.largest, 2 * options.intervals)
    collected.intervals.offer(groups, features, positions, values, 1 / other, windows=around)


def part_groups(
    features: Integer[np.ndarray, " entry"],
    values: Float[np.ndarray, " entry"],
    largest: Float[np.ndarray, " n_features"],
    parts: int,
) -> Int[np.ndarray, " entry"]:
    """``feature * parts + p`` for an activation in part p, from 0, of the range of a feature.

    The range is (0, r] with r the power of two at or above its largest activation, in equal parts. When a larger
    activation comes, r doubles, and each part becomes half of another: what was kept of two parts holds what is
    to be kept of their union, so that the stream may be cut anywhere.
    """
    mantissa, exponent = np.frexp(largest)
    reach = np.ldexp(np.float32(1), exponent - (mantissa == 0.5))
    part = np.ceil(values / reach[features] * np.float32(parts)).astype(np.int64) - 1
    return features.astype(np.int64) * parts + np.clip(part, 0, parts - 1)
