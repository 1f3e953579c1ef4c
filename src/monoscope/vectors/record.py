"""A control vector as JSON can hold it, but for its directions."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from torch import Tensor

from monoscope.errors import BrokenInput, MonoscopeError
from monoscope.vectors.reliability import Reliability
from monoscope.vectors.vector import ControlVector

PLAIN = (
    "d_model",
    "n_blocks",
    "model_hash",
    "model_name",
    "model_type",
    "method",
    "provenance",
    "recommended",
)
"""Fields that are written as they are."""


def to_record(vector: ControlVector) -> dict[str, Any]:
    """Everything but the directions; blocks become texts."""
    record = {name: getattr(vector, name) for name in PLAIN}
    record["provenance"] = dict(vector.provenance)
    record["norms"] = {str(block): norm for block, norm in vector.norms.items()}
    record["centres"] = {str(block): centre for block, centre in vector.centres.items()}
    record["accuracy"] = {str(block): asdict(found) for block, found in vector.accuracy.items()}
    return record


def from_record(record: Mapping[str, Any], directions: Mapping[int, Tensor], source: object) -> ControlVector:
    """The vector that :func:`to_record` wrote, with its directions.

    Args:
        record: what was written.
        directions: block -> direction.
        source: where both come from, for the sentence.

    Raises:
        BrokenInput: they are no vector.
    """
    try:
        return ControlVector(
            directions=directions,
            norms={int(block): float(norm) for block, norm in record["norms"].items()},
            centres={int(block): float(centre) for block, centre in record["centres"].items()},
            accuracy={int(block): Reliability(**found) for block, found in record["accuracy"].items()},
            **{name: record[name] for name in PLAIN},
        )
    except (KeyError, TypeError, ValueError, AttributeError, MonoscopeError) as error:
        raise BrokenInput(
            f"{source} is no readable control vector: {error}", "restore it from a copy, or learn it again"
        ) from error


def named(directions: Mapping[int, Tensor]) -> dict[str, Tensor]:
    """``direction.B`` -> direction, as tensors are named in every file."""
    return {f"direction.{block}": direction for block, direction in directions.items()}


def block_of(name: str, source: object) -> int:
    """The block of a tensor named as :func:`named` does.

    Raises:
        BrokenInput: it has another name.
    """
    head, _, number = name.partition(".")
    if head != "direction" or not (number.isascii() and number.isdigit()):
        raise BrokenInput(
            f"{source} holds a tensor {name!r}", "a control vector's tensors are named direction.BLOCK"
        )
    return int(number)


def numbered(tensors: Mapping[str, Tensor], source: object) -> dict[int, Tensor]:
    """Block -> direction, from what :func:`named` named.

    Raises:
        BrokenInput: a tensor has another name.
    """
    return {block_of(name, source): tensor for name, tensor in tensors.items()}
