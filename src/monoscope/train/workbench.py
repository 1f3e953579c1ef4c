"""What the steps of a run work with, one after another, and with whom."""

from typing import final

import torch
from torch import Tensor

from monoscope.dictionaries.kernels.gradients import RowGradient, Sorter
from monoscope.train.mesh import ALONE, Mesh


@final
class Workbench:
    """The ranks that take a step together, large memory that every step uses again, and gradients of matrices.

    Made anew in every step, a large tensor costs more in page faults than in arithmetic.
    """

    def __init__(self, mesh: Mesh = ALONE, *, collect: bool = False) -> None:
        """An empty one; with ``collect`` the gradients of the matrices are collected here, and autograd gives none."""
        self.mesh = mesh
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
