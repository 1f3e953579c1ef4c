"""What was learnt: sparse dictionaries, what makes their codes sparse, and the baselines they must beat."""

from monoscope.dictionaries.autoencoder import AutoencoderOptions, SparseAutoencoder
from monoscope.dictionaries.codes import SparseCodes
from monoscope.dictionaries.scaling import Scaling
from monoscope.dictionaries.sparsifiers import SPARSIFIERS, BatchTopK, Gated, JumpReLU, ReLU, Sparsifier, TopK

__all__ = [
    "SPARSIFIERS",
    "AutoencoderOptions",
    "BatchTopK",
    "Gated",
    "JumpReLU",
    "ReLU",
    "Scaling",
    "SparseAutoencoder",
    "SparseCodes",
    "Sparsifier",
    "TopK",
]
