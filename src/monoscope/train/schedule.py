"""How the learning rate and the sparsity penalty move over a run."""

from math import sqrt


def ramp(step: int, n_steps: int, share: float) -> float:
    """From near 0 to 1 over the first ``share`` of the run; step 0 has the first of equal stairs."""
    stairs = share * n_steps
    return 1.0 if stairs < 1 else min(1.0, (step + 1) / stairs)


def trapezium(step: int, n_steps: int, warmup: float, decay: float) -> float:
    """The learning rate's factor: up over the first ``warmup``, 1, down to 0 over the last ``decay``."""
    left = (n_steps - step) / (decay * n_steps) if decay else 1.0
    return min(ramp(step, n_steps, warmup), left, 1.0)


def default_learning_rate(n_features: int) -> float:
    """Peak learning rate of Adam where none is given: ``2e-3 / sqrt(n_features / 2^14)``.

    The law's shape is that of Gao et al. 2024 (2406.04093); its factor is ten times the 2e-4 that is
    usual for runs of billions of tokens, because it is the best measured for runs of millions.
    """
    return 2e-3 / sqrt(n_features / 2**14)
