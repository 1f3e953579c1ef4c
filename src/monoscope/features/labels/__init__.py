"""What can be said about each feature without a language model, with the scores that say how far to trust it."""

from monoscope.features.labels.describe import described, near_words
from monoscope.features.labels.read import LabelMatch, Labels
from monoscope.features.labels.record import (
    METHODS,
    Description,
    ExampleEffect,
    FeatureLabel,
    ShownPattern,
    standing,
)
from monoscope.features.labels.search import by_description
from monoscope.features.labels.write import write_labels

__all__ = [
    "METHODS",
    "Description",
    "ExampleEffect",
    "FeatureLabel",
    "LabelMatch",
    "Labels",
    "ShownPattern",
    "by_description",
    "described",
    "near_words",
    "standing",
    "write_labels",
]
