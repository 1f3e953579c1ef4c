"""What the directions of a dictionary do: what they fire on, what they write, and how to find them."""

from monoscope.features.build import build_index
from monoscope.features.contrast import Seen, contrast_corpora, contrast_texts
from monoscope.features.description import describe
from monoscope.features.filter_text import read_filter
from monoscope.features.filters import Filter
from monoscope.features.finding import by_direction, by_text
from monoscope.features.index import FeatureIndex
from monoscope.features.logits import logit_weights
from monoscope.features.on import active_features
from monoscope.features.options import IndexOptions
from monoscope.features.record import (
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
    "Example",
    "FeatureIndex",
    "FeatureRecord",
    "Filter",
    "Histogram",
    "IndexOptions",
    "LogitWeight",
    "Neighbour",
    "SearchResult",
    "Seen",
    "TextCodes",
    "TokenShare",
    "active_features",
    "build_index",
    "by_direction",
    "by_text",
    "contrast_corpora",
    "contrast_texts",
    "describe",
    "logit_weights",
    "read_filter",
    "read_texts",
]
