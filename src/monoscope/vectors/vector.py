"""The control vector: a direction for each of some blocks, added to what the block gives on."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, final

import torch
from jaxtyping import Float
from torch import Tensor

from monoscope.dictionaries import SparseAutoencoder
from monoscope.errors import UnknownSite, WrongUse
from monoscope.manifest import content_hash
from monoscope.vectors.algebra import combined, counted_in, divided, equal, multiplied
from monoscope.vectors.checks import check_directions, check_finite, listed
from monoscope.vectors.reliability import Reliability
from monoscope.vectors.written import block_written, written_sum

NORM_UNIT = "mean residual norm"
"""The unit of a vector that knows its norms: strength 1 is as long as the residual stream is on average."""
ACTIVATION_UNIT = "activation"
"""The unit of a vector that does not: strength 1 adds the direction as it is."""


@final
@dataclass(frozen=True, eq=False, kw_only=True)
class ControlVector:
    """What moves a model along a contrast: ``x' = x + strength * norms[b] * directions[b]`` behind block b.

    Directions are in units of the mean norm of the block's output (``resid_post``), so that a strength means the
    same in every block and every model; they have length 1 as learnt. Vectors of one model are added, subtracted,
    multiplied and divided by numbers; a block that one of two vectors lacks counts as 0 there. Two vectors are equal
    when they do the same to the same model: origin and reliability do not count.

    References: Zou et al. 2023 (2310.01405), "Representation engineering"; Turner et al. 2023 (2308.10248); the
    algebra is that of repeng (Vogel 2024).

    Raises:
        WrongUse: there is no direction, a width is not ``d_model``, a number is not finite, or a norm is missing,
            of a block without a direction, or not positive.
    """

    directions: Mapping[int, Float[Tensor, " d_model"]] = field(repr=False)
    """Block -> direction, float32 on the CPU, in units of the mean residual norm there."""
    norms: Mapping[int, float] = field(default_factory=dict)
    """Block -> mean norm of its output on the training texts (first and special tokens left out); empty: unknown, and
    directions are in the units of activations."""
    centres: Mapping[int, float] = field(default_factory=dict)
    """Block -> what the average training text reads along the direction's unit vector, in mean residual norms."""
    accuracy: Mapping[int, Reliability] = field(default_factory=dict)
    """Block -> what the direction does on pairs that were held out."""
    d_model: int
    """Width of the residual stream."""
    n_blocks: int = 0
    """Blocks of the model; 0: unknown."""
    model_hash: str = ""
    """Content hash of the model; empty: unknown."""
    model_name: str = ""
    """Its name."""
    model_type: str = ""
    """Its architecture, as Hugging Face names it."""
    method: str = ""
    """How directions were found: the name of a method, or ``contrast``, ``features``, ``sum``."""
    provenance: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """What made it, as JSON can hold it: options, seed, number of pairs, hash of the texts."""
    recommended: float | None = None
    """A strength that was found to work; None: none was looked for."""

    def __post_init__(self) -> None:
        directions = {
            block: self.directions[block].detach().cpu().float().contiguous()
            for block in sorted(self.directions)
        }
        check_directions(directions, self.norms, self.d_model)
        object.__setattr__(self, "directions", directions)
        for name in ("norms", "centres", "accuracy"):
            table = getattr(self, name)
            object.__setattr__(self, name, {block: table[block] for block in directions if block in table})

    # What it does

    @property
    def blocks(self) -> tuple[int, ...]:
        """The blocks it has a direction for, in order."""
        return tuple(self.directions)

    @property
    def unit(self) -> str:
        """What strength 1 of a direction of length 1 adds: a ``mean residual norm``, or 1 in ``activation`` units."""
        return NORM_UNIT if self.norms else ACTIVATION_UNIT

    def norm(self, block: int) -> float:
        """The unit at a block: the mean norm of its output, or 1 where that is unknown."""
        self._check_block(block)
        return self.norms.get(block, 1.0)

    def push(self, block: int, strength: float) -> Float[Tensor, " d_model"]:
        """What is added to the block's output: ``strength * norms[block] * directions[block]``, float32.

        Raises:
            UnknownSite: it has no direction there.
            WrongUse: the strength is not finite.
        """
        self._check_block(block)
        check_finite("strength", strength)
        return self.directions[block] * (strength * self.norm(block))

    def _check_block(self, block: int) -> None:
        if block not in self.directions:
            raise UnknownSite(
                f"this control vector has no direction for block {block}",
                f"it has {listed(self.directions)}",
            )

    # Which block

    @property
    def best_block(self) -> int:
        """The block whose direction tells held-out pairs apart best; of equals, the larger mean difference.

        Raises:
            WrongUse: no pair was held out, or the vector is a sum.
        """
        if not self.accuracy:
            raise WrongUse(
                "no pair was held out, so no block is known to be best", "learn it with held_out=0.2"
            )
        return max(
            self.accuracy, key=lambda block: (self.accuracy[block].accuracy, self.accuracy[block].difference)
        )

    @property
    def middle_half(self) -> tuple[int, ...]:
        """Its blocks in the middle half of the model, from a quarter to three quarters of the depth.

        Raises:
            WrongUse: the model's depth is unknown.
        """
        if not self.n_blocks:
            raise WrongUse("this vector does not know how deep its model is", "measure it on the model first")
        return tuple(block for block in self.blocks if self.n_blocks <= 4 * block < 3 * self.n_blocks)

    # Parts and units

    def at(self, blocks: Iterable[int]) -> "ControlVector":
        """The same at these blocks alone.

        Raises:
            UnknownSite: it has no direction at one of them.
        """
        wanted = list(blocks)
        for block in wanted:
            self._check_block(block)
        norms = {block: self.norms[block] for block in wanted if block in self.norms}
        return replace(self, directions={block: self.directions[block] for block in wanted}, norms=norms)

    def in_units_of(self, norms: Mapping[int, float]) -> "ControlVector":
        """The same push counted in other norms: directions change their length, ``push`` stays what it was.

        Raises:
            WrongUse: a block's norm is missing, or not positive.
        """
        return counted_in(self, norms)

    def unit_length(self) -> "ControlVector":
        """Every direction with length 1, so that strength .1 is a tenth of the mean residual norm; zeros stay.

        ``recommended`` is dropped: it counted in the old lengths.
        """
        lengths = {block: float(d.norm()) for block, d in self.directions.items()}
        directions = {block: d / (lengths[block] or 1.0) for block, d in self.directions.items()}
        return replace(self, directions=directions, recommended=None)

    # Algebra

    def __add__(self, other: object) -> "ControlVector":
        """Both at once: directions added. Reliability and centre of a sum are unknown and dropped.

        Raises:
            MismatchedArtefact: they are of different models or widths.
            WrongUse: they count in different units, or in different norms at one block.
        """
        if not isinstance(other, ControlVector):
            return NotImplemented
        return combined(self, other, torch.add)

    def __sub__(self, other: object) -> "ControlVector":
        """The one without the other; raises what adding raises."""
        if not isinstance(other, ControlVector):
            return NotImplemented
        return combined(self, other, torch.sub)

    def __mul__(self, factor: object) -> "ControlVector":
        """Every direction multiplied; what was recommended is divided, so that it pushes as far as before."""
        if not isinstance(factor, int | float):
            return NotImplemented
        return multiplied(self, factor)

    __rmul__ = __mul__

    def __truediv__(self, divisor: object) -> "ControlVector":
        """Every direction divided.

        Raises:
            WrongUse: by 0, or by what is not finite.
        """
        if not isinstance(divisor, int | float):
            return NotImplemented
        return divided(self, divisor)

    def __neg__(self) -> "ControlVector":
        """The opposite contrast."""
        return self * -1

    def __eq__(self, other: object) -> bool:
        """Whether both do the same to the same model: equal directions, missing blocks being zero, in equal norms."""
        if not isinstance(other, ControlVector):
            return NotImplemented
        return equal(self, other)

    __hash__ = None  # pyright: ignore[reportAssignmentType]

    @property
    def hash(self) -> str:
        """Content hash of directions, norms and model: the vector's identity as a parent."""
        named = f"{self.model_hash} {self.d_model} {dict(self.norms)} {self.blocks}"
        return content_hash(named, *(d.numpy().tobytes() for d in self.directions.values()))

    # From features

    @classmethod
    def from_features(
        cls, dictionary: SparseAutoencoder, weights: Mapping[int, float], *, norm: float | None = None
    ) -> "ControlVector":
        """The vector that adds features at their dictionary's block: ``push(block, 1) = Σ_i weight_i d_i``.

        It adds whatever the features' codes are; a clamp, which depends on them, is no control vector.

        Args:
            dictionary: an autoencoder of ``blocks.L.resid_post``, or of ``resid_pre``, which is block L - 1.
            weights: feature -> weight, in the units of its codes.
            norm: mean norm of the block's output, to count in; None: unknown, and the unit is that of activations.

        Raises:
            WrongUse: the dictionary writes elsewhere, or there is no weight, or one is not finite.
            UnknownName: the dictionary has no such feature.
        """
        block = block_written(dictionary)
        vector = cls(
            directions={block: written_sum(dictionary, weights)},
            d_model=dictionary.d_out,
            model_hash=dictionary.model_hash,
            method="features",
            provenance={
                "dictionary": dictionary.hash,
                "features": {str(feature): float(weight) for feature, weight in weights.items()},
            },
        )
        return vector if norm is None else vector.in_units_of({block: norm})
