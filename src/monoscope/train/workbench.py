"""What the steps of a run work with, one after another."""

from typing import final

import torch
from torch import Tensor

from monoscope.dictionaries.kernels.gradients import RowGradient, Sorter


@final
class Workbench:
    """Large memory that every step uses again, and the gradients of the matrices while they are collected.

    Made anew in every step, a large tensor costs more in page faults than in arithmetic.
    """

    def __init__(self, *, collect: bool = True) -> None:
        """An empty one; with ``collect`` off autograd gives every gradient itself."""
        sorter = Sorter()
        self.encoder = RowGradient(sorter) if collect else None
        self.decoder = RowGradient(sorter) if collect else None
        self.memory: dict[str, Tensor] = {}

    def lend(self, name: str, shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
        """Memory of that shape; whatever was lent under the same name before is lost."""
        kept = self.memory.get(name)
        if kept is None or kept.shape != shape or kept.dtype != dtype or kept.device != device:
            kept = self.memory[name] = torch.empty(shape, dtype=dtype, device=device)
        return kept

    def gathered(self) -> dict[str, RowGradient]:
        """The collected gradients, by the name of the matrix."""
        both = {"encoder": self.encoder, "decoder": self.decoder}
        return {name: gradient for name, gradient in both.items() if gradient is not None}

    def clear(self) -> None:
        """Forget the gradients of the last step."""
        for gradient in self.gathered().values():
            gradient.clear()
