"""The controller of L0, alone and in runs."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from monoscope.dictionaries import (
    AutoencoderOptions,
    Gated,
    JumpReLU,
    ReLU,
    Scaling,
    SparseAutoencoder,
    Sparsifier,
)
from monoscope.synthetic.planted import planted_dictionary
from monoscope.train import L0, L1, Gate, Objective, Penalty, Power, Tanh, TrainOptions
from monoscope.train.control import DESCENT, excess
from monoscope.train.run import Run

PLANTED = planted_dictionary(64, 16, density=0.05, seed=0)
"""64 features in 16 dimensions, 3.2 of them on at a time."""
X = PLANTED.sample(20_000, seed=99)[0]
TARGET, BATCH = 3.0, 256


def error(l0: float, target: float = TARGET, progress: float = 1.0) -> float:
    """The controller's, for 64 features."""
    return float(excess(torch.tensor(l0), target, 64, progress))


@given(l0=st.floats(0, 64), target=st.floats(0.1, 60), progress=st.floats(0, 1))
def test_an_error_is_bounded_and_has_the_sign_of_what_is_off(
    l0: float, target: float, progress: float
) -> None:
    found = error(l0, target, progress)
    assert -1 <= found <= 1
    if l0 < target:
        assert found <= 0, "fewer than the target are too few at any time"
    else:
        assert found >= 0, "and more of them never are"


def test_l0_is_led_down_in_equal_ratios() -> None:
    path = [32, 32 * (TARGET / 32) ** 0.5, TARGET]
    for progress, l0 in zip((0, DESCENT / 2, DESCENT), path, strict=True):
        assert error(0.999 * l0, progress=progress) == pytest.approx(0, abs=2e-3)
        assert error(1.1 * l0, progress=progress) == pytest.approx(0.0953, abs=1e-3)


def trained(sparsifier: Sparsifier, penalty: Penalty, n_steps: int, learning_rate: float) -> Run:
    """A run that has ended."""
    objective = Objective(penalty=penalty, target_l0=TARGET)
    training = TrainOptions(
        n_tokens=n_steps * BATCH, batch=BATCH, learning_rate=learning_rate, objective=objective
    )
    options = AutoencoderOptions(n_features=64, sparsifier=sparsifier)
    run = Run.begun(SparseAutoencoder.initialise(16, options, seed=0), training, Scaling.fit(None, "mean", X))
    batches = PLANTED.stream().batches(BATCH, seed=0)
    for _ in range(n_steps):
        run.advance(next(batches))
    return run


@pytest.mark.parametrize(
    ("sparsifier", "penalty"),
    [
        pytest.param(ReLU(), L1(0.1), id="cheap"),
        pytest.param(ReLU(), L1(10.0), id="dear", marks=pytest.mark.slow),
        pytest.param(ReLU(), Power(), id="power", marks=pytest.mark.slow),
        pytest.param(JumpReLU(), L0(), id="jumprelu"),
        pytest.param(JumpReLU(through_values=True), Tanh(), id="tanh", marks=pytest.mark.slow),
        pytest.param(Gated(), Gate(), id="gated", marks=pytest.mark.slow),
    ],
)
def test_a_run_ends_at_its_target(sparsifier: Sparsifier, penalty: Penalty) -> None:
    """Whatever the weight is that the price begins with."""
    dictionary = trained(sparsifier, penalty, 600, 1e-2).finished()
    assert float((dictionary.encode(X) > 0).sum(1).float().mean()) == pytest.approx(TARGET, rel=0.1)
