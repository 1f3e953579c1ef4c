"""Rows as bytes, and how far a product with them can be from the product with the rows themselves.

Where one asks how many rows have a product with an activation above some number, nearly all lie far below it. Products
with bytes, which are a quarter of the memory, decide those, and only the few near the number are computed.
"""

from dataclasses import dataclass
from typing import Any, final

import numpy as np
from jaxtyping import Float, Float32, Int8
from torch import Tensor

from monoscope.dictionaries.kernels.compiled import Compiled

LARGEST = 127
"""Of the bytes."""


@final
@dataclass(frozen=True, eq=False)
class RoughRows:
    """Rows ``w = s b + r`` with bytes ``b``.

    With an activation taken apart likewise, ``x = t c + y``, the product with the row lies around that of the bytes::

        | w · x  -  s t (b · c) |  <=  ‖r‖ ‖x‖ + s ‖b‖ ‖y‖
    """

    bytes: Int8[np.ndarray, "row d"]
    """``b``."""
    scale: Float32[np.ndarray, " row"]
    """``s``."""
    rest: Float32[np.ndarray, " row"]
    """``‖r‖``, and what a sum in float32 can be wrong by for an activation of norm 1."""
    size: Float32[np.ndarray, " row"]
    """``s ‖b‖``."""

    @classmethod
    def of(cls, rows: Float[Tensor, "row d"]) -> "RoughRows":
        """Each row with the scale that its largest number asks for."""
        n, width = rows.shape
        found = cls(np.empty((n, width), np.int8), *(np.empty(n, np.float32) for _ in range(3)))
        _take_apart(n, rows, found.bytes, found.scale, found.rest, found.size)
        return found


@Compiled
def _take_apart(low: int, high: int, rows: Any, found: Any, scale: Any, rest: Any, size: Any) -> None:
    rounding = (rows.shape[1] + 8) * 2.0**-24
    for i in range(low, high):
        row = rows[i]
        largest = np.float32(0)
        for j in range(len(row)):
            largest = max(largest, abs(row[j]))
        step = max(largest / np.float32(LARGEST), np.float32(1e-30))
        left, bytes_, whole = 0.0, 0.0, 0.0
        for j in range(len(row)):
            byte = np.rint(row[j] / step)
            found[i, j] = np.int8(byte)
            left += (row[j] - byte * step) ** 2
            bytes_ += (byte * step) ** 2
            whole += row[j] ** 2
        scale[i] = step
        rest[i] = np.sqrt(left) + rounding * np.sqrt(whole)
        size[i] = np.sqrt(bytes_)
