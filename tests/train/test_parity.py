"""The fast step is the plain one: every term of every objective, and every parameter's gradient."""

from itertools import pairwise

import pytest
import torch
from torch import Tensor

from monoscope.dictionaries import (
    AutoencoderOptions,
    BatchTopK,
    Gated,
    JumpReLU,
    ReLU,
    SparseAutoencoder,
    Sparsifier,
    TopK,
)
from monoscope.dictionaries.codes import ActiveCodes
from monoscope.train import L0, L1, Gate, Objective, Power, Tanh, coding
from monoscope.train.coding import blocks, coding_of
from monoscope.train.constraints import share_gradient, tie
from monoscope.train.objectives import losses
from monoscope.train.penalties import Seen, check_penalty
from monoscope.train.workbench import Workbench

WIDTH, N_FEATURES = 16, 96
X = torch.randn(64, WIDTH, generator=torch.Generator().manual_seed(0))
TARGET = torch.randn(64, 12, generator=torch.Generator().manual_seed(5))
DEAD = torch.tensor([1, 8, 30])
AUXILIARY = {"auxiliary_weight": 0.25, "auxiliary_k": 8}

CASES: dict[str, tuple[Sparsifier, Objective]] = {
    "topk": (TopK(5), Objective(**AUXILIARY)),
    "topk in groups": (TopK(40), Objective(**AUXILIARY)),
    "multi-topk": (TopK(5), Objective(also_k=4, **AUXILIARY)),
    "matryoshka of topk": (TopK(5), Objective(matryoshka=(0.25, 0.5, 1), **AUXILIARY)),
    "batchtopk": (BatchTopK(5), Objective(**AUXILIARY)),
    "matryoshka": (BatchTopK(5), Objective(matryoshka=(0.125, 1), **AUXILIARY)),
    "relu": (ReLU(), Objective(penalty=L1(0.7), **AUXILIARY)),
    "p-annealing": (ReLU(), Objective(penalty=Power(0.7), **AUXILIARY)),
    "jumprelu": (JumpReLU(width=0.5, initial=0.3), Objective(penalty=L0(0.7), **AUXILIARY)),
    "jumprelu 2025": (JumpReLU(0.5, 0.3, True), Objective(penalty=Tanh(0.7), **AUXILIARY)),
    "gated": (Gated(), Objective(penalty=Gate(0.7), **AUXILIARY)),
}


def made(sparsifier: Sparsifier, *, transcodes: bool = False) -> SparseAutoencoder:
    options = AutoencoderOptions(n_features=N_FEATURES, sparsifier=sparsifier)
    generator = torch.Generator().manual_seed(1)
    d_out = 12 if transcodes else WIDTH
    dictionary = SparseAutoencoder(
        options,
        encoder=torch.randn(WIDTH, N_FEATURES, generator=generator) / 4,
        encoder_bias=0.1 * torch.randn(N_FEATURES, generator=generator),
        decoder=torch.randn(N_FEATURES, d_out, generator=generator),
        bias=0.1 * torch.randn(WIDTH, generator=generator),
        output_bias=0.1 * torch.randn(d_out, generator=generator) if transcodes else None,
        skip=0.1 * torch.randn(WIDTH, d_out, generator=generator) if transcodes else None,
        own={
            name: tensor + 0.1 * torch.randn(tensor.shape, generator=generator)
            for name, tensor in sparsifier.own(N_FEATURES).items()
        },
    )
    return dictionary.requires_grad_(True)


def plain_codes(dictionary: SparseAutoencoder, pre: Tensor, kept: int) -> Tensor:
    """Codes written out for plain autograd; ``kept`` of each activation, or of the batch on average."""
    sparsifier = dictionary.options.sparsifier
    if isinstance(sparsifier, TopK):
        threshold = pre.detach().sort(1, descending=True).values[:, [kept - 1]]
        return torch.where(pre >= threshold, pre, 0).relu()
    if isinstance(sparsifier, BatchTopK):
        threshold = pre.detach().flatten().sort(descending=True).values[kept * len(pre) - 1]
        return torch.where(pre >= threshold, pre, 0).relu()
    return sparsifier(pre, dictionary.own)


def plain_terms(
    dictionary: SparseAutoencoder, objective: Objective, target: Tensor
) -> tuple[dict[str, Tensor], Tensor]:
    """Every loss written out on dense codes."""
    sparsifier = dictionary.options.sparsifier
    k = getattr(sparsifier, "k", 0)
    pre = (X - dictionary.bias) @ dictionary.encoder + dictionary.encoder_bias
    codes = plain_codes(dictionary, pre, k)
    base = dictionary.target_bias
    if dictionary.skip is not None:
        base = base + (X - dictionary.bias) @ dictionary.skip
    x_hat = codes @ dictionary.decoder + base
    error = (target - x_hat).square().sum(1).mean()
    if objective.matryoshka:
        widths = objective.prefixes(N_FEATURES)
        prefixes = [codes[:, :width] @ dictionary.decoder[:width] + base for width in widths]
        error = torch.stack([(target - each).square().sum(1).mean() for each in prefixes]).mean()
    if objective.also_k > 1:
        more = plain_codes(dictionary, pre, k * objective.also_k) @ dictionary.decoder + base
        error = error + objective.also_weight * (target - more).square().sum(1).mean()
    terms = {"reconstruction": error}
    penalty = check_penalty(sparsifier, objective.penalty)
    if penalty is not None:
        seen = Seen(dictionary, target, pre, codes, 0.9)
        terms["penalty"] = 0.5 * penalty.weight * penalty(seen) + penalty.beside(seen)
    residual = (target - x_hat).detach()
    dead = ((X - dictionary.bias).detach() @ dictionary.encoder + dictionary.encoder_bias)[:, DEAD].relu()
    left = (residual - dead @ dictionary.decoder[DEAD]).square().sum()
    terms["auxiliary"] = 0.25 * dictionary.d_out * left / residual.square().sum()
    return terms, x_hat


