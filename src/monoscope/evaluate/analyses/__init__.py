"""The analyses of the papers, each a question that one call answers in figures and checks."""

from monoscope.evaluate.analyses.base import ANALYSES, Analysis, Check, Material
from monoscope.evaluate.analyses.completeness import Completeness
from monoscope.evaluate.analyses.density import Density
from monoscope.evaluate.analyses.neighbourhoods import Neighbourhoods
from monoscope.evaluate.analyses.splitting import Splitting
from monoscope.evaluate.analyses.universality import Universality

__all__ = [
    "ANALYSES",
    "Analysis",
    "Check",
    "Completeness",
    "Density",
    "Material",
    "Neighbourhoods",
    "Splitting",
    "Universality",
]
