"""What training minimises, as pure functions: means over tokens of sums over the activation's entries.

Activations are scaled to ``E|x|^2 = d_model`` before training, so a reconstruction term of ``d_model`` is
that of a dictionary that does nothing, and weights of penalties mean the same at every site (the units of
Templeton et al. 2024).
"""

from jaxtyping import Float, Int
from torch import Tensor

from monoscope.dictionaries.autoencoder import SparseAutoencoder
from monoscope.dictionaries.codes import SparseCodes
from monoscope.dictionaries.sparsifiers import TopK


def reconstruction(
    x: Float[Tensor, "batch d_model"], x_hat: Float[Tensor, "batch d_model"]
) -> Float[Tensor, ""]:
    """``mean |x - x_hat|^2``."""
    return (x - x_hat).square().sum(-1).mean()


def l1(codes: Float[Tensor, "batch n_features"] | SparseCodes) -> Float[Tensor, ""]:
    """``mean sum_i f_i``, for directions of norm 1 (Bricken et al. 2023)."""
    values = codes.values if isinstance(codes, SparseCodes) else codes
    return values.sum(-1).mean()


def auxiliary_k(
    dictionary: SparseAutoencoder,
    x: Float[Tensor, "batch d_model"],
    x_hat: Float[Tensor, "batch d_model"],
    dead: Int[Tensor, " dead"],
    k: int,
) -> Float[Tensor, ""]:
    """``d_model * mean |e - e_hat|^2 / mean |e|^2``: dead features learn what is left, ``e = x - x_hat``.

    ``e_hat`` is decoded from the ``k`` largest of the dead features' positive pre-activations, without
    ``bias``, which is part of ``x_hat`` already. ``e`` and the input of the encoder are constants here: the
    gradient reaches the encoder, encoder bias and decoder of dead features and nothing else.

    Like the reconstruction term it is ``d_model`` where nothing is explained. The division, which is in the
    authors' code and not in their formula, keeps its pull on dead features as the residual shrinks.

    Reference: Gao et al. 2024 (2406.04093), appendix A.2.
    """
    error = (x - x_hat).detach()
    pre = (x - dictionary.bias).detach() @ dictionary.encoder.T[dead].T + dictionary.encoder_bias[dead]
    codes = pre.relu() if len(dead) <= k else TopK(k)(pre)
    left = reconstruction(error, codes @ dictionary.decoder[dead])
    return dictionary.d_model * left / error.square().sum(-1).mean().clamp(min=1e-12)
