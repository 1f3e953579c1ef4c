"""``monoscope features``: find features, look at one, and see which fire on a text."""

from monoscope.commands.features.attribute import AttributeOptions, attribute, attribute_text
from monoscope.commands.features.compare import ContrastOptions, contrast, contrast_text
from monoscope.commands.features.find import (
    NearOptions,
    SearchOptions,
    near,
    near_text,
    search,
    search_text,
)
from monoscope.commands.features.look import OnOptions, ShowOptions, on, on_text, show, show_text

__all__ = [
    "AttributeOptions",
    "ContrastOptions",
    "NearOptions",
    "OnOptions",
    "SearchOptions",
    "ShowOptions",
    "attribute",
    "attribute_text",
    "contrast",
    "contrast_text",
    "near",
    "near_text",
    "on",
    "on_text",
    "search",
    "search_text",
    "show",
    "show_text",
]
