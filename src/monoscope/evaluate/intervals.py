"""How far a number may be from the truth: bootstrap intervals over independent units, with a stated seed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Float

Sums = TypeVar("Sums", bound=Any)
"""A frozen dataclass whose every field is an array ``[row]`` of sums."""


@dataclass(frozen=True, kw_only=True)
class IntervalOptions:
    """How intervals are drawn."""

    draws: int = 1000
    """Resamples."""
    confidence: float = 0.95
    """Share of the resamples' values that lie inside."""
    seed: int = 0
    """Seed of the resampling."""


def resamples(n_units: int, options: IntervalOptions) -> Float[np.ndarray, "draw unit"]:
    """How often each unit is taken in each of ``draws`` samples of ``n_units`` units with replacement.

    Reference: Efron 1979, "Bootstrap methods: another look at the jackknife".
    """
    generator = np.random.default_rng(options.seed)
    each = np.full(n_units, 1 / n_units)
    return generator.multinomial(n_units, each, size=options.draws).astype(np.float64)


def totals(sums: Sums, weights: Float[np.ndarray, "draw row"]) -> Sums:
    """The same sums added up over rows, each as often as ``weights`` says: fields become ``[draw]``."""
    added = {field.name: weights @ getattr(sums, field.name) for field in fields(sums)}
    return replace(sums, **added)


def interval(values: Float[np.ndarray, " draw"], options: IntervalOptions) -> list[float | None]:
    """[low, high] around the central ``confidence`` of the values; ``None`` where no draw defines them."""
    defined = values[np.isfinite(values)]
    if not len(defined):
        return [None, None]
    outside = (1 - options.confidence) / 2
    return [float(bound) for bound in np.quantile(defined, [outside, 1 - outside])]


def over_rows(
    sums: Sums, metrics: Mapping[str, Callable[[Sums], Any]], options: IntervalOptions
) -> tuple[dict[str, float | None], dict[str, list[float | None]]]:
    """Each metric over all rows, and its interval over resampled rows; ``None`` where it divides by zero."""
    n_rows = len(getattr(sums, fields(sums)[0].name))
    whole, drawn = totals(sums, np.ones((1, n_rows))), totals(sums, resamples(n_rows, options))
    with np.errstate(divide="ignore", invalid="ignore"):
        values = {name: float(metric(whole)[0]) for name, metric in metrics.items()}
        intervals = {name: interval(metric(drawn), options) for name, metric in metrics.items()}
    return {name: value if np.isfinite(value) else None for name, value in values.items()}, intervals
