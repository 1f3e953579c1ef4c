"""What the directions of a dictionary do: what they fire on, what they write, and how to find them."""

from monoscope.features.build import add_to_index, build_index, build_part, merge_parts, share_of_rows
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
    CoActivation,
    Example,
    FeatureRecord,
    Histogram,
    LogitWeight,
    Neighbour,
    SearchResult,
    TokenShare,
)

__all__ = [
    "CoActivation",
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
    "add_to_index",
    "build_index",
    "build_part",
    "describe",
    "describe_patterns",
    "find_patterns",
    "logit_weights",
    "merge_parts",
    "share_of_rows",
]
