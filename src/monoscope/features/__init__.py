"""What the directions of a dictionary do: what they fire on, what they write, and how to find them."""

from monoscope.features.build import add_to_index, build_index, build_part, merge_parts, share_of_rows
from monoscope.features.contrast import Seen, contrast_corpora, contrast_texts
from monoscope.features.description import describe
from monoscope.features.filter_text import read_filter
from monoscope.features.filters import Filter
from monoscope.features.finding import by_direction, by_text
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
from monoscope.features.texts import TextCodes, read_texts

__all__ = [
    "CoActivation",
    "Example",
    "FeatureIndex",
    "FeaturePatterns",
    "FeatureRecord",
    "Filter",
    "Histogram",
    "IndexOptions",
    "LogitWeight",
    "Neighbour",
    "PatternOptions",
    "PatternTally",
    "SearchResult",
    "Seen",
    "TextCodes",
    "TokenShare",
    "activations_at_the_end",
    "active_features",
    "add_to_index",
    "build_index",
    "build_part",
    "by_direction",
    "by_text",
    "contrast_corpora",
    "contrast_texts",
    "describe",
    "describe_patterns",
    "find_patterns",
    "logit_weights",
    "merge_parts",
    "read_filter",
    "read_texts",
    "share_of_rows",
]
