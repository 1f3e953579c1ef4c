"""How far the mean of a judge's effects may be from what more samples would give."""

from collections.abc import Sequence

import numpy as np

from monoscope.intervals import wilson

DRAWS = 1000
"""Resamples of a bootstrap interval."""


def interval(effects: Sequence[bool] | Sequence[float], seed: int) -> tuple[float, float]:
    """The 95 % interval of the mean: Wilson's for truth values, bootstrap quantiles (Efron 1979) for numbers."""
    if all(isinstance(each, bool | np.bool_) for each in effects):
        return wilson(sum(map(bool, effects)), len(effects))
    values = np.asarray(effects, float)
    weights = np.random.default_rng(seed).multinomial(
        len(values), np.full(len(values), 1 / len(values)), DRAWS
    )
    low, high = np.quantile(weights @ values / len(values), [0.025, 0.975])
    return float(low), float(high)
