"""Sparsifiers that look at each pre-activation by itself: positive, above a threshold, through a gate."""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from monoscope.dictionaries.sparsifiers.base import NOTHING, SPARSIFIERS, Own, Sparsifier
from monoscope.errors import WrongUse


@SPARSIFIERS.register("relu")
@dataclass(frozen=True)
class ReLU(Sparsifier):
    """Every positive pre-activation, ``f = ReLU(pre)``; sparse because training charges for activation.

    The penalty (``monoscope.train.L1``, ``Power``) also shrinks the values that stay.

    References: Bricken et al. 2023 (Towards Monosemanticity); Cunningham et al. 2023 (2309.08600).
    """

    name: ClassVar[str]

    def __call__(
        self, pre: Float[Tensor, "*batch n_features"], own: Own = NOTHING
    ) -> Float[Tensor, "*batch n_features"]:
        """Dense codes."""
        return pre.relu()


@SPARSIFIERS.register("jumprelu")
@dataclass(frozen=True)
class JumpReLU(Sparsifier):
    """What exceeds the feature's own learnt threshold, ``f = pre * H(pre - exp(log_threshold))``.

    The step has no slope, so training gives the threshold the slope of a smoothed one: with ``K`` the
    rectangle of width ``width`` and height 1 / width, ``df/dthreshold = -threshold * K(pre - threshold)``. That
    is the exact derivative of ``E[f]`` when uniform noise of that width is added to ``pre``. With
    ``through_values``, ``pre`` gets the same slope with the other sign on top of its own (Anthropic, January
    2025: the gradient reaches all parameters); without, ``pre`` has slope 1 where the feature is active.

    Traps: implementations that apply the kernel to the gated value lose its lower half. The 0.001 of the paper
    belongs to E|x|^2 = 1; thresholds that begin far below all activations stay there, since they move by about a
    learning rate a step. Two standard deviations, where a fortieth of the features are active before training,
    is near where short and long runs end; thresholds that begin there need ``through_values``.

    References: Rajamanoharan et al. 2024 (2407.14435); Anthropic, Circuits Updates, January 2025.
    """

    name: ClassVar[str]

    width: float = 2.0
    """Width of the kernel, in the units of scaled activations: E|x|^2 = d_model, and 1 is the standard deviation of
    what a random direction of norm 1 reads."""
    initial: float = 2.0
    """Threshold of every feature before training, in the same units."""
    through_values: bool = True
    """Give the pre-activation the slope of the smoothed step too."""

    def __post_init__(self) -> None:
        if not (self.width > 0 and self.initial > 0):
            raise WrongUse(
                f"JumpReLU of width {self.width} and initial threshold {self.initial} learns nothing",
                "give both above 0",
            )

    def own(self, n_features: int) -> dict[str, Tensor]:
        """``log_threshold``: the natural logarithm of each feature's."""
        return {"log_threshold": torch.full((n_features,), self.initial).log()}

    def scaled(self, own: Own, factor: float | Float[Tensor, " n_features"]) -> dict[str, Tensor]:
        """Thresholds grow with the pre-activations."""
        return {"log_threshold": own["log_threshold"] + torch.as_tensor(factor).log()}

    def __call__(
        self, pre: Float[Tensor, "*batch n_features"], own: Own = NOTHING
    ) -> Float[Tensor, "*batch n_features"]:
        """Dense codes."""
        threshold = self._threshold(pre, own)
        kept = step(pre, threshold, self.width, self.through_values)
        # The first factor carries the slope of the value, the second that of the step.
        return pre.relu() * kept

    def active(self, pre: Float[Tensor, "*batch n_features"], own: Own) -> Float[Tensor, "*batch n_features"]:
        """1 where a feature is active, with the slope of the smoothed step: what a penalty on L0 counts."""
        return step(pre, self._threshold(pre, own), self.width, self.through_values)

    def _threshold(self, pre: Tensor, own: Own) -> Tensor:
        return (own["log_threshold"].exp() if "log_threshold" in own else pre.new_full((), self.initial)).to(
            pre.dtype
        )


@SPARSIFIERS.register("gated")
@dataclass(frozen=True)
class Gated(Sparsifier):
    """One path says whether a feature is active, another how much: the penalty of the first shrinks nothing.

    ``f = H(pre + gate_bias) * ReLU(exp(log_scale) * pre + magnitude_bias)``; both paths share the encoder's
    columns. ``pre`` comes with ``encoder_bias`` at 0. The step passes no gradient: the gate learns from its
    penalty and from an auxiliary reconstruction of its own (``monoscope.train.Gate``).

    Reference: Rajamanoharan et al. 2024 (2404.16014).
    """

    name: ClassVar[str]
    untrained: ClassVar[frozenset[str]] = frozenset({"encoder_bias"})

    def own(self, n_features: int) -> dict[str, Tensor]:
        """``gate_bias``, ``magnitude_bias`` and ``log_scale``, all 0."""
        return {name: torch.zeros(n_features) for name in ("gate_bias", "magnitude_bias", "log_scale")}

    def scaled(self, own: Own, factor: float | Float[Tensor, " n_features"]) -> dict[str, Tensor]:
        """Biases grow with the pre-activations; the ratio of the two paths does not."""
        return dict(own) | {name: own[name] * factor for name in ("gate_bias", "magnitude_bias")}

    def gate(
        self, pre: Float[Tensor, "*batch n_features"], own: Own = NOTHING
    ) -> Float[Tensor, "*batch n_features"]:
        """What must be positive for a feature to be active."""
        return pre + own["gate_bias"] if own else pre

    def __call__(
        self, pre: Float[Tensor, "*batch n_features"], own: Own = NOTHING
    ) -> Float[Tensor, "*batch n_features"]:
        """Dense codes."""
        if not own:
            return pre.relu()
        magnitude = own["log_scale"].exp() * pre + own["magnitude_bias"]
        return magnitude.relu() * (self.gate(pre, own) > 0)


def step(
    pre: Float[Tensor, "*batch n_features"],
    threshold: Float[Tensor, "*features"],
    width: float,
    through_values: bool,
) -> Float[Tensor, "*batch n_features"]:
    """``H(pre - threshold)``, with the slope of the step smoothed by a rectangle of ``width``."""
    return _Step.apply(pre, threshold, width, through_values)  # type: ignore[no-any-return]


class _Step(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, pre: Tensor, threshold: Tensor, width: float, through_values: bool) -> Tensor:
        ctx.save_for_backward(pre, threshold)
        ctx.width, ctx.through_values = width, through_values
        return (pre > threshold).to(pre.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore
        pre, threshold = ctx.saved_tensors
        slope = gradients[0] * ((pre - threshold).abs() < ctx.width / 2) / ctx.width
        to_pre = slope if ctx.through_values else None
        return to_pre, -slope.sum_to_size(threshold.shape), None, None
