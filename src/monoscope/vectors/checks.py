"""What a control vector must be, and whose."""

import math
from collections.abc import Iterable, Mapping
from typing import Protocol, runtime_checkable

from torch import Tensor

from monoscope.errors import BrokenInput, MismatchedArtefact, UnknownSite, WrongUse


@runtime_checkable
class OfAModel(Protocol):
    """What knows the model it belongs to."""

    @property
    def model_hash(self) -> str:
        """Content hash of the model; empty: unknown."""
        ...

    @property
    def d_model(self) -> int:
        """Width of its residual stream."""
        ...


def check_same_model(vector: OfAModel, *, model_hash: str, d_model: int) -> None:
    """Refuse a vector that is not of this model.

    Raises:
        MismatchedArtefact: hashes that are both known differ, or widths do; the sentence names both.
    """
    if vector.d_model != d_model:
        raise MismatchedArtefact(
            f"the control vector is of width {vector.d_model} and the other side of width {d_model}",
            "use what one model made",
        )
    if vector.model_hash and model_hash and vector.model_hash != model_hash:
        raise MismatchedArtefact(
            f"the control vector is of model {vector.model_hash} and the other side of model {model_hash}",
            "directions of different models mean different things: use what one model made",
        )


def check_directions(directions: Mapping[int, Tensor], norms: Mapping[int, float], d_model: int) -> None:
    """Refuse directions and norms that are no vector.

    Raises:
        WrongUse: there is none, one has another width, or norms are not of the same blocks or not positive.
        UnknownSite: a block's number is negative.
        BrokenInput: a number is not finite.
    """
    if not directions:
        raise WrongUse("a control vector without a direction is none", "give a direction for a block or more")
    for block, direction in directions.items():
        if block < 0:
            raise UnknownSite(f"{block} is no number of a block", "blocks are counted from 0")
        if direction.shape != (d_model,):
            raise WrongUse(
                f"the direction of block {block} has shape {list(direction.shape)} and d_model is {d_model}",
                "give one number for each of the residual stream's",
            )
        if not bool(direction.isfinite().all()):
            raise BrokenInput(f"the direction of block {block} is not finite", "look where it was made")
    if norms and (odd := norms.keys() ^ directions.keys()):
        raise WrongUse(
            f"block {min(odd)} has a norm or a direction and not both", "give norms for all or none"
        )
    for block, norm in norms.items():
        if not (math.isfinite(norm) and norm > 0):
            raise WrongUse(f"{norm} is no norm of block {block}", "give a number above 0")


def check_finite(what: str, number: float) -> None:
    """Refuse infinity and what is no number.

    Raises:
        WrongUse: it is either.
    """
    if not math.isfinite(number):
        raise WrongUse(f"{number} is no {what} for a control vector", "give a finite number")


def listed(blocks: Iterable[int]) -> str:
    """``block 3``, or ``blocks 1, 2, 3``."""
    numbers = sorted(blocks)
    return f"block{'s' if len(numbers) > 1 else ''} {', '.join(map(str, numbers))}"
