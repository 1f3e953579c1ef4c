"""Intervals of any statistic of units that are drawn again."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from monoscope.evaluate.intervals import IntervalOptions, interval


def resampled(
    statistic: Callable[..., float], groups: Sequence[Any], options: IntervalOptions
) -> list[float | None]:
    """[low, high] of ``statistic(*groups)`` where the units of each group are drawn again, by themselves.

    Columns that belong together are one group: an array whose first axis counts units.

    Reference: Efron 1979, "Bootstrap methods: another look at the jackknife".
    """
    generator = np.random.default_rng(options.seed)
    arrays = [np.asarray(group, np.float64) for group in groups]
    if not all(len(array) for array in arrays):
        return [None, None]
    drawn = [
        statistic(*(array[generator.integers(0, len(array), len(array))] for array in arrays))
        for _ in range(options.draws)
    ]
    return interval(np.array(drawn), options)
