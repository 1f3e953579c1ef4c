"""Centring and the one factor."""

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from monoscope.dictionaries.scaling import Centring, Scaling, geometric_median
from monoscope.errors import BrokenInput


@dataclass
class Known:
    mean: Tensor
    mean_squared_norm: float


X = torch.randn(4000, 6, generator=torch.Generator().manual_seed(0)) * 3 + torch.tensor([9.0, 0, 0, -4, 0, 1])


@pytest.mark.parametrize("centring", ["geometric_median", "mean", "none"])
def test_scaled_activations_have_the_mean_squared_norm_of_their_width(centring: Centring) -> None:
    scaling = Scaling.fit(None, centring, X)
    scaled = scaling.apply(X)
    assert scaled.square().sum(1).mean().item() == pytest.approx(6, rel=1e-4)
    assert torch.allclose(scaling.undo(scaled), X, atol=1e-4)
    assert scaled.mean(0).norm() < (
        1e-4 if centring == "mean" else 0.1 if centring == "geometric_median" else 99
    )


def test_statistics_of_all_activations_outrank_the_sample() -> None:
    known = Known(X.mean(0), float(X.square().sum(1).mean()))
    scaling = Scaling.fit(known, "mean", X[:50])
    assert scaling.apply(X).square().sum(1).mean().item() == pytest.approx(6, rel=1e-4)


def test_outliers_do_not_move_the_geometric_median() -> None:
    spoilt = torch.cat([X, torch.full((40, 6), 1e4)])
    assert (geometric_median(spoilt) - geometric_median(X)).norm() < 0.2
    assert (spoilt.mean(0) - X.mean(0)).norm() > 100


def test_the_geometric_median_has_the_least_summed_distance() -> None:
    points = torch.tensor([[0.0, 0.0], [4.0, 0.0], [0.0, 3.0]])
    median = geometric_median(points, tolerance=1e-7, steps=1000)
    summed = (points - median).norm(dim=1).sum()
    for nudge in torch.eye(2).mul(0.01).repeat(2, 1) * torch.tensor([[1.0], [1.0], [-1.0], [-1.0]]):
        assert (points - median - nudge).norm(dim=1).sum() > summed
    assert geometric_median(torch.ones(5, 2)).tolist() == [1, 1]


def test_activations_that_are_all_alike_or_broken_are_refused() -> None:
    with pytest.raises(BrokenInput, match="cannot be scaled"):
        Scaling.fit(None, "mean", torch.ones(10, 6))
    with pytest.raises(BrokenInput, match="nan"):
        Scaling.fit(None, "mean", torch.full((10, 6), torch.nan))
