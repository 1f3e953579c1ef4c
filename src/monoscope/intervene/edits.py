"""What can be done to a feature: pin it, add to it, scale it, switch it off.

An edit says which value ``v_i`` a feature's code ``f_i`` takes. The activation then moves by the difference
along the feature's direction, and everything the dictionary does not explain stays where it was::

    x' = x + Σ_i (v_i − f_i(x)) d_i

which is the reconstruction with ``f_i`` replaced by ``v_i`` plus the reconstruction error (Templeton et al.
2024, "Scaling Monosemanticity", section "Influence on behavior"). Several edits of one site are one sum:
each ``f_i`` is read from the activation before any of them.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from monoscope.dictionaries.autoencoder import SparseAutoencoder
from monoscope.errors import BrokenInput, UnknownName, WrongUse


@runtime_checkable
class Edit(Protocol):
    """A rule that gives a feature's code a new value at every token."""

    @property
    def relative(self) -> bool:
        """True when the rule counts in multiples of the feature's largest activation."""
        ...

    def apply(self, codes: Float[Tensor, "*batch"], largest: float) -> Float[Tensor, "*batch"]:
        """The new codes: ``codes`` are the feature's own, ``largest`` is its largest on the training data."""
        ...


@dataclass(frozen=True)
class Clamp:
    """Pin a feature to one value at every token: ``v = multiple × largest activation``, or ``v = value``.

    Negative values are allowed although codes are never negative. Usable multiples lie in about −10 to 10;
    "Golden Gate Claude" was shown at 10 (Templeton et al. 2024).

    Raises:
        WrongUse: neither or both of ``multiple`` and ``value`` are given, or the number is not finite.
    """

    multiple: float | int | None = None
    """The value in units of the feature's largest activation on the training data."""
    value: float | int | None = field(default=None, kw_only=True)
    """The value in the units of the codes, when ``multiple`` is not given."""

    def __post_init__(self) -> None:
        given = [number for number in (self.multiple, self.value) if number is not None]
        if len(given) != 1:
            raise WrongUse(
                f"a clamp takes a multiple or a value, and got multiple={self.multiple}, value={self.value}",
                "Clamp(10) is ten times the largest activation, Clamp(value=3.5) an activation of 3.5",
            )
        _check_finite("clamp", given[0])

    @property
    def relative(self) -> bool:
        """True when given as a multiple."""
        return self.multiple is not None

    def apply(self, codes: Float[Tensor, "*batch"], largest: float) -> Float[Tensor, "*batch"]:
        """The one value, everywhere."""
        value = self.value if self.multiple is None else self.multiple * largest
        assert value is not None, "one of the two was given"
        return torch.full_like(codes, value)


@dataclass(frozen=True)
class Add:
    """Add to a feature at every token: ``v = f + multiple × largest activation``, a shift along ``d_i``."""

    multiple: float | int
    """What is added, in units of the feature's largest activation on the training data."""

    def __post_init__(self) -> None:
        _check_finite("addition", self.multiple)

    @property
    def relative(self) -> bool:
        """Always true."""
        return True

    def apply(self, codes: Float[Tensor, "*batch"], largest: float) -> Float[Tensor, "*batch"]:
        """The codes, shifted."""
        return codes + self.multiple * largest


@dataclass(frozen=True)
class Scale:
    """Multiply a feature where it is active: ``v = factor × f``; 1 changes nothing, 0 switches it off."""

    factor: float | int
    """The multiplier of the code."""

    def __post_init__(self) -> None:
        _check_finite("scaling", self.factor)

    @property
    def relative(self) -> bool:
        """Always false: the code itself is the unit."""
        return False

    def apply(self, codes: Float[Tensor, "*batch"], largest: float) -> Float[Tensor, "*batch"]:
        """The codes, multiplied."""
        return codes * self.factor


@dataclass(frozen=True)
class Ablate:
    """Switch a feature off: ``v = 0``."""

    @property
    def relative(self) -> bool:
        """Always false."""
        return False

    def apply(self, codes: Float[Tensor, "*batch"], largest: float) -> Float[Tensor, "*batch"]:
        """Zero, everywhere."""
        return torch.zeros_like(codes)


def edit_function(dictionary: SparseAutoencoder, edits: Mapping[int, Edit]) -> Callable[[Tensor], Tensor]:
    """The function ``x -> x + Σ_i (v_i − f_i(x)) d_i`` of the edits of one site, computed in float32.

    One encoding serves all edits. With no edits it is the identity: the same bits come back.

    Args:
        dictionary: what ``f`` and ``d`` come from; it must lie on the device of the activations.
        edits: feature number -> edit.

    Raises:
        UnknownName: the dictionary has no such feature.
        WrongUse: an edit counts in multiples of the largest activation and the feature never fired.
        BrokenInput: such an edit, and the dictionary knows no feature's largest activation.
    """
    if not edits:
        return _unchanged
    edited_codes = codes_function(dictionary, edits)
    selected = _selected(dictionary, edits)
    directions = dictionary.directions[selected].detach().float()

    def edited(x: Float[Tensor, "*batch d_model"]) -> Float[Tensor, "*batch d_model"]:
        wide = x.float()
        codes = dictionary.sparse_encode(wide).select(selected)
        return (wide + (edited_codes(codes) - codes) @ directions).to(x.dtype)

    return edited


def codes_function(dictionary: SparseAutoencoder, edits: Mapping[int, Edit]) -> Callable[[Tensor], Tensor]:
    """The function that applies the edits to the codes ``[*batch edit]`` of the edited features, in the
    edits' order.

    Raises:
        UnknownName, WrongUse, BrokenInput: as :func:`edit_function`.
    """
    check_edits(dictionary, edits)
    rules = [(edit, float(dictionary.max_activation[feature])) for feature, edit in edits.items()]

    def edited_codes(codes: Float[Tensor, "*batch edit"]) -> Float[Tensor, "*batch edit"]:
        return torch.stack(
            [edit.apply(codes[..., j], largest) for j, (edit, largest) in enumerate(rules)], dim=-1
        )

    return edited_codes


def check_edits(dictionary: SparseAutoencoder, edits: Mapping[int, Edit]) -> None:
    """Refuse edits that this dictionary cannot carry out.

    Raises:
        UnknownName, WrongUse, BrokenInput: as :func:`edit_function`.
    """
    for feature, edit in edits.items():
        if not 0 <= feature < dictionary.n_features:
            raise UnknownName(
                f"{feature} is no feature of this dictionary",
                f"it has {dictionary.n_features}, numbered 0 to {dictionary.n_features - 1}",
            )
        if edit.relative and not float(dictionary.max_activation[feature]) > 0:
            if not bool((dictionary.max_activation > 0).any()):
                raise BrokenInput(
                    "this dictionary does not know the largest activation of any of its features",
                    "training measures them: train it to its end, or clamp to a value of your own",
                )
            raise WrongUse(
                f"feature {feature} never fired on the training data, so it has no largest activation",
                "choose a live feature, or clamp this one to a value of your own",
            )


def _selected(dictionary: SparseAutoencoder, edits: Mapping[int, Edit]) -> Tensor:
    return torch.tensor(list(edits), dtype=torch.long, device=dictionary.max_activation.device)


def _unchanged(x: Tensor) -> Tensor:
    return x


def _check_finite(what: str, number: float | int) -> None:
    if not math.isfinite(number):
        raise WrongUse(f"{number} is no strength for a {what}", "give a finite number")
