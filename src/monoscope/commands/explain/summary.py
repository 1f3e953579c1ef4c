"""What is told of the labels of a run as a whole: figures beside their baseline, and the result for people."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.stats import binom

from monoscope.features import FeaturePatterns

FIGURES: dict[str, Callable[[FeaturePatterns], float | None]] = {
    "precision": lambda record: record.counts[0].precision,
    "recall": lambda record: record.counts[0].recall,
    "correlation": lambda record: record.correlation,
}
"""Name -> how well the patterns of a feature do on held-out text; the first threshold counts."""


def pattern_figures(
    patterns: Sequence[FeaturePatterns], baseline: Sequence[FeaturePatterns]
) -> dict[str, Any] | None:
    """Patterns beside the tokens of the same examples, on the same held-out text; None where none were looked for.

    Returns:
        ``features`` (with a pattern), ``found`` (patterns in all), and of precision, recall and correlation each: the
        number ``n`` of features that both are defined for, the ``median`` over them, ``token_median`` of the baseline,
        the median ``difference`` of the two in the same feature, and its ``interval``: 95 %, by order statistics.
    """
    if not patterns:
        return None
    figures: dict[str, Any] = {
        "features": sum(bool(record.patterns) for record in patterns),
        "found": sum(len(record.patterns) for record in patterns),
    }
    for name, value in FIGURES.items():
        pairs = [
            (ours, theirs)
            for one, other in zip(patterns, baseline, strict=True)
            if one.patterns and (ours := value(one)) is not None and (theirs := value(other)) is not None
        ]
        ours, theirs = np.array(pairs, np.float64).reshape(-1, 2).T
        figures[name] = {
            "n": len(pairs),
            "median": _median(ours),
            "token_median": _median(theirs),
            "difference": _median(ours - theirs),
            "interval": median_interval(ours - theirs),
        }
    return figures


def median_interval(values: Float[np.ndarray, " n"], confidence: float = 0.95) -> list[float | None]:
    """[low, high] that hold the median of what the values were drawn from, whatever its distribution.

    Formula: the k-th smallest and the k-th largest value, with k the (1 - confidence) / 2 quantile of Binomial(n, 1/2),
    at least 1. With fewer than 6 values no two of them do it at 95 %.
    """
    n = len(values)
    place = int(binom.ppf((1 - confidence) / 2, n, 0.5)) if n else 0
    if place < 1:
        return [None, None]
    rising = np.sort(values)
    return [float(rising[place - 1]), float(rising[n - place])]


def _median(values: np.ndarray) -> float | None:
    return float(np.median(values)) if len(values) else None


def told(result: dict[str, Any]) -> str:
    """The result for people."""
    methods = ", ".join(f"{name} {count:,}" for name, count in result["methods"].items())
    lines = [f"{result['n_features']:,} features described in {result['seconds']['all']:.0f} s ({methods})"]
    if (patterns := result["patterns"]) is not None:
        lines.append(
            f"{patterns['found']:,} patterns of {patterns['features']:,} features; medians on held-out text:"
        )
        lines += [_compared(name, patterns[name]) for name in FIGURES]
    if (planted := result["planted"]) is not None:
        lines.append(
            f"{planted['features']:,} features mark {planted['concepts']} of {planted['tried']} tagged concepts"
        )
    if result["effects"]["examples"]:
        lines.append(f"{result['effects']['examples']:,} examples run with and without their feature")
    return "\n".join([*lines, f"labels: {result['labels']}"])


def _compared(name: str, figure: dict[str, Any]) -> str:
    if figure["median"] is None:
        return f"  {name:<12} not measured"
    low, high = figure["interval"]
    between = "" if low is None else f" [{low:+.2f}, {high:+.2f}]"
    return (
        f"  {name:<12} {figure['median']:.2f}, of the tokens alone {figure['token_median']:.2f}; "
        f"difference {figure['difference']:+.2f}{between}"
    )
