"""Control vectors: a direction for each block that moves a model along a contrast, and how one is learnt."""

from monoscope.vectors.features import FeaturePart, InFeatures, in_features
from monoscope.vectors.files import export_npz, import_npz, load, save
from monoscope.vectors.gguf import export_gguf, import_gguf
from monoscope.vectors.learning import contrast_at, learn_vector, measured
from monoscope.vectors.methods import (
    METHODS,
    PCA,
    CentredDifferencesPCA,
    CentredPairsPCA,
    Logistic,
    MeanDifference,
    Method,
    Whitened,
)
from monoscope.vectors.pair_files import PAIRS, read_pairs, write_pairs
from monoscope.vectors.pairs import ContrastPair, contrast_pairs, prefixes
from monoscope.vectors.reading import TokenScores, reading
from monoscope.vectors.reliability import Reliability
from monoscope.vectors.shelf import Shelf, is_name
from monoscope.vectors.vector import ControlVector

__all__ = [
    "METHODS",
    "PAIRS",
    "PCA",
    "CentredDifferencesPCA",
    "CentredPairsPCA",
    "ContrastPair",
    "ControlVector",
    "FeaturePart",
    "InFeatures",
    "Logistic",
    "MeanDifference",
    "Method",
    "Reliability",
    "Shelf",
    "TokenScores",
    "Whitened",
    "contrast_at",
    "contrast_pairs",
    "export_gguf",
    "export_npz",
    "import_gguf",
    "import_npz",
    "in_features",
    "is_name",
    "learn_vector",
    "load",
    "measured",
    "prefixes",
    "read_pairs",
    "reading",
    "save",
    "write_pairs",
]
