"""Clusters of features by how often they fire."""

import json

import numpy as np
import torch

from monoscope.dictionaries import AutoencoderOptions, ReLU, SparseAutoencoder
from monoscope.evaluate.analyses import Density
from monoscope.evaluate.analyses.density import alignments

from .material import Parts, Statistics

N, RARE, DEAD = 200, 40, 10


def dictionary(align: np.ndarray) -> SparseAutoencoder:
    """Features whose encoder columns have these cosines with their directions."""
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(N, 16, generator=generator)
    rows /= rows.norm(dim=1, keepdim=True)
    other = torch.randn(N, 16, generator=generator)
    other -= (other * rows).sum(1, keepdim=True) * rows
    other /= other.norm(dim=1, keepdim=True)
    cosine = torch.from_numpy(align).float()[:, None]
    return SparseAutoencoder(
        AutoencoderOptions(n_features=N, sparsifier=ReLU()),
        encoder=3 * (cosine * rows + (1 - cosine.square()).sqrt() * other).T,
        encoder_bias=torch.zeros(N),
        decoder=rows,
        bias=torch.zeros(16),
    )


def densities(rare: float) -> np.ndarray:
    """A few dead features, some rare ones, and the rest around 1 %."""
    draws = np.random.default_rng(0).normal(size=N)
    logs = np.where(np.arange(N) < RARE, np.log10(rare), -2) + 0.2 * draws
    return np.where(np.arange(N) >= N - DEAD, 0, 10**logs)


def test_encoder_and_direction_are_compared() -> None:
    asked = np.linspace(-0.9, 0.9, N)
    assert np.allclose(alignments(dictionary(asked)), asked, atol=1e-5)


def test_a_rare_cluster_is_told_from_the_rest() -> None:
    align = np.where(np.arange(N) < RARE, 0.1, 0.8)
    material = Parts(dictionary=dictionary(align), index=Statistics(densities(1e-5)))
    result = Density()(material)
    assert result["dead_share"] == DEAD / N
    assert result["ultra_low_share"] == RARE / N
    rare = np.array(result["features"])[np.array(result["ultra_low"])]
    assert rare.tolist() == list(range(RARE))
    assert json.loads(json.dumps(result)) == result


def test_one_cluster_stays_one() -> None:
    align = np.full(N, 0.8)
    result = Density()(Parts(dictionary=dictionary(align), index=Statistics(densities(1e-2))))
    assert result["ultra_low_share"] == 0
    assert result["common_share"] > 0.3


def test_a_dictionary_that_never_fires_has_no_clusters() -> None:
    result = Density()(Parts(dictionary=dictionary(np.full(N, 0.5)), index=Statistics(np.zeros(N))))
    assert (result["dead_share"], result["median_density"]) == (1.0, None)
