"""Dictionaries that nobody trained: what a trained one must beat.

Each is a :class:`SparseAutoencoder` with TopK, so whatever measures, indexes or steers a trained
dictionary takes a baseline as it is. Every axis is there twice, once for each sign, since codes are never
negative.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from monoscope.dictionaries.autoencoder import AutoencoderOptions, SparseAutoencoder
from monoscope.dictionaries.sparsifiers import TopK


def neurons(
    mean: Float[Tensor, " d_model"], k: int, *, site: str = "", model_hash: str = ""
) -> SparseAutoencoder:
    """The coordinates of the site: ``i`` and ``d_model + i`` are coordinate i above and below its mean."""
    return both_signs(torch.eye(len(mean)), mean, k, site, model_hash)


def principal_components(
    mean: Float[Tensor, " d_model"],
    covariance: Float[Tensor, "d_model d_model"],
    k: int,
    *,
    site: str = "",
    model_hash: str = "",
) -> SparseAutoencoder:
    """The principal axes, by falling variance: ``i`` and ``d_model + i`` are component i in both signs.

    With ``k >= d_model`` it reconstructs exactly; at smaller ``k`` each activation keeps its own ``k``
    largest components, which is at least as good as keeping the first ``k``.
    """
    _, vectors = torch.linalg.eigh(covariance.double())
    return both_signs(vectors.T.flip(0).to(mean.dtype), mean, k, site, model_hash)


def both_signs(
    axes: Float[Tensor, "axis d_model"], mean: Float[Tensor, " d_model"], k: int, site: str, model_hash: str
) -> SparseAutoencoder:
    """The dictionary of orthonormal ``axes`` and their opposites, counted from ``mean``."""
    rows = torch.cat([axes, -axes])
    return SparseAutoencoder(
        AutoencoderOptions(n_features=len(rows), sparsifier=TopK(min(k, len(rows)))),
        encoder=rows.T,
        encoder_bias=torch.zeros(len(rows)),
        decoder=rows,
        bias=mean.clone(),
        site=site,
        model_hash=model_hash,
    )


def random_directions(
    n_features: int,
    mean: Float[Tensor, " d_model"],
    sample: Float[Tensor, "batch d_model"],
    k: int,
    *,
    seed: int,
    site: str = "",
    model_hash: str = "",
) -> SparseAutoencoder:
    """Random unit directions read by themselves: what ``n_features`` buy without learning.

    The directions overlap, so summing ``k`` of them overshoots. Codes are scaled by the one factor that
    reconstructs ``sample`` best, ``s = sum (x - mean) . y / sum |y|^2`` with ``y`` the unscaled sum; it
    sits in the encoder, so that directions keep norm 1.
    """
    options = AutoencoderOptions(n_features=n_features, sparsifier=TopK(min(k, n_features)))
    dictionary = SparseAutoencoder.initialise(
        len(mean), options, seed=seed, centre=mean, site=site, model_hash=model_hash
    )
    centred = sample.to(mean.dtype) - mean
    overshoot = dictionary(sample) - mean
    factor = (centred * overshoot).sum() / overshoot.square().sum()
    dictionary.encoder.data *= factor
    return dictionary
