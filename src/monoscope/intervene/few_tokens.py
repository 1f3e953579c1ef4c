"""The change of a few activations on a processor, in one compiled loop.

While a model writes, a step has one token of each text, and a dozen operations on tensors of a few numbers take longer
than what they compute. Here all of them are one; :class:`monoscope.intervene.channels.SiteChange` says what it does.
"""

from typing import Any, final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from monoscope.dictionaries.autoencoder import SparseAutoencoder
from monoscope.dictionaries.kernels.compiled import Compiled
from monoscope.dictionaries.sparsifiers import TopK

ROWS = 32
"""Activations, at most, that are few."""
UNWEIGHTED = np.zeros((0, 0), np.float32)
"""Stands for weights of 1."""


@final
class FewTokens:
    """Channels in the form that the loop takes."""

    def __init__(
        self,
        dictionary: SparseAutoencoder | None,
        features: Tensor,
        lines: Tensor | None,
        numbers: tuple[Tensor, Tensor, Tensor, Tensor],
        columns: Tensor | None,
        directions: Tensor,
    ) -> None:
        """Everything that is the same in every step, as arrays.

        Args:
            dictionary: one of TopK, where features are read.
            features: that are read.
            lines: unit vectors that are projected on.
            numbers: shift, slope minus 1, ceiling and "only active" of each channel.
            columns: what each channel reads, features first; None: no channel reads.
            directions: of the channels.
        """
        self.d_model = directions.shape[1]
        nothing = torch.zeros(0, self.d_model)
        k, origin, rows, bias = 0, torch.zeros(self.d_model), nothing, torch.zeros(0)
        if dictionary is not None and len(features):
            assert isinstance(dictionary.options.sparsifier, TopK)
            k = dictionary.options.sparsifier.k
            origin, rows, bias = dictionary.bias, dictionary.encoder.T, dictionary.encoder_bias
        columns = torch.zeros(0, dtype=torch.int64) if columns is None else columns
        tensors = (
            origin,
            rows,
            bias,
            features,
            nothing if lines is None else lines,
            columns,
            *numbers,
            directions,
        )
        self.arrays = tuple(tensor.detach().numpy() for tensor in tensors)
        self.k = k

    @classmethod
    def can(cls, dictionary: SparseAutoencoder | None, features: Tensor) -> bool:
        """Whether the loop knows how these features are read."""
        if features.device.type != "cpu":
            return False
        if dictionary is None or not len(features):
            return True
        return isinstance(dictionary.options.sparsifier, TopK) and dictionary.bias.dtype == torch.float32

    def __call__(
        self, x: Float[Tensor, "*batch d_model"], weights: Float[Tensor, "*batch channel"] | None
    ) -> None:
        """Change the activations in place; they are float32 and lie one after another."""
        rows = x.numpy().reshape(-1, self.d_model)
        each = UNWEIGHTED if weights is None else weights.numpy().reshape(len(rows), -1)
        # As many rows as this are not worth handing out to several threads.
        _change.machine_code(0, len(rows), rows, each, self.k, *self.arrays)


def _product(one: Any, other: Any) -> Any:
    total = one.dtype.type(0)
    for j in range(len(one)):
        total += one[j] * other[j]
    return total


def _code(centred: Any, rows: Any, bias: Any, feature: int, k: int) -> Any:
    """A feature's code: its pre-activation where it is positive and fewer than ``k`` others are above it."""
    own = _product(centred, rows[feature]) + bias[feature]
    above = 0 if own > 0 else k
    for j in range(len(rows)):
        if above >= k:
            break
        if j != feature and _product(centred, rows[j]) + bias[j] > own:
            above += 1
    return own if above < k else own * 0


def _moved(code: Any, shift: Any, steepness: Any, ceiling: Any, only_active: Any) -> Any:
    """What is added to a code."""
    if only_active > 0 and code <= 0:
        return shift * 0
    return min(shift + steepness * code, ceiling - code)


@Compiled.using(_product, _code, _moved)
def _change(
    low: int, high: int, x: Any, weights: Any, k: int, origin: Any, rows: Any, bias: Any, features: Any,
    lines: Any, columns: Any, shift: Any, steepness: Any, ceiling: Any, only_active: Any, directions: Any,
) -> None:  # fmt: skip
    values = np.empty(len(features) + len(lines), x.dtype)
    for b in range(low, high):
        row = x[b]
        if len(features):
            centred = row - origin
            for f in range(len(features)):
                values[f] = _code(centred, rows, bias, features[f], k)
        for p in range(len(lines)):
            values[len(features) + p] = _product(row, lines[p])
        for c in range(len(shift)):
            change = shift[c]
            if len(columns):
                change = _moved(values[columns[c]], shift[c], steepness[c], ceiling[c], only_active[c])
            weight = weights[b, c] if len(weights) else 1
            if weight != 0 and change != 0:
                row += weight * change * directions[c]
