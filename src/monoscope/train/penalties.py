"""What training charges for activity, beside the reconstruction error: one frozen dataclass for each price.

Activations are scaled to ``E|x|^2 = d_model`` before training, so that a weight means the same at every site
(the units of Templeton et al. 2024). A dictionary's features count by the length of what they write, ``f_i
|d_i|``: with directions of norm 1 that is ``f_i``; for a crosscoder ``|d_i|`` is the sum over its parts.
"""

from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from monoscope.dictionaries.autoencoder import SparseAutoencoder
from monoscope.dictionaries.sparsifiers import Gated, JumpReLU, ReLU, Sparsifier
from monoscope.errors import BrokenInput, WrongUse
from monoscope.registry import Registry
from monoscope.train.mesh import ALONE, Mesh


@dataclass(frozen=True)
class Seen:
    """What a penalty is told of a step."""

    dictionary: SparseAutoencoder
    """The dictionary, in the units of scaled activations."""
    target: Float[Tensor, "batch d_out"]
    """What should be written."""
    pre: Float[Tensor, "batch n_features"]
    """Pre-activations."""
    codes: Float[Tensor, "batch n_features"]
    """Codes."""
    progress: float
    """Share of the run that is done, from 0 to 1."""
    mesh: Mesh = ALONE
    """The ranks that have the other features and activations."""

    def summed(self, each: Float[Tensor, "batch n_features"]) -> Float[Tensor, ""]:
        """Summed over the features of all ranks, the mean over the activations here."""
        return self.mesh.features.sum(each.sum(1).mean())


@runtime_checkable
class Penalty(Protocol):
    """A price on activity: a frozen dataclass with a ``weight``, registered by name."""

    name: ClassVar[str]

    weight: float
    """The price, against the summed squared error; a controller of L0 turns it."""

    def __call__(self, seen: Seen) -> Float[Tensor, ""]:
        """The price at weight 1: a mean over activations, of a sum over all features (:meth:`Seen.summed`)."""
        ...

    def beside(self, seen: Seen) -> Float[Tensor, ""] | float:
        """What is added whatever the price is: neither its rise nor a controller of L0 touches it."""
        return 0.0


PENALTIES: Registry[Penalty] = Registry("penalty")
"""Name on the command line and in files -> class."""


def lengths(seen: Seen) -> Float[Tensor, "batch n_features"]:
    """``f_i |d_i|``, the norms with their gradient."""
    return seen.codes * seen.dictionary.part_norms().sum(1)


@PENALTIES.register("l1")
@dataclass(frozen=True)
class L1(Penalty):
    """``mean sum_i f_i |d_i|``.

    With directions held at norm 1 it is that of Bricken et al. 2023; with free norms that of Anthropic's April
    2024 update, where the norm in the price is what keeps codes from hiding in long directions. A coefficient
    ``c`` of a loss with the *mean* squared error over entries is ``c * d_model`` here.
    """

    name: ClassVar[str]

    weight: float = 1.5
    """The price, against the summed squared error."""

    def __call__(self, seen: Seen) -> Float[Tensor, ""]:
        """The summed lengths."""
        return seen.summed(lengths(seen))


@PENALTIES.register("power")
@dataclass(frozen=True)
class Power(Penalty):
    """``mean sum_i f_i^p`` with ``p`` falling from 1: nearer and nearer to counting features.

    From ``start`` to ``stop`` of the run ``p`` falls in ``stairs`` equal steps to ``end``. At each step the weight is
    multiplied so that the price of the batch stays as it was. Below ``floor`` the power goes on straight to 0,
    ``f_i floor^(p - 1)``: the slope of ``f^p`` has no bound there, and a few codes near 0 would be all that a
    clipped gradient and Adam's mean squares see.

    Reference: Karvonen et al. 2024 (2408.00113), p-annealing, without a floor. Here the factor is taken on the
    same batch instead of the last ten.
    """

    name: ClassVar[str]

    weight: float = 1.5
    """The price at the beginning, against the summed squared error."""
    end: float = 0.2
    """Exponent at the end of the run."""
    start: float = 0.2
    """Share of the run at which the exponent begins to fall."""
    stop: float = 0.7
    """Share of the run at which it has fallen; a controller of L0 settles after it, before the learning rate falls."""
    stairs: int = 10
    """Steps in which it falls."""
    floor: float = 0.5
    """The length ``f_i |d_i|`` below which the price is straight, in the units of scaled activations."""

    def exponent(self, progress: float) -> float:
        """The exponent in force."""
        if progress < self.start:
            return 1.0
        stair = min(self.stairs, 1 + int((progress - self.start) / (self.stop - self.start) * self.stairs))
        return 1 - (1 - self.end) * stair / self.stairs

    def __call__(self, seen: Seen) -> Float[Tensor, ""]:
        """The summed powers, in the units of the summed lengths."""
        f = lengths(seen)
        exponent = self.exponent(seen.progress)
        if exponent == 1:
            return seen.summed(f)
        powers = torch.where(
            f > self.floor, f.clamp(min=self.floor).pow(exponent), f * self.floor ** (exponent - 1)
        )
        price = seen.summed(powers)
        with torch.no_grad():
            data = seen.mesh.data
            ratio = data.mean(seen.summed(f)) / data.mean(price).clamp(min=1e-12)
        return price * ratio


