"""The interval of a share."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monoscope.intervals import wilson


def test_known_values() -> None:
    # Newcombe 1998, "Two-sided confidence intervals for the single proportion", table I.
    for successes, trials, low, high in (
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (29, 29, 0.8830, 1.0),
    ):
        found = wilson(successes, trials)
        assert found == pytest.approx((low, high), abs=5e-5)
    assert wilson(0, 0) == (0.0, 1.0)


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_laws(counts: tuple[int, int]) -> None:
    successes, trials = counts
    low, high = wilson(successes, trials)
    assert 0 <= low <= successes / trials + 1e-12
    assert successes / trials - 1e-12 <= high <= 1
    mirrored = wilson(trials - successes, trials)
    assert math.isclose(low, 1 - mirrored[1], abs_tol=1e-12)
    wider = wilson(successes * 4, trials * 4)
    assert wider[1] - wider[0] < high - low


def test_a_share_above_one() -> None:
    with pytest.raises(ValueError, match="3 of 2"):
        wilson(3, 2)


def test_a_tie_counts_half() -> None:
    low, high = wilson(2.5, 5)
    assert low == pytest.approx(1 - high)
    assert wilson(2, 5)[0] < low < wilson(3, 5)[0]
