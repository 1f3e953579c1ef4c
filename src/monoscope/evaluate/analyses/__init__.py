"""The analyses of the papers, each a question that one call answers in figures and checks."""

from monoscope.evaluate.analyses.attribution import Attribution
from monoscope.evaluate.analyses.base import ANALYSES, Analysis, Check, Material
from monoscope.evaluate.analyses.density import Density
from monoscope.evaluate.analyses.neurons import Neurons
from monoscope.evaluate.analyses.proxies import Proxies
from monoscope.evaluate.analyses.shuffled import Shuffled

__all__ = [
    "ANALYSES",
    "Analysis",
    "Attribution",
    "Check",
    "Density",
    "Material",
    "Neurons",
    "Proxies",
    "Shuffled",
]
