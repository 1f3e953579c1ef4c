"""Statistics against numpy in float64, and what they refuse."""

import numpy as np
import pytest
import torch
from torch import Tensor

from monoscope.activations import statistics
from monoscope.activations.statistics import Statistics, sample_size
from monoscope.errors import BrokenInput


def activations(n: int = 5000, d_model: int = 12, offset: float = 3.0) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    mixing = torch.randn(d_model, d_model, generator=generator)
    return torch.randn(n, d_model, generator=generator) @ mixing + offset * torch.arange(d_model)


def test_moments_are_those_of_all_blocks_together() -> None:
    x = activations()
    found = Statistics.measure(x.split(700))
    exact = x.double().numpy()
    assert found.n_tokens == 5000
    assert np.allclose(found.mean, exact.mean(0), rtol=1e-6, atol=1e-6)
    assert np.allclose(found.covariance, np.cov(exact.T, bias=True), rtol=1e-5, atol=1e-4)
    assert found.mean_squared_norm == pytest.approx((exact**2).sum(1).mean(), rel=1e-6)
    assert found.median_norm == pytest.approx(np.median(np.linalg.norm(exact, axis=1)), rel=1e-3)


def test_a_mean_a_thousand_times_the_spread_keeps_the_covariance_exact() -> None:
    x = activations(offset=3000.0)
    found = Statistics.measure(x.split(700))
    assert np.allclose(found.covariance, np.cov(x.double().numpy().T, bias=True), rtol=1e-3, atol=1e-2)


def test_bfloat16_blocks_are_measured_in_float32() -> None:
    x = activations().bfloat16()
    found = Statistics.measure(x.split(700))
    assert np.allclose(found.mean, x.double().mean(0), rtol=1e-5, atol=1e-5)


def test_constant_activations_have_a_covariance_of_nought() -> None:
    found = Statistics.measure([torch.full((4, 3), 2.0)])
    assert found.covariance is not None
    assert found.covariance.abs().max() == 0
    assert found.mean.tolist() == [2, 2, 2]


def test_outliers_and_sinks_are_counted_by_their_median_norms() -> None:
    x = torch.zeros(1000, 4)
    x[:, 0] = 1
    x[:30, 0] = 50
    x[:4, 0] = 5000
    found = Statistics.measure(x.split(300))
    assert found.median_norm == 1
    assert found.outlier_share == pytest.approx(0.030)
    assert found.sink_share == pytest.approx(0.004)


def test_wide_sites_get_no_covariance(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics, "WIDEST_COVARIANCE", 11)
    found = Statistics.measure([activations()])
    assert found.covariance is None
    assert np.allclose(found.mean, activations().mean(0), atol=1e-5)


def test_activations_that_are_not_finite_are_refused() -> None:
    x = activations()
    x[17, 3] = float("nan")
    x[18, 0] = float("inf")
    with pytest.raises(BrokenInput, match="2 of 5000 activations are infinite or not a number"):
        Statistics.measure(x.split(700))


def test_samples_shrink_where_a_covariance_would_take_long() -> None:
    sizes = {width: sample_size(width) for width in (64, 256, 512, 1024, 2048, 4096, 4097)}
    assert sizes == {
        64: 300_000,
        256: 300_000,
        512: 300_000,
        1024: 95_367,
        2048: 32_768,
        4096: 65_536,
        4097: 300_000,
    }


def test_no_activations_are_refused() -> None:
    with pytest.raises(BrokenInput, match="no activations"):
        Statistics.measure([])
