"""Which examples of each feature are shown, out of what the pass kept."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, Integer, Shaped

from monoscope.activations import TokenRows
from monoscope.features import database as layout
from monoscope.features.collect import Collected
from monoscope.features.database import ExampleLists, Lists
from monoscope.features.grouping import first_of_groups, run_starts
from monoscope.features.options import IndexOptions
from monoscope.features.passages import windows


@dataclass(frozen=True)
class Chosen:
    """Examples of one kind, each with the activations of its window."""

    features: Integer[np.ndarray, " example"]
    """Whose example it is."""
    positions: Int[np.ndarray, " example"]
    """Flat position."""
    peaks: Float[np.ndarray, " example"]
    """Activation there."""
    around: Float[np.ndarray, "example window"]
    """Activations of the window."""
    kinds: Int[np.ndarray, " example"]
    """Number of the kind."""
    numbers: Int[np.ndarray, " example"]
    """Which interval or quantile, from 1; 0 for the other kinds."""

    @classmethod
    def of(
        cls, entries: Shaped[np.ndarray, " example"], around: np.ndarray, kind: int, numbers: np.ndarray
    ) -> "Chosen":
        """Entries of a shortlist as examples of one kind."""
        kinds = np.full(len(entries), kind)
        return cls(entries["feature"], entries["position"], entries["value"], around, kinds, numbers)


def examples(
    collected: Collected,
    near_misses: Int[np.ndarray, "n_features kept"],
    corpus: TokenRows,
    passage: Int[np.ndarray, " position"],
    options: IndexOptions,
) -> ExampleLists:
    """Each feature's examples: top, intervals, quantiles, random, near misses; each kind from strong to weak."""
    top = collected.top
    none = np.zeros(len(top.entries), np.int64)
    chosen = [
        Chosen.of(top.entries, top.windows, layout.TOP, none),
        interval_examples(collected, options),
        drawn_examples(collected, options),
        _silent(near_misses, options.window),
    ]
    names = Chosen.__dataclass_fields__
    joined = Chosen(*(np.concatenate([getattr(part, name) for part in chosen]) for name in names))
    order = _order(joined)
    joined = Chosen(*(getattr(joined, name)[order] for name in names))
    lists = _listed(joined, collected.moments.largest, corpus, passage, options)
    return ExampleLists(lists, corpus.tokens.reshape(-1))


def interval_examples(collected: Collected, options: IndexOptions) -> Chosen:
    """Of each of the equal parts of (0, maximum] up to ``per_interval`` activations, the top examples left out.

    The pass keeps ``per_interval`` activations, drawn uniformly, of each of ``2 * intervals`` equal parts of
    (0, r], where r is the power of two at or above the maximum: the smallest of their random numbers. Of those that
    lie in an interval, again those with the smallest random numbers are shown. Where an interval's ends cut parts in
    two, fewer than ``per_interval`` may be left of it.
    """
    kept, top, parts = collected.intervals, collected.top.entries, options.intervals
    entries = kept.entries
    largest = collected.moments.largest[entries["feature"]].astype(np.float64)
    part = np.clip(np.ceil(entries["value"] / largest * parts), 1, parts).astype(np.int64)
    shown_already = np.isin(_pairs(entries), _pairs(top))
    group = entries["feature"].astype(np.int64) * parts + part
    order = np.lexsort((entries["position"], -entries["merit"], group))
    order = order[~shown_already[order]]
    order = order[first_of_groups(group[order], options.per_interval)]
    return Chosen.of(entries[order], kept.windows[order], layout.INTERVAL, part[order])


def drawn_examples(collected: Collected, options: IndexOptions) -> Chosen:
    """The activations drawn uniformly: the first ``random`` as such, the rest by quantile.

    The rest are sorted and cut into ``quantiles`` groups of equal size (as nearly as can be).
    """
    entries, around = collected.drawn.entries, collected.drawn.windows
    feature = entries["feature"]
    is_random = first_of_groups(feature, options.random)
    order = np.lexsort((entries["position"], entries["value"], feature))
    order = order[~is_random[order]]
    starts = run_starts(feature[order])
    sizes = np.diff(np.append(starts, len(order)))
    place = np.arange(len(order)) - np.repeat(starts, sizes)
    quantile = np.zeros(len(entries), np.int64)
    quantile[order] = place * options.quantiles // np.repeat(sizes, sizes) + 1
    chosen = Chosen.of(entries, around, layout.QUANTILE, quantile)
    chosen.kinds[is_random] = layout.RANDOM
    return chosen


def _silent(positions: Int[np.ndarray, "n_features kept"], window: int) -> Chosen:
    """Near misses, whose windows are all silent."""
    feature, slot = np.nonzero(positions >= 0)
    n = len(feature)
    silent, zeros = np.zeros(n, np.float32), np.zeros(n, np.int64)
    around = np.zeros((n, window), np.float32)
    return Chosen(feature, positions[feature, slot], silent, around, zeros + layout.NEAR_MISS, zeros)


def _pairs(entries: Shaped[np.ndarray, " entry"]) -> Int[np.ndarray, " entry"]:
    """One number for each feature and position."""
    return (entries["feature"].astype(np.int64) << 40) | entries["position"]


def _order(chosen: Chosen) -> Int[np.ndarray, " example"]:
    """By feature, kind, falling number and falling peak."""
    rank = np.argsort([layout.TOP, layout.INTERVAL, layout.QUANTILE, layout.RANDOM, layout.NEAR_MISS])
    keys = (chosen.positions, -chosen.peaks, -chosen.numbers, rank[chosen.kinds], chosen.features)
    return np.lexsort(keys)


def _listed(
    chosen: Chosen,
    largest: Float[np.ndarray, " n_features"],
    corpus: TokenRows,
    passage: Int[np.ndarray, " position"],
    options: IndexOptions,
) -> Lists:
    """Examples as they are stored, sorted by feature."""
    _, inside = windows(chosen.positions, passage, options.window_before, options.window_after)
    first, length = inside.argmax(1), inside.sum(1)
    columns = np.minimum(first[:, None] + np.arange(options.window), options.window - 1)
    # Outside the passage activations are 0: what moves in from the right needs no mask.
    shown = np.take_along_axis(chosen.around, columns, 1) * (np.arange(options.window) < length[:, None])
    steps = layout.levels(shown, np.broadcast_to(largest[chosen.features][:, None], shown.shape))
    return Lists.pack(
        layout.example_dtype(options.window),
        len(largest),
        chosen.features,
        chosen.kinds,
        chosen.numbers,
        options.window_before - first,
        length,
        corpus.document_ids.reshape(-1)[chosen.positions],
        chosen.positions,
        chosen.peaks,
        steps,
    )
