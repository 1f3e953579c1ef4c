"""The analyses of the papers, each a question that one call answers in figures and checks."""

from monoscope.evaluate.analyses.attribution import Attribution
from monoscope.evaluate.analyses.base import ANALYSES, Analysis, Check, Material
from monoscope.evaluate.analyses.completeness import Completeness
from monoscope.evaluate.analyses.density import Density
from monoscope.evaluate.analyses.neighbourhoods import Neighbourhoods
from monoscope.evaluate.analyses.neurons import Neurons
from monoscope.evaluate.analyses.proxies import Proxies
from monoscope.evaluate.analyses.shuffled import Shuffled
from monoscope.evaluate.analyses.splitting import Splitting
from monoscope.evaluate.analyses.universality import Universality

__all__ = [
    "ANALYSES",
    "Analysis",
    "Attribution",
    "Check",
    "Completeness",
    "Density",
    "Material",
    "Neighbourhoods",
    "Neurons",
    "Proxies",
    "Shuffled",
    "Splitting",
    "Universality",
]
