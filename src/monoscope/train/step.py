"""One training step in parts: codes, losses, and the constraint that directions have norm 1."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from monoscope.dictionaries.autoencoder import SparseAutoencoder
from monoscope.dictionaries.codes import SparseCodes
from monoscope.dictionaries.kernels import halves_are_fast
from monoscope.dictionaries.sparsifiers import ReLU, TopK
from monoscope.train.objectives import auxiliary_k, l1, reconstruction

ENTRIES = 2**23
"""Pre-activations held at a time while features are selected."""


def codes_of(
    dictionary: SparseAutoencoder, x: Float[Tensor, "batch d_model"]
) -> Float[Tensor, "batch n_features"] | SparseCodes:
    """The codes of ``x``, differentiable; sparse where the sparsifier can say beforehand what it keeps."""
    if isinstance(dictionary.options.sparsifier, TopK):
        return dictionary.codes_of(x, selected(dictionary, x))
    return dictionary.encode(x)


@torch.no_grad()
def selected(dictionary: SparseAutoencoder, x: Float[Tensor, "batch d_model"]) -> Int[Tensor, "batch k"]:
    """The features that TopK keeps; pre-activations are made in blocks, in bfloat16 where that is fast.

    In bfloat16 a feature within 0.4 % of the k-th may be taken in its place. The values of what is taken
    are computed exactly after, and a finished dictionary selects in float32.
    """
    sparsifier = dictionary.options.sparsifier
    assert isinstance(sparsifier, TopK)
    dtype = torch.bfloat16 if halves_are_fast(x.device) else torch.float32
    encoder, bias = dictionary.encoder.to(dtype), dictionary.encoder_bias.to(dtype)
    blocks = (x - dictionary.bias).to(dtype).split(max(1, ENTRIES // dictionary.n_features))
    return torch.cat([sparsifier.select(torch.addmm(bias, block, encoder)) for block in blocks])


def losses(
    dictionary: SparseAutoencoder,
    x: Float[Tensor, "batch d_model"],
    codes: Float[Tensor, "batch n_features"] | SparseCodes,
    *,
    dead: Int[Tensor, " dead"],
    auxiliary_k_kept: int,
    auxiliary_weight: float,
    sparsity: float = 1.0,
) -> tuple[dict[str, Float[Tensor, ""]], Float[Tensor, "batch d_model"]]:
    """The weighted terms of the loss by name, and the reconstruction.

    ``reconstruction`` always; ``l1`` for ReLU, times ``sparsity``; ``auxiliary`` when some features are dead.
    """
    x_hat = dictionary.decode(codes)
    terms = {"reconstruction": reconstruction(x, x_hat)}
    sparsifier = dictionary.options.sparsifier
    if isinstance(sparsifier, ReLU):
        terms["l1"] = sparsity * sparsifier.l1 * l1(codes)
    if auxiliary_weight and len(dead):
        terms["auxiliary"] = auxiliary_weight * auxiliary_k(dictionary, x, x_hat, dead, auxiliary_k_kept)
    return terms, x_hat


@torch.no_grad()
def remove_radial_gradient(dictionary: SparseAutoencoder) -> None:
    """Take from each decoder row's gradient its part along the row, which the norm constraint would undo.

    Reference: Bricken et al. 2023: without it Adam's moments count a movement that never happens.
    """
    gradient = dictionary.decoder.grad
    assert gradient is not None
    gradient.addcmul_(dictionary.decoder, (gradient * dictionary.decoder).sum(1, keepdim=True), value=-1)


@torch.no_grad()
def normalise_directions(dictionary: SparseAutoencoder) -> None:
    """Give every decoder row norm 1 again."""
    dictionary.decoder.div_(dictionary.decoder.norm(dim=1, keepdim=True))
