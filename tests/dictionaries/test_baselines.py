"""Baselines reconstruct what they should, and no more."""

import pytest
import torch

from monoscope.dictionaries.baselines import (
    independent_components,
    neurons,
    principal_components,
    random_directions,
)
from monoscope.testing import check_dictionary

GENERATOR = torch.Generator().manual_seed(0)
X = torch.randn(500, 8, generator=GENERATOR) @ torch.randn(8, 8, generator=GENERATOR) + 3
MEAN = X.mean(0)
COVARIANCE = torch.cov(X.T)


def unexplained(x_hat: torch.Tensor) -> float:
    return float((X - x_hat).square().sum() / (X - MEAN).square().sum())


def test_neurons_read_single_coordinates_in_both_signs() -> None:
    dictionary = neurons(MEAN, 8, site="here")
    assert (dictionary.n_features, dictionary.site) == (16, "here")
    assert torch.allclose(dictionary.encode(X)[:, :8], (X - MEAN).relu(), atol=1e-5)
    assert torch.allclose(dictionary.encode(X)[:, 8:], (MEAN - X).relu(), atol=1e-5)
    assert torch.allclose(dictionary(X), X, atol=1e-4)


def test_keeping_few_neurons_keeps_the_largest() -> None:
    kept = neurons(MEAN, 3)(X) - MEAN
    by_size = (X - MEAN).abs().topk(3, dim=1)
    assert torch.allclose(kept.abs().topk(3, dim=1).values, by_size.values, atol=1e-4)


def test_components_are_ordered_by_variance_and_reconstruct_when_all_are_kept() -> None:
    dictionary = principal_components(MEAN, COVARIANCE, 8)
    variances = ((X - MEAN) @ dictionary.directions[:8].T).var(0)
    assert (variances.diff() < 0).all()
    assert variances[0].item() == pytest.approx(float(torch.linalg.eigvalsh(COVARIANCE)[-1]), rel=1e-4)
    assert torch.allclose(dictionary(X), X, atol=1e-3)


def test_choosing_components_for_each_activation_is_at_least_as_good_as_the_first_ones() -> None:
    first = torch.linalg.eigh(COVARIANCE).eigenvectors[:, -3:]
    kept_first = (X - MEAN) @ first @ first.T + MEAN
    assert unexplained(principal_components(MEAN, COVARIANCE, 3)(X)) <= unexplained(kept_first)
    assert unexplained(principal_components(MEAN, COVARIANCE, 3)(X)) < unexplained(neurons(MEAN, 3)(X))


def test_random_directions_are_scaled_as_well_as_one_factor_can() -> None:
    dictionary = random_directions(40, MEAN, X, 4, seed=0)
    y = dictionary(X) - MEAN
    best = float(((X - MEAN) * y).sum() / y.square().sum())
    assert best == pytest.approx(1, abs=1e-3)
    assert unexplained(dictionary(X)) < 1
    assert torch.equal(random_directions(40, MEAN, X, 4, seed=0).encoder, dictionary.encoder)
    assert not torch.equal(random_directions(40, MEAN, X, 4, seed=1).encoder, dictionary.encoder)


def test_baselines_keep_the_promises_of_a_dictionary() -> None:
    check_dictionary(neurons(MEAN, 3))
    check_dictionary(principal_components(MEAN, COVARIANCE, 3))
    check_dictionary(random_directions(40, MEAN, X, 4, seed=0))


def test_independent_components_are_the_sources_that_were_mixed() -> None:
    generator = torch.Generator().manual_seed(3)
    sources = torch.empty(20_000, 6).exponential_(generator=generator) * (
        torch.rand(20_000, 6, generator=generator) < 0.2
    )
    mixing = torch.randn(6, 6, generator=generator)
    x = sources @ mixing + 5
    found = independent_components(x, 6, seed=0)
    planted = mixing / mixing.norm(dim=1, keepdim=True)
    assert ((found.directions[:6] @ planted.T).abs().max(0).values > 0.99).all()
    axes = principal_components(x.mean(0), torch.cov(x.T), 6).directions[:6]
    assert ((axes @ planted.T).abs().max(0).values > 0.99).sum() <= 1


def test_all_independent_components_reconstruct_and_few_of_a_flat_sample_are_no_trouble() -> None:
    found = independent_components(X, 8, seed=0)
    assert unexplained(found(X)) < 1e-5
    check_dictionary(found)
    assert torch.allclose(found.directions.norm(dim=1), torch.ones(16), atol=1e-5)
    flat = X.clone()
    flat[:, 3] = flat[:, 2]
    assert independent_components(flat, 8, seed=0).n_features == 14
