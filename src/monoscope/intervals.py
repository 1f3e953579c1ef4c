"""How far a share may be from the truth."""

import math

Z = 1.959963984540054
"""Standard deviations to either end of a 95 % interval."""


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