@pytest.fixture(autouse=True)
def in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coding, "halves_are_fast", lambda device: False)


def terms_of(dictionary: SparseAutoencoder, objective: Objective, target: Tensor):
    penalty = check_penalty(dictionary.options.sparsifier, objective.penalty)
    return losses(
        dictionary, X, target, coding_of(dictionary, X, also=objective.also_k), objective,
        dead=DEAD, penalty=penalty, price=0.5 * penalty.weight if penalty else 0.0, progress=0.9,
    )  # fmt: skip


@pytest.mark.parametrize("transcodes", [False, True], ids=["autoencoder", "skip transcoder"])
@pytest.mark.parametrize("case", CASES)
def test_every_term_and_gradient_is_that_of_plain_autograd(case: str, transcodes: bool) -> None:
    sparsifier, objective = CASES[case]
    target = TARGET if transcodes else X
    for term in ("reconstruction", "penalty", "auxiliary"):
        fast, plain = made(sparsifier, transcodes=transcodes), made(sparsifier, transcodes=transcodes)
        terms, x_hat = terms_of(fast, objective, target)
        expected, plain_x_hat = plain_terms(plain, objective, target)
        assert terms.keys() == expected.keys()
        assert torch.allclose(x_hat, plain_x_hat, rtol=1e-4, atol=1e-5)
        if term not in terms:
            continue
        assert torch.isclose(terms[term], expected[term], rtol=1e-5)
        terms[term].backward()
        expected[term].backward()
        for (name, a), (_, b) in zip(fast.named_parameters(), plain.named_parameters(), strict=True):
            found, right = (torch.zeros_like(p) if p.grad is None else p.grad for p in (a, b))
            assert torch.allclose(found, right, rtol=1e-4, atol=1e-5 * max(1.0, float(right.abs().max()))), (
                term, name,
            )  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_the_gradient_of_every_parameter_is_there_or_declared_missing(case: str) -> None:
    sparsifier, objective = CASES[case]
    dictionary = made(sparsifier)
    terms, _ = terms_of(dictionary, objective, X)
    torch.stack(list(terms.values())).sum().backward()
    for name, parameter in dictionary.named_parameters():
        moved = parameter.grad is not None and bool(parameter.grad.any())
        assert moved or name in sparsifier.untrained, name


def test_what_selects_is_trained_on_active_features_alone() -> None:
    for sparsifier in (TopK(5), BatchTopK(5)):
        assert isinstance(coding_of(made(sparsifier), X).codes, ActiveCodes)
    assert coding_of(made(ReLU()), X).pre is not None


@pytest.mark.parametrize("sparsifier", [TopK(5), BatchTopK(5)])
def test_selecting_in_blocks_selects_the_same(
    sparsifier: Sparsifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    dictionary = made(sparsifier)
    whole = coding_of(dictionary, X).codes
    monkeypatch.setattr(coding, "ENTRIES", N_FEATURES * 7)
    assert len(list(blocks(dictionary, X, Workbench()))) == 10
    assert torch.equal(coding_of(dictionary, X).codes.dense(N_FEATURES), whole.dense(N_FEATURES))


def test_selecting_in_bfloat16_loses_next_to_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    dictionary = made(TopK(5))
    best = coding_of(dictionary, X).codes.dense(N_FEATURES).sum(1)
    monkeypatch.setattr(coding, "halves_are_fast", lambda device: True)
    kept = coding_of(dictionary, X).codes.dense(N_FEATURES).sum(1)
    assert (kept / best).min() > 0.99
    assert (kept / best).mean() > 0.9995


def test_multi_topk_keeps_the_largest_for_the_dictionary() -> None:
    dictionary = made(TopK(5))
    found = coding_of(dictionary, X, also=4)
    alone = coding_of(dictionary, X).codes
    assert torch.equal(found.kept().dense(N_FEATURES), alone.dense(N_FEATURES))
    assert float(found.l0(len(X))) == pytest.approx(5, abs=0.1)


def test_matryoshka_prefixes_are_prefixes() -> None:
    assert Objective(matryoshka=(0.25, 1)).prefixes(96) == (24, 96)
    assert all(a < b for a, b in pairwise(Objective(matryoshka=(0.1, 0.2, 1)).prefixes(96)))


def test_tied_parameters_have_the_gradient_of_one() -> None:
    apart = made(ReLU())
    with torch.no_grad():
        tie(apart)
    objective = Objective(penalty=L1(0.5), auxiliary_weight=0)
    torch.stack(list(terms_of(apart, objective, X)[0].values())).sum().backward()
    share_gradient(apart)
    rows = apart.decoder.detach().clone().requires_grad_()
    codes = ((X - apart.bias) @ rows.T + apart.encoder_bias).relu()
    error = (X - codes @ rows - apart.bias).square().sum(1).mean()
    (error + 0.25 * (codes * rows.norm(dim=1)).sum(1).mean()).backward()
    assert torch.allclose(apart.decoder.grad, rows.grad, rtol=1e-4, atol=1e-5)
    assert apart.encoder.grad is None
