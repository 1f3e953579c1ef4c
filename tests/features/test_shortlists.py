import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monoscope.features.shortlists import Shortlist, uniform_numbers

N_GROUPS, SIZE, ROW = 4, 3, 5


def _entries(seed: int, n: int = 120) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    groups = random.integers(0, N_GROUPS, n)
    # Few values, so that there are ties.
    return (
        groups,
        np.sort(random.choice(10 * n, n, replace=False)),
        random.integers(1, 9, n).astype(np.float32),
    )


def _window(features: np.ndarray, positions: np.ndarray) -> np.ndarray:
    return np.stack([features, positions], 1).astype(np.float32)


def _offer(shortlist: Shortlist, entries: tuple[np.ndarray, ...]) -> None:
    groups, positions, merits = entries
    shortlist.offer(groups, groups, positions, merits, merits, windows=_window)


def _filled(entries: tuple[np.ndarray, ...], cuts: list[int], one_per: int | None) -> Shortlist:
    shortlist = Shortlist(N_GROUPS, SIZE, window=2, one_per=one_per)
    edges = [0, *sorted(cuts), len(entries[0])]
    for first, last in itertools.pairwise(edges):
        _offer(shortlist, tuple(part[first:last] for part in entries))
    return shortlist


@settings(max_examples=40)
@given(st.integers(0, 1000), st.lists(st.integers(0, 120), max_size=4), st.sampled_from([None, ROW]))
def test_the_best_of_each_group_are_kept_however_they_come(
    seed: int, cuts: list[int], one_per: int | None
) -> None:
    groups, positions, merits = _entries(seed)
    kept = _filled((groups, positions, merits), cuts, one_per)
    for group in range(N_GROUPS):
        ranked = sorted(np.flatnonzero(groups == group), key=lambda i: (-merits[i], positions[i]))
        if one_per is not None:
            rows: dict[int, int] = {}
            for i in ranked:
                rows.setdefault(positions[i] // one_per, i)
            ranked = list(rows.values())
        mine = kept.entries["group"] == group
        assert kept.entries["position"][mine].tolist() == positions[ranked[:SIZE]].tolist()
        assert np.array_equal(kept.windows[mine, 1], positions[ranked[:SIZE]])
    assert np.array_equal(kept.windows[:, 0], kept.entries["group"])


@given(st.integers(0, 1000), st.integers(0, 120))
def test_merging_equals_going_on(seed: int, cut: int) -> None:
    entries = _entries(seed)
    first = _filled(tuple(part[:cut] for part in entries), [], ROW)
    first.merge(_filled(tuple(part[cut:] for part in entries), [], ROW))
    whole = _filled(entries, [], ROW)
    assert np.array_equal(first.entries, whole.entries)
    assert np.array_equal(first.windows, whole.windows)


def test_regrouping_keeps_the_best_of_the_new_groups() -> None:
    shortlist = Shortlist(2, 2, window=2)
    _offer(shortlist, (np.array([0, 0, 1, 1]), np.arange(4), np.array([4, 1, 3, 2], np.float32)))
    shortlist.regroup(np.zeros(4, np.int64))
    assert shortlist.entries["position"].tolist() == [0, 2]
    assert shortlist.windows[:, 1].tolist() == [0, 2]
    _offer(shortlist, (np.array([1]), np.array([9]), np.array([0.5], np.float32)))
    assert shortlist.entries["position"].tolist() == [0, 2, 9]


def test_uniform_numbers_are_uniform_and_depend_on_all_they_are_made_of() -> None:
    features, positions = np.repeat(np.arange(100), 1000), np.tile(np.arange(1000), 100)
    both = uniform_numbers(features, positions, 0)
    for numbers in both:
        assert numbers.dtype == np.float32
        assert numbers.min() > 0
        assert numbers.max() < 1
        assert np.histogram(numbers, 10, (0, 1))[0] == pytest.approx(np.full(10, 10_000), rel=0.05)
    numbers = both[0]
    for other in (
        both[1],
        uniform_numbers(features + 1, positions, 0)[0],
        uniform_numbers(features, positions + 1, 0)[0],
        uniform_numbers(features, positions, 1)[0],
    ):
        assert abs(np.corrcoef(numbers, other)[0, 1]) < 0.02


def test_the_sample_by_mass_draws_in_proportion_to_the_activation() -> None:
    n, drawn = 2000, 1
    values = np.tile(np.array([1, 2, 5], np.float32), n)
    features, positions = np.repeat(np.arange(n), 3), np.tile(np.arange(3), n)
    shortlist = Shortlist(n, drawn)
    merits = values / -np.log(uniform_numbers(features, positions, 7)[0])
    shortlist.offer(features, features, positions, values, merits)
    counts = np.bincount(shortlist.entries["position"], minlength=3) / n
    assert counts == pytest.approx([1 / 8, 2 / 8, 5 / 8], abs=0.03)
