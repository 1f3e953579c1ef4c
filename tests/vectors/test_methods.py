"""Directions between two sides, on activations whose direction is known."""

import pytest
import torch
from jaxtyping import Float
from torch import Tensor

from monoscope.errors import BrokenInput, UnknownName, WrongUse
from monoscope.vectors import (
    METHODS,
    PCA,
    CentredDifferencesPCA,
    CentredPairsPCA,
    Logistic,
    MeanDifference,
    Whitened,
)
from monoscope.vectors.methods import from_record, to_record

D_MODEL = 64
N_PAIRS = 1600
"""The mean of a nuisance of sd 4 is .1 off at these, and the cosine of the mean difference .995; at 400, .98."""
NUISANCES = (0.5, 1.0, 2.0, 4.0)
"""Standard deviation of what else differs within a pair, in units of the mean difference."""

Sides = tuple[Float[Tensor, "pair d_model"], Float[Tensor, "pair d_model"]]


def planted(nuisance: float, seed: int = 0) -> tuple[Float[Tensor, " d_model"], Sides]:
    """``δ_i = u + nuisance g_i w + small noise``, with u and w orthogonal and of norm 1, on bases that vary widely."""
    generator = torch.Generator().manual_seed(seed)
    axes = torch.linalg.qr(torch.randn(D_MODEL, 2, generator=generator)).Q.T
    base = 3 * torch.randn(N_PAIRS, D_MODEL, generator=generator)
    varying = nuisance * torch.randn(N_PAIRS, 1, generator=generator) * axes[1]
    noise = 0.05 * torch.randn(N_PAIRS, D_MODEL, generator=generator)
    difference = axes[0] + varying + noise
    return axes[0], (base + difference / 2, base - difference / 2)


@pytest.mark.parametrize("nuisance", NUISANCES)
def test_the_mean_difference_finds_what_was_planted_at_every_nuisance(nuisance: float) -> None:
    cosines = [
        float(MeanDifference()(*sides) @ u) for u, sides in (planted(nuisance, seed) for seed in range(5))
    ]
    assert min(cosines) >= 0.95


@pytest.mark.parametrize("method", [PCA(), CentredPairsPCA()])
def test_uncentred_components_find_it_while_it_is_the_larger(method: PCA | CentredPairsPCA) -> None:
    (u, small), (v, large) = planted(0.5), planted(2.0)
    assert float(method(*small) @ u) >= 0.95
    assert abs(float(method(*large) @ v)) <= 0.3, "a larger nuisance is found instead: documented"


@pytest.mark.parametrize("nuisance", NUISANCES)
def test_centred_differences_lose_it_at_every_nuisance(nuisance: float) -> None:
    u, sides = planted(nuisance)
    assert abs(float(CentredDifferencesPCA()(*sides) @ u)) <= 0.3


def test_centred_differences_find_what_varies_in_strength() -> None:
    generator = torch.Generator().manual_seed(0)
    u = torch.nn.functional.normalize(torch.randn(D_MODEL, generator=generator), dim=0)
    difference = (2 + torch.randn(N_PAIRS, 1, generator=generator)) * u
    negative = torch.randn(N_PAIRS, D_MODEL, generator=generator)
    assert float(CentredDifferencesPCA()(negative + difference, negative) @ u) >= 0.99


def test_both_uncentred_components_are_one_direction() -> None:
    _, sides = planted(0.7)
    assert torch.allclose(PCA()(*sides), CentredPairsPCA()(*sides), atol=1e-5)


def test_whitening_is_the_best_reader_where_sides_are_normal() -> None:
    generator = torch.Generator().manual_seed(0)
    root = torch.randn(8, 8, generator=generator) / 2 + torch.eye(8)
    shift = torch.randn(8, generator=generator)
    positive, negative = (torch.randn(20_000, 8, generator=generator) @ root.T for _ in range(2))
    best = torch.nn.functional.normalize(torch.linalg.solve(root @ root.T, shift), dim=0)
    assert float(Whitened()(positive + shift, negative) @ best) >= 0.995
    assert float(Logistic(c=100.0)(positive + shift, negative) @ best) >= 0.99
    assert float(MeanDifference()(positive + shift, negative) @ best) < 0.95


@pytest.mark.parametrize("name", list(METHODS))
def test_every_method_points_to_the_positive_side_with_length_1(name: str) -> None:
    _, (positive, negative) = planted(0.5)
    direction = METHODS[name]()(positive, negative)
    assert direction.dtype == torch.float32
    assert float(direction.norm()) == pytest.approx(1, abs=1e-5)
    assert float(((positive - negative) @ direction > 0).float().mean()) >= 0.5
    assert torch.allclose(METHODS[name]()(negative, positive), -direction, atol=1e-3)
    assert torch.allclose(METHODS[name]()(positive * 7, negative * 7), direction, atol=1e-3), (
        "units do not count"
    )


@pytest.mark.parametrize("name", list(METHODS))
def test_sides_that_do_not_differ_are_refused(name: str) -> None:
    same = torch.randn(8, 5, generator=torch.Generator().manual_seed(0))
    with pytest.raises(WrongUse, match=r"do not differ|no first component"):
        METHODS[name]()(same, same)


@pytest.mark.parametrize("method", [CentredDifferencesPCA(), Whitened()])
def test_one_pair_is_too_few_for_what_needs_variation(method: CentredDifferencesPCA | Whitened) -> None:
    with pytest.raises(WrongUse, match="one pair"):
        method(torch.ones(1, 4), torch.zeros(1, 4))


def test_records_give_methods_back() -> None:
    assert from_record(to_record(Logistic(c=0.5))) == Logistic(c=0.5)
    for name in METHODS:
        assert from_record({"name": name}) == METHODS[name]()
    with pytest.raises(UnknownName, match="nearest"):
        from_record({"name": "pca_centre"})
    with pytest.raises(BrokenInput, match="no record of a method"):
        from_record({"name": "pca", "c": 1})
    with pytest.raises(WrongUse, match="c = 0"):
        Logistic(c=0)
