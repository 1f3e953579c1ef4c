"""Where more strength stops being worth its price."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar, runtime_checkable

from monoscope.intervene.readability import Counted, readability

REACHED = 0.9
"""Share of the largest rise at which an effect counts as reached: a rule of thumb, not taken from a paper."""

KNEE_FORMULA = (
    f"the smallest strength with effect - unsteered >= {REACHED} x the largest (effect - unsteered) among readable "
    "strengths, whose 95 % interval lies above the unsteered effect and above the controls' mean at that strength"
)
"""The rule in words; readable means a readability of 1 against the unsteered text."""


@runtime_checkable
class Judged(Counted, Protocol):
    """A strength with its effect and what the text is like."""

    @property
    def strength(self) -> float:
        """In the units of what is steered; 0 for the model as it is."""
        ...

    @property
    def effect(self) -> float:
        """What the judge says, mean over samples."""
        ...

    @property
    def low(self) -> float:
        """Lower end of its 95 % interval."""
        ...


AnyJudged = TypeVar("AnyJudged", bound=Judged)
"""Settings of one kind."""


@dataclass(frozen=True)
class Verdict(Generic[AnyJudged]):
    """The knee, or why there is none."""

    knee: AnyJudged | None
    """The strength to use."""
    shown: AnyJudged | None
    """The same, or where there is none the strongest readable one; None when none is readable."""
    why: str
    """What was found, in a sentence."""


def find_knee(
    reference: AnyJudged, settings: Sequence[AnyJudged], control_means: Sequence[float]
) -> Verdict[AnyJudged]:
    """The smallest strength that brings nearly all of the effect that readable text can have.

    Formula: ``KNEE_FORMULA``. Rises are counted from the unsteered effect, so that neither the unit of a judge nor
    where its scale begins changes the answer.

    Args:
        reference: the model as it is.
        settings: the strengths that were tried.
        control_means: for each of them, the mean effect of the controls at the same strength.
    """
    by_strength = sorted(
        zip(settings, control_means, strict=True), key=lambda pair: (abs(pair[0].strength), -pair[0].strength)
    )
    readable = [pair for pair in by_strength if readability(pair[0], reference) == 1]
    if not readable:
        return Verdict(None, None, "no strength that was tried leaves the text readable")
    strongest = readable[-1][0]
    most = max((setting for setting, _ in readable), key=lambda setting: setting.effect)
    rise = most.effect - reference.effect
    if not rise > 0:
        return Verdict(None, strongest, "no readable strength has more of the effect than the model as it is")
    reached = [pair for pair in readable if pair[0].effect - reference.effect >= REACHED * rise]
    above = [pair for pair in reached if pair[0].low > reference.effect]
    if not above:
        return Verdict(
            None,
            strongest,
            f"of the readable strengths {most.strength:g} has the largest effect, {most.effect:.3g}, and its interval "
            f"begins at {most.low:.3g}, not above the unsteered {reference.effect:.3g}",
        )
    alone = [setting for setting, control in above if setting.low > control]
    if not alone:
        at, control = above[0]
        return Verdict(
            None,
            strongest,
            f"at strength {at.strength:g} the effect is {at.effect:.3g}, its interval begins at {at.low:.3g}, and the "
            f"controls have {control:.3g} at the same strength: others do it as well",
        )
    knee = alone[0]
    return Verdict(
        knee,
        knee,
        f"{knee.strength:g} is the smallest readable strength with {REACHED:.0%} of the largest rise, that of "
        f"{most.strength:g}; its interval lies above the unsteered model and above the controls",
    )
