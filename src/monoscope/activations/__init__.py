"""What was seen: texts, the rows of tokens made of them, and the activations a model had on those."""

from monoscope.activations.corpus import Corpus, read_corpus
from monoscope.activations.harvest import HarvestOptions, harvest
from monoscope.activations.rows import TokenRows, pack
from monoscope.activations.statistics import Statistics
from monoscope.activations.store import ActivationStore, SiteStream

__all__ = [
    "ActivationStore",
    "Corpus",
    "HarvestOptions",
    "SiteStream",
    "Statistics",
    "TokenRows",
    "harvest",
    "pack",
    "read_corpus",
]
