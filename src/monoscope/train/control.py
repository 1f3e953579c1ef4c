"""The controller of L0: it turns the price of activity until so many features are active.

Its error is ``e = log(L0 / target)``, of the batch at hand and between -1 and 1. The price is ``weight * exp(I + e)``
with ``I`` the sum of ``SPEED * learning_rate * e`` over the steps so far: proportional and integral control of the
logarithm of L0 by the logarithm of the price. Adam moves a parameter by about a learning rate a step, so a
dictionary answers in a time that goes with one over the learning rate, and the controller keeps that time.

A price that is high at once kills features which no later price revives. So L0 is led down: over the first ``DESCENT``
of the run the target falls from half of the features, evenly in its logarithm. L0 may be below it, but not
below the last target.
"""

from math import log

import torch
from jaxtyping import Float
from torch import Tensor

SPEED = 4.0
"""The integral's rate, in learning rates: one over the steps times learning rate in which it answers."""
DESCENT = 0.15
"""Share of the run over which the target falls from half of the features."""
FARTHEST = 9.0
"""How far the integral may take the logarithm of the price from that of the weight."""


def excess(l0: Float[Tensor, ""], target: float, n_features: int, progress: float) -> Float[Tensor, ""]:
    """The controller's error: above 0 where too many features are active.

    Args:
        l0: active features of an activation.
        target: how many there should be in the end.
        n_features: how many there are.
        progress: share of the run that is done.
    """
    too_many = (l0.clamp(min=1e-3) / target).log()
    above = max(0.0, 1 - progress / DESCENT) * max(0.0, log(n_features / 2 / target))
    return torch.maximum(too_many - above, too_many.clamp(max=0)).clamp(-1, 1)