@PENALTIES.register("l0")
@dataclass(frozen=True)
class L0(Penalty):
    """``mean sum_i H(pre_i - threshold_i)``: the number of active features, for JumpReLU.

    The gradient reaches the thresholds through the smoothed step.

    Reference: Rajamanoharan et al. 2024 (2407.14435).
    """

    name: ClassVar[str]

    weight: float = 0.5
    """The price of one active feature, against the summed squared error."""

    def __call__(self, seen: Seen) -> Float[Tensor, ""]:
        """The number of active features."""
        return seen.summed(active(seen))


@PENALTIES.register("tanh")
@dataclass(frozen=True)
class Tanh(Penalty):
    """``mean sum_i tanh(c f_i |d_i|)``; beside it ``pre_activation * sum_i ReLU(threshold_i - pre_i) |d_i|``.

    For JumpReLU. The price of a feature levels off, so strong ones are not shrunk; the second term pulls features
    that are never active towards their thresholds.

    Reference: Anthropic, Circuits Updates, January 2025, with weights of about 10 and 3e-6 for residual streams
    of thousands of dimensions. Where all that there is to explain is ``d_model``, 10 kills most features of a
    narrow one.
    """

    name: ClassVar[str]

    weight: float = 0.5
    """The price, against the summed squared error."""
    steepness: float = 4.0
    """``c``: how soon the price levels off."""
    pre_activation: float = 3e-6
    """Weight of the second term."""

    def __call__(self, seen: Seen) -> Float[Tensor, ""]:
        """The first term."""
        return seen.summed(torch.tanh(self.steepness * lengths(seen)))

    def beside(self, seen: Seen) -> Float[Tensor, ""]:
        """The second."""
        threshold = seen.dictionary.own["log_threshold"].exp()
        norms = seen.dictionary.part_norms().sum(1)
        return self.pre_activation * seen.summed((threshold - seen.pre).relu() * norms)


@PENALTIES.register("gate")
@dataclass(frozen=True)
class Gate(Penalty):
    """``mean sum_i ReLU(gate_i)``, and ``|target - x_hat(ReLU(gate))|^2`` beside it, for Gated.

    The gate is charged, not the magnitude; its own reconstruction, through a decoder held constant, is what
    keeps it open where it should be.

    Reference: Rajamanoharan et al. 2024 (2404.16014), equation 8.
    """

    name: ClassVar[str]

    weight: float = 1.5
    """The price of the gates, against the summed squared error."""

    def __call__(self, seen: Seen) -> Float[Tensor, ""]:
        """What the gates are charged."""
        return seen.summed(gates(seen) * seen.dictionary.part_norms().sum(1).detach())

    def beside(self, seen: Seen) -> Float[Tensor, ""]:
        """The gates' own reconstruction."""
        written = seen.mesh.features.sum(gates(seen) @ seen.dictionary.decoder.detach())
        frozen = written + seen.dictionary.target_bias.detach()
        return (seen.target - frozen).square().sum(1).mean()


def gates(seen: Seen) -> Float[Tensor, "batch n_features"]:
    """How far each gate is open."""
    sparsifier = seen.dictionary.options.sparsifier
    assert isinstance(sparsifier, Gated)
    return sparsifier.gate(seen.pre, seen.dictionary.own).relu()


def active(seen: Seen) -> Float[Tensor, "batch n_features"]:
    """1 where a feature is active, with the slope of the smoothed step."""
    sparsifier = seen.dictionary.options.sparsifier
    assert isinstance(sparsifier, JumpReLU)
    return sparsifier.active(seen.pre, seen.dictionary.own)


FITTING: dict[type[Sparsifier], tuple[type[Penalty], ...]] = {
    ReLU: (L1, Power),
    JumpReLU: (L0, Tanh),
    Gated: (Gate,),
}
"""Sparsifier -> the penalties that go with it, the usual one first; the others need none."""


def check_penalty(sparsifier: Sparsifier, penalty: Penalty | None) -> Penalty | None:
    """The penalty to train with: the one given, or the sparsifier's usual one.

    Raises:
        WrongUse: they do not go together.
    """
    fitting = FITTING.get(type(sparsifier), ())
    if penalty is None:
        return fitting[0]() if fitting else None
    if not isinstance(penalty, fitting):
        names = ", ".join(each.name for each in fitting) or "none: it is sparse by itself"
        raise WrongUse(f"the penalty {penalty.name} does not go with {sparsifier.name}", f"it takes {names}")
    return penalty


def penalty_record(penalty: Penalty | None) -> dict[str, Any] | None:
    """A penalty as JSON can hold it."""
    return None if penalty is None else {"name": penalty.name, **asdict(penalty)}  # type: ignore[call-overload]


def penalty_from_record(record: dict[str, Any] | None) -> Penalty | None:
    """The penalty that :func:`penalty_record` wrote.

    Raises:
        UnknownName: no penalty has that name.
        BrokenInput: the fields are not that penalty's.
    """
    if record is None:
        return None
    try:
        return PENALTIES[record["name"]](**{key: value for key, value in record.items() if key != "name"})
    except (KeyError, TypeError) as error:
        raise BrokenInput(
            f"{record} is no record of a penalty: {error}", "the file was damaged or made by hand"
        ) from error
