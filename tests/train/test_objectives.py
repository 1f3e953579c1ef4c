"""Losses, term by term."""

import pytest
import torch

from monoscope.dictionaries import AutoencoderOptions, ReLU, SparseAutoencoder, TopK
from monoscope.train import L1, Power
from monoscope.train.objectives import auxiliary_k, reconstruction
from monoscope.train.penalties import Seen

X = torch.randn(40, 6, generator=torch.Generator().manual_seed(0))
DEAD = torch.tensor([2, 5, 9, 11])


def made() -> SparseAutoencoder:
    options = AutoencoderOptions(n_features=12, sparsifier=TopK(3))
    dictionary = SparseAutoencoder.initialise(6, options, seed=0)
    generator = torch.Generator().manual_seed(1)
    dictionary.bias.copy_(torch.randn(6, generator=generator))
    dictionary.encoder.add_(torch.randn(6, 12, generator=generator) / 3)
    return dictionary.requires_grad_(True)


def seen(codes: torch.Tensor, progress: float = 0.0, length: float = 1.0) -> Seen:
    options = AutoencoderOptions(n_features=codes.shape[1], sparsifier=ReLU())
    dictionary = SparseAutoencoder.initialise(6, options, seed=0)
    dictionary.decoder.data *= length
    return Seen(dictionary, torch.zeros(len(codes), 6), codes, codes, progress)


def test_reconstruction_and_l1_are_sums_per_token() -> None:
    assert reconstruction(torch.zeros(2, 3), torch.tensor([[1.0, 2, 0], [0, 0, 3]])) == 7
    codes = torch.tensor([[1.0, 2.0], [0.0, 5.0]])
    assert float(L1()(seen(codes))) == pytest.approx(4)
    assert float(L1()(seen(codes, length=3.0))) == pytest.approx(12), "codes cannot hide in long directions"


def test_the_power_falls_in_stairs_and_keeps_its_price() -> None:
    power, codes = Power(end=0.2, start=0.3, stairs=8), torch.tensor([[1.0, 2.0, 0.0], [0.0, 5.0, 0.1]])
    assert [power.exponent(at) for at in (0.0, 0.29, 0.3, 0.8, 1.0)] == pytest.approx([1, 1, 0.9, 0.2, 0.2])
    assert float(power(seen(codes, 0.9))) == pytest.approx(float(L1()(seen(codes))), rel=1e-5)
    variable = codes.clone().requires_grad_()
    power(seen(variable.relu(), 0.9)).backward()
    assert variable.grad[1, 2] > variable.grad[1, 1] > 0, "small codes pay more than large ones"
    assert variable.grad[0, 2] == 0


def test_a_power_is_straight_below_its_floor_and_has_no_break_there() -> None:
    power = Power(end=0.2, floor=0.5)
    below = torch.tensor([[1e-9, 0.1, 0.4999, 0.5001, 1.0]]).requires_grad_()
    power(seen(below, 0.9)).backward()
    slopes = below.grad[0]
    assert slopes[0] == slopes[1] == slopes[2] > slopes[3] > slopes[4] > 0
    with torch.no_grad():
        prices = [float(power(seen(torch.tensor([[length, 1.0]]), 0.9))) for length in (0.4999, 0.5001)]
    assert prices[0] == pytest.approx(prices[1], rel=1e-3)


def test_the_auxiliary_loss_is_that_of_the_largest_dead_features() -> None:
    dictionary = made()
    x_hat = dictionary(X)
    pre = ((X - dictionary.bias) @ dictionary.encoder + dictionary.encoder_bias)[:, DEAD]
    kept = pre.topk(2, dim=1)
    codes = torch.zeros_like(pre).scatter(1, kept.indices, kept.values.relu())
    whole = (X - x_hat).square().sum()
    expected = 6 * (X - x_hat - codes @ dictionary.decoder[DEAD]).square().sum() / whole
    assert torch.isclose(auxiliary_k(dictionary, X, X - x_hat, DEAD, 2), expected, rtol=1e-5)
    all_positive = 6 * (X - x_hat - pre.relu() @ dictionary.decoder[DEAD]).square().sum() / whole
    assert torch.isclose(auxiliary_k(dictionary, X, X - x_hat, DEAD, 4), all_positive, rtol=1e-5)


def test_its_gradient_reaches_dead_features_alone() -> None:
    dictionary = made()
    auxiliary_k(dictionary, X, X - dictionary(X), DEAD, 2).backward()
    alive = torch.tensor(sorted(set(range(12)) - set(DEAD.tolist())))
    for gradient in (
        dictionary.encoder.grad.T,
        dictionary.encoder_bias.grad[:, None],
        dictionary.decoder.grad,
    ):
        assert not gradient[alive].any()
        assert gradient[DEAD].any(1).all()
    assert dictionary.bias.grad is None


def test_dead_features_that_explain_the_residual_lower_the_loss() -> None:
    dictionary = made()
    x_hat = X - 0.7 * dictionary.directions[DEAD[0]]
    with torch.no_grad():
        dictionary.encoder.zero_()
        dictionary.encoder_bias[DEAD[0]] = 0.7
    assert auxiliary_k(dictionary, X, X - x_hat, DEAD, 2) < 1e-10
    assert auxiliary_k(dictionary, X, X - x_hat, DEAD[1:], 2).item() == pytest.approx(6)
    assert auxiliary_k(dictionary, X, torch.zeros_like(X), DEAD[1:], 2) == 0


def test_the_penalty_pushes_active_features_only() -> None:
    dictionary = SparseAutoencoder.initialise(6, AutoencoderOptions(n_features=12, sparsifier=ReLU()), seed=0)
    dictionary.requires_grad_(True)
    codes = dictionary.encode(X[:1])
    L1()(Seen(dictionary, X[:1], dictionary.pre_activations(X[:1]), codes, 0.0)).backward()
    assert torch.allclose(dictionary.encoder_bias.grad, (codes[0] > 0).float())
