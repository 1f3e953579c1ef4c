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


def independent_components(
    sample: Float[Tensor, "batch d_model"],
    k: int,
    *,
    seed: int,
    iterations: int = 200,
    site: str = "",
    model_hash: str = "",
) -> SparseAutoencoder:
    """The axes along which a sample is least Gaussian, each in both signs: FastICA with the log-cosh contrast.

    All axes move at once: ``W <- E[g(W z) z^T] - E[g'(W z)] W`` with ``g = tanh`` on whitened ``z``, made
    orthonormal after each step, until no axis turns by more than 1e-3 or ``iterations`` are done. Axes are read
    by the unmixing matrix and written by the mixing matrix, scaled to directions of norm 1, so that with
    ``k >= d_model`` the sample is reconstructed exactly.

    Reference: Hyvarinen 1999, Fast and Robust Fixed-Point Algorithms for Independent Component Analysis; as a
    baseline for dictionaries in Cunningham et al. 2023 (2309.08600).
    """
    mean = sample.double().mean(0)
    centred = sample.double() - mean
    variances, vectors = torch.linalg.eigh(centred.T.cov(correction=0))
    there = variances > 1e-9 * variances[-1]
    variances, vectors = variances[there], vectors[:, there]
    whitened = (centred @ (vectors / variances.sqrt())).float()
    generator = torch.Generator().manual_seed(seed)
    unmixing = orthonormal(torch.randn(len(variances), len(variances), generator=generator))
    for _ in range(iterations):
        slopes = (whitened @ unmixing.T).tanh()
        moved = slopes.T @ whitened / len(whitened) - (1 - slopes.square()).mean(0)[:, None] * unmixing
        moved = orthonormal(moved)
        turned = 1 - (moved * unmixing).sum(1).abs().min()
        unmixing = moved
        if turned < 1e-3:
            break
    reading = unmixing.double() @ (vectors / variances.sqrt()).T
    writing = unmixing.double() @ (vectors * variances.sqrt()).T
    length = writing.norm(dim=1, keepdim=True)
    rows, columns = (writing / length).to(sample.dtype), (reading * length).to(sample.dtype)
    return two_sided(rows, columns, mean.to(sample.dtype), k, site, model_hash)


def orthonormal(matrix: Float[Tensor, "n n"]) -> Float[Tensor, "n n"]:
    """The nearest matrix of orthonormal rows."""
    left, _, right = torch.linalg.svd(matrix)
    return left @ right


def both_signs(
    axes: Float[Tensor, "axis d_model"], mean: Float[Tensor, " d_model"], k: int, site: str, model_hash: str
) -> SparseAutoencoder:
    """The dictionary of orthonormal ``axes`` and their opposites, counted from ``mean``."""
    return two_sided(axes, axes, mean, k, site, model_hash)


def two_sided(
    writing: Float[Tensor, "axis d_model"],
    reading: Float[Tensor, "axis d_model"],
    mean: Float[Tensor, " d_model"],
    k: int,
    site: str,
    model_hash: str,
) -> SparseAutoencoder:
    """The dictionary that reads and writes each axis in both signs, counted from ``mean``."""
    rows = torch.cat([writing, -writing])
    return SparseAutoencoder(
        AutoencoderOptions(n_features=len(rows), sparsifier=TopK(min(k, len(rows)))),
        encoder=torch.cat([reading, -reading]).T,
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
