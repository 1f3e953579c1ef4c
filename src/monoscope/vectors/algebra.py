"""Vectors of one model added, multiplied, compared, and counted in one unit."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from monoscope.errors import WrongUse
from monoscope.vectors.checks import check_directions, check_finite, check_same_model, listed

if TYPE_CHECKING:
    from monoscope.vectors.vector import ControlVector


def combined(
    one: "ControlVector", other: "ControlVector", combine: Callable[[Tensor, Tensor], Tensor]
) -> "ControlVector":
    """The vector whose directions are those of two, combined; a block that one lacks counts as 0 there.

    Raises:
        MismatchedArtefact: they are of different models or widths.
        WrongUse: they count in different units, or in different norms at one block.
    """
    check_same_model(one, model_hash=other.model_hash, d_model=other.d_model)
    check_same_unit(one, other)
    zero = torch.zeros(one.d_model)
    known = one if one.model_hash else other
    return replace(
        known,
        directions={
            block: combine(one.directions.get(block, zero), other.directions.get(block, zero))
            for block in {*one.blocks, *other.blocks}
        },
        norms={**one.norms, **other.norms},
        centres={},
        accuracy={},
        n_blocks=one.n_blocks or other.n_blocks,
        method="sum",
        provenance={
            "operation": combine.__name__,
            "of": [{"hash": part.hash, "method": part.method, **part.provenance} for part in (one, other)],
        },
        recommended=None,
    )


def multiplied(vector: "ControlVector", factor: float) -> "ControlVector":
    """Every direction multiplied; what was recommended is divided, so that it pushes as far as before.

    Raises:
        WrongUse: the factor is not finite.
    """
    check_finite("factor", factor)
    total = factor * vector.provenance.get("factor", 1)
    provenance = {name: value for name, value in vector.provenance.items() if name != "factor"}
    sign = (factor > 0) - (factor < 0)
    return replace(
        vector,
        directions={block: d * factor for block, d in vector.directions.items()},
        centres={block: centre * sign for block, centre in vector.centres.items()},
        accuracy=vector.accuracy if factor else {},
        provenance=provenance | ({} if total == 1 else {"factor": total}),
        recommended=vector.recommended / factor if vector.recommended is not None and factor else None,
    )


def divided(vector: "ControlVector", divisor: float) -> "ControlVector":
    """Every direction divided.

    Raises:
        WrongUse: by 0, or by what is not finite.
    """
    if not divisor:
        raise WrongUse("a control vector cannot be divided by 0", "multiply it by 0 to have none")
    check_finite("divisor", divisor)
    exact = {block: d / divisor for block, d in vector.directions.items()}
    return replace(multiplied(vector, 1 / divisor), directions=exact)


def equal(one: "ControlVector", other: "ControlVector") -> bool:
    """Whether both do the same to the same model: equal directions, missing blocks being zero, in equal norms."""
    if (one.model_hash, one.d_model, one.unit) != (other.model_hash, other.d_model, other.unit):
        return False
    zero = torch.zeros(one.d_model)
    return all(
        torch.equal(one.directions.get(block, zero), other.directions.get(block, zero))
        for block in {*one.blocks, *other.blocks}
    ) and all(one.norms[block] == other.norms[block] for block in one.norms.keys() & other.norms.keys())


def counted_in(vector: "ControlVector", norms: Mapping[int, float]) -> "ControlVector":
    """The same push in other norms: directions change their length.

    Raises:
        WrongUse: a block's norm is missing, or not positive.
    """
    if lacking := [block for block in vector.blocks if block not in norms]:
        raise WrongUse(
            f"there is no norm for block {lacking[0]}", f"give one for {listed(vector.directions)}"
        )
    own = {block: float(norms[block]) for block in vector.blocks}
    check_directions(vector.directions, own, vector.d_model)
    ratio = {block: vector.norm(block) / own[block] for block in vector.blocks}
    return replace(
        vector,
        directions={block: d * ratio[block] for block, d in vector.directions.items()},
        norms=own,
        centres={block: centre * ratio[block] for block, centre in vector.centres.items()},
        accuracy={
            block: replace(found, difference=found.difference * ratio[block])
            for block, found in vector.accuracy.items()
        },
    )


def check_same_unit(one: "ControlVector", other: "ControlVector") -> None:
    """Refuse vectors whose directions cannot be added as they are.

    Raises:
        WrongUse: they count in different units, or in different norms at one block.
    """
    if one.unit != other.unit:
        raise WrongUse(
            f"one vector counts in units of the {one.unit} and the other in those of the {other.unit}",
            "measure the norms of both on the model first",
        )
    for block in one.norms.keys() & other.norms.keys():
        if one.norms[block] != other.norms[block]:
            raise WrongUse(
                f"the vectors count in different norms at block {block}: {one.norms[block]:.6g} and "
                f"{other.norms[block]:.6g}",
                "bring one to the other's unit: other.in_units_of(one.norms)",
            )
