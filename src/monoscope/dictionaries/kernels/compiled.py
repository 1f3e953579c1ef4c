"""Loops over rows, compiled at their first call and shared out among torch's threads."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache, cached_property
from inspect import unwrap
from itertools import pairwise
from os import getpid
from types import FunctionType
from typing import Any, final

import numpy as np
import torch
from torch import Tensor

PIECES = 4
"""Pieces that the rows are cut into for each thread: whoever is done first takes the next."""


@final
class Compiled:
    """A function ``(low, high, *arguments)`` that works on the rows from ``low`` to ``high`` and returns nothing.

    It is written in the part of Python that numba compiles: machine code for the processor at hand without a
    compiler on it, kept on disk between runs. Rows are independent, so results do not depend on the number
    of threads.
    """

    def __init__(self, function: Callable[..., None], *called: Callable[..., Any]) -> None:
        """A loop, and the functions of its own module that it calls."""
        self.function, self.called = unwrap(function), [unwrap(each) for each in called]
        self.__doc__ = function.__doc__

    @classmethod
    def using(cls, *called: Callable[..., Any]) -> Callable[[Callable[..., None]], "Compiled"]:
        """Decorator for a loop that calls functions, which are compiled into it; each may call those before it."""
        return lambda function: cls(function, *called)

    @cached_property
    def machine_code(self) -> Callable[..., Any]:
        """The function as numba compiles it."""
        from numba import njit

        # Sums may be taken in any order; infinities and NaN keep their meaning.
        liberties = {"reassoc", "contract", "arcp", "nsz"}
        compile_ = njit(nogil=True, cache=True, fastmath=liberties, error_model="numpy")
        named: dict[str, Any] = {}
        for each in self.called:
            named[each.__name__] = compile_(_seeing(each, named))
        return compile_(_seeing(self.function, named))

    def __call__(self, n_rows: int, *arguments: Tensor | np.ndarray | float) -> None:
        """Work on all rows; tensors and arrays are changed in place."""
        arrays = [each.detach().numpy() if isinstance(each, Tensor) else each for each in arguments]
        n_threads = min(torch.get_num_threads(), max(1, n_rows // 16))
        if n_threads == 1:
            self.machine_code(0, n_rows, *arrays)
            return
        edges = [n_rows * piece // (PIECES * n_threads) for piece in range(PIECES * n_threads + 1)]
        calls = [
            pool(n_threads, getpid()).submit(self.machine_code, low, high, *arrays)
            for low, high in pairwise(edges)
        ]
        for call in calls:
            call.result()


def _seeing(function: Any, named: dict[str, Any]) -> FunctionType:
    """The function, with some global names standing for something else."""
    copy = FunctionType(function.__code__, function.__globals__ | named)
    copy.__module__, copy.__qualname__ = function.__module__, function.__qualname__
    return copy


@cache
def pool(n_threads: int, process: int) -> ThreadPoolExecutor:
    """The threads of this process."""
    return ThreadPoolExecutor(n_threads, thread_name_prefix=f"monoscope-{process}")


def keys(values: Tensor) -> Tensor:
    """Floating-point numbers as integers of the same order, as far as they are positive; others are negative or 0."""
    integers: dict[torch.dtype, Any] = {
        torch.bfloat16: torch.int16,
        torch.float16: torch.int16,
        torch.float32: torch.int32,
        torch.float64: torch.int64,
    }
    return values.view(integers[values.dtype])
