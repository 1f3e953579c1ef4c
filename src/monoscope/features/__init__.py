"""What the directions of a dictionary do: what they fire on, what they write, and how to find them."""

from monoscope.features.build import build_index
from monoscope.features.description import describe
from monoscope.features.index import FeatureIndex
from monoscope.features.logits import logit_weights
from monoscope.features.on import active_features
from monoscope.features.options import IndexOptions
from monoscope.features.patterns import (
    FeaturePatterns,
    PatternOptions,
    PatternTally,
    activations_at_the_end,
    describe_patterns,
    find_patterns,
)
from monoscope.features.record import (
    Example,
    FeatureRecord,
    Histogram,
    LogitWeight,
    Neighbour,
    SearchResult,
    TokenShare,
)

__all__ = [
    "Example",
    "FeatureIndex",
    "FeaturePatterns",
    "FeatureRecord",
    "Histogram",
    "IndexOptions",
    "LogitWeight",
    "Neighbour",
    "PatternOptions",
    "PatternTally",
    "SearchResult",
    "TokenShare",
    "activations_at_the_end",
    "active_features",
    "build_index",
    "describe",
    "describe_patterns",
    "find_patterns",
    "logit_weights",
]
