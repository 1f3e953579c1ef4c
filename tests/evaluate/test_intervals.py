from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monoscope.evaluate.intervals import IntervalOptions, interval, over_rows, resamples, totals


@dataclass(frozen=True)
class Sums:
    value: np.ndarray
    count: np.ndarray


def mean(sums: Sums) -> np.ndarray:
    return sums.value / sums.count


@given(st.integers(1, 40), st.integers(1, 30), st.integers(0, 5))
def test_each_resample_takes_as_many_units_as_there_are(n_units: int, draws: int, seed: int) -> None:
    weights = resamples(n_units, IntervalOptions(draws=draws, seed=seed))
    assert weights.shape == (draws, n_units)
    assert (weights >= 0).all()
    assert (weights.sum(1) == n_units).all()
    assert np.array_equal(weights, resamples(n_units, IntervalOptions(draws=draws, seed=seed)))


def test_totals_over_resamples_are_plain_sums() -> None:
    sums = Sums(np.array([1.0, 5.0, 2.0]), np.array([1.0, 2.0, 4.0]))
    added = totals(sums, np.array([[1.0, 1, 1], [2.0, 0, 1]]))
    assert added.value.tolist() == [8.0, 4.0]
    assert added.count.tolist() == [7.0, 6.0]


def test_the_interval_of_a_mean_is_that_of_the_normal_law() -> None:
    values = np.random.default_rng(0).normal(3.0, 2.0, 2000)
    numbers, intervals = over_rows(Sums(values, np.ones(2000)), {"mean": mean}, IntervalOptions(draws=4000))
    assert numbers["mean"] == pytest.approx(values.mean())
    half = 1.96 * values.std() / np.sqrt(2000)
    assert intervals["mean"] == pytest.approx([values.mean() - half, values.mean() + half], abs=0.1 * half)


def test_a_wider_confidence_gives_a_wider_interval() -> None:
    draws = np.arange(1001) / 1000
    assert interval(draws, IntervalOptions(confidence=0.9)) == pytest.approx([0.05, 0.95])
    assert interval(draws, IntervalOptions(confidence=0.5)) == pytest.approx([0.25, 0.75])


def test_what_divides_by_zero_is_none_and_not_a_number() -> None:
    numbers, intervals = over_rows(Sums(np.zeros(3), np.zeros(3)), {"mean": mean}, IntervalOptions(draws=5))
    assert numbers == {"mean": None}
    assert intervals == {"mean": [None, None]}
