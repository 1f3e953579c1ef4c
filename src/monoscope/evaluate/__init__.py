"""How good a dictionary is: every number beside its baselines, with its formula and interval."""

from monoscope.evaluate.bench import EvaluateOptions
from monoscope.evaluate.intervals import IntervalOptions
from monoscope.evaluate.recovery import RecoveryOptions
from monoscope.evaluate.report import evaluate

__all__ = ["EvaluateOptions", "IntervalOptions", "RecoveryOptions", "evaluate"]
