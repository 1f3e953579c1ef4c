"""What evaluation needs of an activation store, and the first tokens of one."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Int
from torch import Tensor

from monoscope.activations.rows import TokenRows

BATCH = 8192
"""Activations handled at a time."""

Advance = Callable[[int], None]
"""Told how many tokens were just done."""


def unwatched(tokens: int) -> None:
    """Nobody is told."""


@runtime_checkable
class Activations(Protocol):
    """Activations of some sites over the same rows of text, as an ``ActivationStore`` has them."""

    @property
    def rows(self) -> TokenRows:
        """The text."""
        ...

    @property
    def n_tokens(self) -> int:
        """Usable tokens."""
        ...

    @property
    def site_names(self) -> Sequence[str]:
        """The sites."""
        ...

    @property
    def hash(self) -> str:
        """Content hash."""
        ...

    @property
    def model_hash(self) -> str:
        """Content hash of the model that was run."""
        ...

    def d_model(self, site: str) -> int:
        """Width of a site."""
        ...

    def statistics(self, site: str) -> Any:
        """Its ``mean`` ``[d_model]`` and ``covariance`` ``[d_model, d_model]`` or None."""
        ...

    def sequential(
        self, site: str, size: int
    ) -> Iterator[tuple[Int[np.ndarray, " batch"], Float[Tensor, "batch d_model"]]]:
        """Flat positions and activations of the usable tokens, in order."""
        ...

    def sample(self, site: str, n: int, seed: int) -> Float[Tensor, "batch d_model"]:
        """``n`` different usable tokens, drawn uniformly; all of them when there are fewer."""
        ...


def first_tokens(
    store: Activations, site: str, n_tokens: int, advance: Advance = unwatched
) -> Iterator[tuple[Int[np.ndarray, " batch"], Float[Tensor, "batch d_model"]]]:
    """Flat positions and activations of the first ``n_tokens`` usable tokens, fewer when there are fewer."""
    left = n_tokens
    for positions, x in store.sequential(site, BATCH):
        if left <= 0:
            return
        yield positions[:left], x[:left]
        advance(min(left, len(x)))
        left -= len(x)
