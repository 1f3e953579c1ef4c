"""Schedules at their corners."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monoscope.train.schedule import default_learning_rate, ramp, trapezium


def test_a_trapezium_rises_stays_and_falls_to_nothing() -> None:
    factors = [trapezium(step, 10, warmup=0.2, decay=0.5) for step in range(10)]
    assert factors == pytest.approx([0.5, 1, 1, 1, 1, 1, 0.8, 0.6, 0.4, 0.2])
    assert trapezium(10, 10, 0.2, 0.5) == 0


@given(
    n_steps=st.integers(1, 300), step=st.integers(0, 299), warmup=st.floats(0, 0.5), decay=st.floats(0, 0.5)
)
def test_no_step_is_lost(n_steps: int, step: int, warmup: float, decay: float) -> None:
    if step < n_steps:
        assert 0 < trapezium(step, n_steps, warmup, decay) <= 1


def test_no_ramp_is_full_at_once() -> None:
    assert ramp(0, 100, 0.0) == 1
    assert trapezium(0, 100, 0.0, 0.0) == trapezium(99, 100, 0.0, 0.0) == 1


def test_wider_dictionaries_learn_more_slowly() -> None:
    assert default_learning_rate(4096) == pytest.approx(2 * default_learning_rate(16384))
