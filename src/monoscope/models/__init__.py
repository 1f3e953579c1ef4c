"""Where activations come from: language models, and the places in them that can be read and changed."""

from monoscope.models.families import FAMILIES, Family, Place, family_of
from monoscope.models.hooks import edit, read
from monoscope.models.language_model import LanguageModel, load_model
from monoscope.models.sampling import Sampling
from monoscope.models.sites import KINDS, Site

__all__ = [
    "FAMILIES",
    "KINDS",
    "Family",
    "LanguageModel",
    "Place",
    "Sampling",
    "Site",
    "edit",
    "family_of",
    "load_model",
    "read",
]
