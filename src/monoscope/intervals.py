"""How far a share, or a mean, may be from what more samples would give."""

import math
from collections.abc import Sequence

import numpy as np

Z = 1.959963984540054
"""Standard deviations to either end of a 95 % interval."""
DRAWS = 1000
"""Resamples of a bootstrap interval."""


def wilson(successes: float, trials: int) -> tuple[float, float]:
    """The 95 % Wilson score interval of ``successes / trials``; [0, 1] when there was no trial.

    Formula: ``(p + z²/2n ± z √(p(1−p)/n + z²/4n²)) / (1 + z²/n)`` with z = 1.96. Successes may be part of a trial: a
    tie counts half.

    Reference: Wilson 1927.

    Raises:
        ValueError: ``successes`` is not between 0 and ``trials``.
    """
    if not 0 <= successes <= trials:
        raise ValueError(f"{successes} of {trials} is no share")
    if trials == 0:
        return 0.0, 1.0
    share = successes / trials
    centre = share + Z * Z / (2 * trials)
    spread = Z * math.sqrt(share * (1 - share) / trials + Z * Z / (4 * trials * trials))
    whole = 1 + Z * Z / trials
    return max(0.0, (centre - spread) / whole), min(1.0, (centre + spread) / whole)


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
