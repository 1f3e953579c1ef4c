"""Conformance checks for anyone's sparsifier or dictionary; they raise ``AssertionError``."""

import tempfile
from pathlib import Path

import torch

from monoscope.dictionaries.autoencoder import SparseAutoencoder
from monoscope.dictionaries.files import load, save
from monoscope.dictionaries.scaling import Scaling
from monoscope.dictionaries.sparsifiers import Sparsifier, from_record, to_record


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
    codes = sparsifier(pre)
    assert codes.shape == pre.shape, (
        f"codes have shape {tuple(codes.shape)}, pre-activations {tuple(pre.shape)}"
    )
    assert (codes >= 0).all(), "a code is negative"
    sparse = sparsifier.sparse(pre)
    assert torch.equal(sparse.dense(n_features), codes), "sparse codes are not the dense ones"
    used = sparse.values > 0
    counts = torch.zeros_like(codes).scatter_add(-1, sparse.indices, used.to(codes.dtype))
    assert counts.max() <= 1, "a feature takes two slots of one row"
    alone = torch.stack([sparsifier(row) for row in pre.flatten(0, 1)]).reshape(codes.shape)
    assert torch.equal(alone, codes), "the codes of a row depend on the rows beside it"
    assert torch.allclose(sparsifier(pre * 7.3), codes * 7.3, rtol=1e-5), "codes are not homogeneous"
    check_gradient(sparsifier, pre, generator)
    assert from_record(to_record(sparsifier)) == sparsifier, "the record gives another sparsifier"


def check_gradient(sparsifier: Sparsifier, pre: torch.Tensor, generator: torch.Generator) -> None:
    """Assert that the gradient by pre-activations is what moving them does, along a random direction.

    The step is small enough that no feature starts or stops being active.
    """
    weights = torch.randn(pre.shape, generator=generator, dtype=torch.float64)
    direction = torch.randn(pre.shape, generator=generator, dtype=torch.float64)
    variable = pre.double().requires_grad_()
    (gradient,) = torch.autograd.grad((sparsifier(variable) * weights).sum(), variable)
    step = 1e-7 * direction
    moved = (sparsifier(pre.double() + step) - sparsifier(pre.double() - step)) / 2e-7
    expected, found = (moved * weights).sum(), (gradient * direction).sum()
    assert torch.isclose(expected, found, rtol=1e-4), (
        f"the gradient is {found:g} and moving gives {expected:g}"
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
    folded = dictionary.folded(scaling)(scaling.undo(x))
    assert torch.allclose(scaling.apply(folded), x_hat, rtol=1e-4, atol=slack), (
        "folding a scaling in changes the output"
    )
