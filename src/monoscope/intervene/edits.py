"""What can be done to a feature: pin it, add to it, scale it, cap it, switch it off.

An edit says which value ``v_i`` a feature's code ``f_i`` takes. The activation then moves by the difference
along the feature's direction, and everything the dictionary does not explain stays where it was::

    x' = x + Σ_i (v_i − f_i(x)) d_i

which is the reconstruction with ``f_i`` replaced by ``v_i`` plus the reconstruction error (Templeton et al.
2024, "Scaling Monosemanticity", section "Influence on behavior"). Several edits of one site are one sum:
each ``f_i`` is read from the activation before any of them.

A vector is edited in the same words. Its code is the projection ``x · u`` on its direction ``u``, and its unit the
mean norm of the residual stream: ``Add(.2)`` adds a fifth of that, ``Ablate()`` projects it out, ``Cap(.1)`` takes away
what is above a tenth.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from monoscope.dictionaries.autoencoder import SparseAutoencoder
from monoscope.errors import BrokenInput, UnknownName, WrongUse


@dataclass(frozen=True, slots=True)
class Move:
    """Where a code goes: ``v = min(shift + slope * f, ceiling)``, or ``f`` itself where it is left alone."""

    shift: float | Tensor = 0.0
    """What does not depend on the code; a value for each token is allowed."""
    slope: float = 1.0
    """What the code is multiplied with."""
    ceiling: float = math.inf
    """The most that it can be."""
    only_active: bool = False
    """Codes that are not above 0 are left alone."""

    @property
    def reads(self) -> bool:
        """Whether the difference ``v - f`` depends on ``f``."""
        return self.slope != 1 or self.ceiling < math.inf or self.only_active

    def __call__(self, codes: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
        """The codes after it."""
        moved = (self.shift + self.slope * codes).clamp(max=self.ceiling)
        return torch.where(codes > 0, moved, codes) if self.only_active else moved


@runtime_checkable
class Edit(Protocol):
    """A rule that gives a code a new value."""

    @property
    def relative(self) -> bool:
        """True when the rule counts in multiples of a unit: a feature's largest activation."""
        ...

    def move(self, unit: float) -> Move:
        """What happens to a code whose unit is ``unit``."""
        ...


@dataclass(frozen=True)
class Clamp:
    """Pin a feature to one value: ``v = multiple × largest activation``, or ``v = value``.

    Negative values are allowed although codes are never negative. Usable multiples lie in about −10 to 10;
    "Golden Gate Claude" was shown at 10 (Templeton et al. 2024).

    Raises:
        WrongUse: neither or both of ``multiple`` and ``value`` are given, or the number is not finite.
    """

    multiple: float | int | None = None
    """The value in units of the feature's largest activation on the training data."""
    value: float | int | None = field(default=None, kw_only=True)
    """The value in the units of the codes, when ``multiple`` is not given."""
    where_active: bool = field(default=False, kw_only=True)
    """Only at tokens at which the feature is active already."""

    def __post_init__(self) -> None:
        _check_one_of("clamp", self.multiple, self.value)

    @property
    def relative(self) -> bool:
        """True when given as a multiple."""
        return self.multiple is not None

    def move(self, unit: float) -> Move:
        """The one value."""
        return Move(_amount(self.multiple, self.value, unit), slope=0.0, only_active=self.where_active)


@dataclass(frozen=True)
class Add:
    """Add to a feature: ``v = f + multiple × largest activation``, a shift along ``d_i``; or ``v = f + value``.

    Raises:
        WrongUse: as :class:`Clamp`.
    """

    multiple: float | int | None = None
    """What is added, in units of the feature's largest activation on the training data."""
    value: float | int | None = field(default=None, kw_only=True)
    """What is added, in the units of the codes."""

    def __post_init__(self) -> None:
        _check_one_of("addition", self.multiple, self.value)

    @property
    def relative(self) -> bool:
        """True when given as a multiple."""
        return self.multiple is not None

    def move(self, unit: float) -> Move:
        """The code, shifted."""
        return Move(_amount(self.multiple, self.value, unit))


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

    def move(self, unit: float) -> Move:
        """The code, multiplied."""
        return Move(slope=float(self.factor))


@dataclass(frozen=True)
class Ablate:
    """Switch a feature off: ``v = 0``."""

    @property
    def relative(self) -> bool:
        """Always false."""
        return False

    def move(self, unit: float) -> Move:
        """Zero."""
        return Move(slope=0.0)


@dataclass(frozen=True)
class Cap:
    """Let a feature be no stronger: ``v = min(f, multiple × largest activation)``, or ``min(f, value)``.

    Raises:
        WrongUse: as :class:`Clamp`.
    """

    multiple: float | int | None = None
    """The most, in units of the feature's largest activation on the training data."""
    value: float | int | None = field(default=None, kw_only=True)
    """The most, in the units of the codes."""

    def __post_init__(self) -> None:
        _check_one_of("cap", self.multiple, self.value)

    @property
    def relative(self) -> bool:
        """True when given as a multiple."""
        return self.multiple is not None

    def move(self, unit: float) -> Move:
        """The code, or the most that it can be."""
        return Move(ceiling=_amount(self.multiple, self.value, unit))


def check_edits(dictionary: SparseAutoencoder, edits: Mapping[int, Edit]) -> None:
    """Refuse edits that this dictionary cannot carry out.

    Raises:
        UnknownName: the dictionary has no such feature.
        WrongUse: an edit counts in multiples of the largest activation and the feature never fired.
        BrokenInput: such an edit, and the dictionary knows no feature's largest activation.
    """
    check_features(dictionary, edits)
    for feature, edit in edits.items():
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


def check_features(dictionary: SparseAutoencoder, features: Iterable[int]) -> None:
    """Refuse numbers that no feature has.

    Raises:
        UnknownName: there is one.
    """
    for feature in features:
        if not 0 <= feature < dictionary.n_features:
            raise UnknownName(
                f"{feature} is no feature of this dictionary",
                f"it has {dictionary.n_features}, numbered 0 to {dictionary.n_features - 1}",
            )


def _amount(multiple: float | int | None, value: float | int | None, unit: float) -> float:
    if multiple is not None:
        return multiple * unit
    assert value is not None, "one of the two was given"
    return float(value)


def _check_one_of(what: str, multiple: float | int | None, value: float | int | None) -> None:
    given = [number for number in (multiple, value) if number is not None]
    if len(given) != 1:
        raise WrongUse(
            f"{_one(what)} takes a multiple or a value, and got multiple={multiple}, value={value}",
            "Clamp(10) is ten times the largest activation, Clamp(value=3.5) an activation of 3.5",
        )
    _check_finite(what, given[0])


def _check_finite(what: str, number: float | int) -> None:
    if not math.isfinite(number):
        raise WrongUse(f"{number} is no strength for {_one(what)}", "give a finite number")


def _one(what: str) -> str:
    return f"an {what}" if what[0] in "aeiou" else f"a {what}"
