"""Conformance checks for anyone's sparsifier or dictionary; they raise ``AssertionError``."""

import tempfile
from pathlib import Path

import torch

from monoscope.dictionaries.autoencoder import SparseAutoencoder
from monoscope.dictionaries.files import load, save
from monoscope.dictionaries.folding import folded
from monoscope.dictionaries.scaling import Scaling
from monoscope.dictionaries.sparsifiers import JumpReLU, Sparsifier, from_record, to_record
from monoscope.dictionaries.sparsifiers.base import Own


def check_sparsifier(sparsifier: Sparsifier, *, n_features: int = 48, seed: int = 0) -> None:
    """Assert what the rest of monoscope relies on.

    Codes are never negative, dense and sparse codes are the same, every row is coded by itself, codes
    grow in proportion to pre-activations, the gradient is that of the active entries, and the record
    gives the sparsifier back.

    Raises:
        AssertionError: one of these does not hold; the message says which.
    """
    generator = torch.Generator().manual_seed(seed)
    pre = torch.randn(3, 5, n_features, generator=generator)
    own = {
        name: tensor + 0.1 * torch.randn(tensor.shape, generator=generator)
        for name, tensor in sparsifier.own(n_features).items()
    }
    codes = sparsifier(pre, own)
    assert codes.shape == pre.shape, (
        f"codes have shape {tuple(codes.shape)}, pre-activations {tuple(pre.shape)}"
    )
    assert (codes >= 0).all(), "a code is negative"
    sparse = sparsifier.sparse(pre, own)
    assert torch.equal(sparse.dense(n_features), codes), "sparse codes are not the dense ones"
    used = sparse.values > 0
    counts = torch.zeros_like(codes).scatter_add(-1, sparse.indices, used.to(codes.dtype))
    assert counts.max() <= 1, "a feature takes two slots of one row"
    alone = torch.stack([sparsifier(row, own) for row in pre.flatten(0, 1)]).reshape(codes.shape)
    assert torch.equal(alone, codes), "the codes of a row depend on the rows beside it"
    factors: list[float | torch.Tensor] = [7.3]
    if sparsifier.elementwise:
        factors.append(torch.rand(n_features, generator=generator) + 0.5)
    for factor in factors:
        grown = sparsifier(pre * factor, sparsifier.scaled(own, factor))
        assert torch.allclose(grown, codes * factor, rtol=1e-4, atol=1e-6), "codes are not homogeneous"
    check_gradient(sparsifier, pre, own, generator)
    assert from_record(to_record(sparsifier)) == sparsifier, "the record gives another sparsifier"


def check_gradient(sparsifier: Sparsifier, pre: torch.Tensor, own: Own, generator: torch.Generator) -> None:
    """Assert that the gradient by pre-activations is what moving them does, along a random direction.

    The step is small enough that no feature starts or stops being active; entries within reach of a smoothed
    step are left out, since their slope is not that of a single movement (:func:`check_threshold_gradient`).
    """
    weights = torch.randn(pre.shape, generator=generator, dtype=torch.float64)
    direction = torch.randn(pre.shape, generator=generator, dtype=torch.float64)
    own = {name: tensor.double() for name, tensor in own.items()}
    width = getattr(sparsifier, "width", 0.0)
    if width and "log_threshold" in own:
        direction *= (pre.double() - own["log_threshold"].exp()).abs() > width
    variable = pre.double().requires_grad_()
    (gradient,) = torch.autograd.grad((sparsifier(variable, own) * weights).sum(), variable)
    step = 1e-7 * direction
    moved = (sparsifier(pre.double() + step, own) - sparsifier(pre.double() - step, own)) / 2e-7
    expected, found = (moved * weights).sum(), (gradient * direction).sum()
    assert torch.isclose(expected, found, rtol=1e-4), (
        f"the gradient is {found:g} and moving gives {expected:g}"
    )


def check_threshold_gradient(sparsifier: JumpReLU) -> None:
    """Assert that the slope by a threshold is the derivative of what uniform noise of that width makes of the step.

    ``d/d threshold E[f(pre + u)]``, ``u`` uniform in [-width / 2, width / 2], by quasi-Monte-Carlo (two million
    evenly spread pre-activations, a low-discrepancy ``u`` each), against the mean gradient.

    Raises:
        AssertionError: they differ by more than 2 %.
    """
    width, threshold = sparsifier.width, 1.0
    pre = torch.linspace(-3, 3, 2_000_001, dtype=torch.float64)
    log_threshold = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    total = sparsifier(pre[:, None], {"log_threshold": log_threshold}).mean()
    (found,) = torch.autograd.grad(total, log_threshold)
    spread = torch.arange(len(pre), dtype=torch.float64) * 0.6180339887498949
    noise = (spread.frac() - 0.5) * width
    step = 1e-2
    up, down = (
        sparsifier(
            (pre + noise)[:, None],
            {"log_threshold": torch.full((1,), threshold + sign * step).double().log()},
        )
        for sign in (1, -1)
    )
    expected = (up.mean() - down.mean()) / (2 * step)
    assert torch.isclose(found.squeeze(), expected, rtol=0.02), (
        f"the slope by the threshold is {float(found):g} and moving it gives {float(expected):g}"
    )


def check_dictionary(dictionary: SparseAutoencoder, *, seed: int = 0) -> None:
    """Assert that a dictionary keeps its promises.

    Its forward pass is decoding after encoding; sparse codes are the dense ones; directions have norm 1;
    saving and loading gives equal bits and an equal hash; and folding a scaling in changes no output.

    Raises:
        AssertionError: one of these does not hold; the message says which.
    """
    generator = torch.Generator().manual_seed(seed)
    spread = dictionary.bias.norm() + 1
    x = dictionary.bias + spread * torch.randn(2, 7, dictionary.d_model, generator=generator)
    codes = dictionary.encode(x)
    x_hat = dictionary(x)
    slack = 1e-4 * float(spread)
    assert torch.allclose(x_hat, dictionary.decode(codes), rtol=1e-4, atol=slack), (
        "forward is not decode after encode"
    )
    sparse = dictionary.sparse_encode(x)
    assert torch.allclose(sparse.dense(dictionary.n_features), codes, rtol=1e-4, atol=slack), (
        "sparse codes are not the dense"
    )
    norms = dictionary.directions.norm(dim=1)
    assert torch.allclose(norms, torch.ones_like(norms), atol=1e-4), f"a direction has norm {norms.max():g}"
    with tempfile.TemporaryDirectory() as place:
        save(dictionary, Path(place) / "dictionary")
        again = load(Path(place) / "dictionary")
    for name, tensor in dictionary.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name]), f"{name} changed by saving and loading"
    assert again.hash == dictionary.hash, "the hash changed by saving and loading"
    scaling = Scaling(torch.randn(dictionary.d_model, generator=generator) * spread, 0.37)
    unscaled = folded(dictionary, scaling)(scaling.undo(x))
    assert torch.allclose(scaling.apply(unscaled), x_hat, rtol=1e-4, atol=slack), (
        "folding a scaling in changes the output"
    )
