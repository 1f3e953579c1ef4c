"""The fast step is the plain one."""

import pytest
import torch
from torch import Tensor

from monoscope.dictionaries import AutoencoderOptions, ReLU, SparseAutoencoder, SparseCodes, TopK
from monoscope.train import step
from monoscope.train.step import codes_of, losses, normalise_directions, remove_radial_gradient, selected

X = torch.randn(64, 16, generator=torch.Generator().manual_seed(0))
DEAD = torch.tensor([1, 8, 30])


def made(sparsifier: TopK | ReLU) -> SparseAutoencoder:
    options = AutoencoderOptions(n_features=96, sparsifier=sparsifier)
    dictionary = SparseAutoencoder.initialise(16, options, seed=0)
    generator = torch.Generator().manual_seed(1)
    for parameter in (dictionary.bias, dictionary.encoder_bias, dictionary.encoder):
        parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return dictionary.requires_grad_(True)


def plain_terms(dictionary: SparseAutoencoder) -> dict[str, Tensor]:
    """Every loss written out on dense codes, for plain autograd."""
    sparsifier = dictionary.options.sparsifier
    pre = (X - dictionary.bias) @ dictionary.encoder + dictionary.encoder_bias
    if isinstance(sparsifier, TopK):
        threshold = pre.detach().sort(1, descending=True).values[:, [sparsifier.k - 1]]
        codes = torch.where(pre >= threshold, pre, 0).relu()
    else:
        codes = pre.relu()
    x_hat = codes @ dictionary.decoder + dictionary.bias
    terms = {"reconstruction": (X - x_hat).square().sum(1).mean()}
    if isinstance(sparsifier, ReLU):
        terms["l1"] = 0.5 * sparsifier.l1 * codes.sum(1).mean()
    residual = (X - x_hat).detach()
    dead = ((X - dictionary.bias).detach() @ dictionary.encoder + dictionary.encoder_bias)[:, DEAD].relu()
    left = (residual - dead @ dictionary.decoder[DEAD]).square().sum()
    terms["auxiliary"] = 0.25 * 16 * left / residual.square().sum()
    return terms


@pytest.mark.parametrize("term", ["reconstruction", "auxiliary", "l1"])
@pytest.mark.parametrize("sparsifier", [TopK(5), TopK(40), ReLU(0.7)])
def test_every_term_and_gradient_is_that_of_plain_autograd(
    sparsifier: TopK | ReLU, term: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(step, "halves_are_fast", lambda device: False)
    fast, plain = made(sparsifier), made(sparsifier)
    terms, x_hat = losses(
        fast, X, codes_of(fast, X), dead=DEAD, auxiliary_k_kept=8, auxiliary_weight=0.25, sparsity=0.5
    )
    expected = plain_terms(plain)
    assert terms.keys() == expected.keys()
    assert x_hat.shape == X.shape
    if term not in terms:
        return
    assert torch.isclose(terms[term], expected[term], rtol=1e-5)
    terms[term].backward()
    expected[term].backward()
    for (name, a), (_, b) in zip(fast.named_parameters(), plain.named_parameters(), strict=True):
        found, right = (torch.zeros_like(a) if p.grad is None else p.grad for p in (a, b))
        assert torch.allclose(found, right, rtol=1e-5, atol=1e-5 * float(right.abs().max())), name


def test_topk_is_trained_on_sparse_codes_and_relu_on_dense_ones() -> None:
    assert isinstance(codes_of(made(TopK(5)), X), SparseCodes)
    assert codes_of(made(ReLU()), X).shape == (64, 96)


def test_selecting_in_blocks_selects_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step, "halves_are_fast", lambda device: False)
    dictionary = made(TopK(5))
    whole = selected(dictionary, X).sort(1).values
    monkeypatch.setattr(step, "ENTRIES", 96 * 7)
    assert torch.equal(selected(dictionary, X).sort(1).values, whole)
    assert torch.equal(whole, dictionary.pre_activations(X).topk(5).indices.sort(1).values)


def test_selecting_in_bfloat16_loses_next_to_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step, "halves_are_fast", lambda device: True)
    dictionary = made(TopK(5))
    with torch.no_grad():
        pre = dictionary.pre_activations(X)
        best = pre.topk(5).values.sum(1)
        kept = pre.gather(1, selected(dictionary, X)).sum(1)
    assert (kept / best).min() > 0.99
    assert (kept / best).mean() > 0.9995


def test_gradients_along_a_row_are_removed_and_norms_restored() -> None:
    dictionary = made(TopK(5))
    codes = codes_of(dictionary, X)
    terms, _ = losses(dictionary, X, codes, dead=DEAD[:0], auxiliary_k_kept=8, auxiliary_weight=1.0)
    assert list(terms) == ["reconstruction"]
    terms["reconstruction"].backward()
    before = dictionary.decoder.grad.clone()
    remove_radial_gradient(dictionary)
    along = (dictionary.decoder.grad * dictionary.directions).sum(1)
    assert along.abs().max() < 1e-5 * before.norm(dim=1).max()
    across = before - dictionary.decoder.grad
    assert torch.allclose(
        across, (before * dictionary.directions).sum(1, keepdim=True) * dictionary.directions, atol=1e-5
    )
    with torch.no_grad():
        dictionary.decoder.add_(dictionary.decoder.grad)
    assert dictionary.directions.norm(dim=1).max() > 1.01
    normalise_directions(dictionary)
    assert torch.allclose(dictionary.directions.norm(dim=1), torch.ones(96), atol=1e-6)
