"""What turns pre-activations into sparse codes: one frozen dataclass for each rule, registered by name."""

from monoscope.dictionaries.sparsifiers.base import SPARSIFIERS, Sparsifier, from_record, to_record
from monoscope.dictionaries.sparsifiers.largest import BatchTopK, TopK
from monoscope.dictionaries.sparsifiers.thresholds import Gated, JumpReLU, ReLU

__all__ = [
    "SPARSIFIERS",
    "BatchTopK",
    "Gated",
    "JumpReLU",
    "ReLU",
    "Sparsifier",
    "TopK",
    "from_record",
    "to_record",
]
