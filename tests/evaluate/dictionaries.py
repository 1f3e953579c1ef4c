"""Dictionaries of which one knows what they do."""

import torch
from torch import Tensor

from monoscope.dictionaries import AutoencoderOptions, ReLU, SparseAutoencoder, TopK


def identity(d_model: int, site: str = "") -> SparseAutoencoder:
    """Reconstructs every activation exactly: a feature for either sign of each coordinate."""
    rows = torch.cat([torch.eye(d_model), -torch.eye(d_model)])
    return made(rows, torch.zeros(d_model), ReLU(), site)


def constant(value: Tensor, site: str = "") -> SparseAutoencoder:
    """Reconstructs every activation as the same point: no feature ever fires."""
    rows = torch.eye(len(value))
    options = AutoencoderOptions(n_features=len(value), sparsifier=ReLU())
    return SparseAutoencoder(
        options,
        encoder=torch.zeros_like(rows),
        encoder_bias=torch.full((len(value),), -1.0),
        decoder=rows,
        bias=value,
        site=site,
    )


def tied(rows: Tensor, k: int, site: str = "") -> SparseAutoencoder:
    """Reads and writes the given unit directions, k at a time."""
    return made(rows, torch.zeros(rows.shape[1]), TopK(k), site)


def made(rows: Tensor, bias: Tensor, sparsifier: ReLU | TopK, site: str) -> SparseAutoencoder:
    return SparseAutoencoder(
        AutoencoderOptions(n_features=len(rows), sparsifier=sparsifier),
        encoder=rows.T.clone(),
        encoder_bias=torch.zeros(len(rows)),
        decoder=rows,
        bias=bias,
        site=site,
    )
