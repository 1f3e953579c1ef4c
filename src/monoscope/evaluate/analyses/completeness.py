"""How common a concept must be for a dictionary to have a feature for it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Bool, Float

from monoscope.errors import WrongUse
from monoscope.evaluate.analyses.base import ANALYSES, Check, Material, Progress, unwatched
from monoscope.evaluate.analyses.lineage import by_width
from monoscope.evaluate.analyses.planted import Tagged
from monoscope.evaluate.intervals import IntervalOptions, interval, resamples
from monoscope.evaluate.recovery import RecoveryOptions
from monoscope.evaluate.report import Meter

FORMULAS = {
    "has": "a feature and threshold chosen on calibration text mark the concept's held-out tokens with enough F1",
    "frequency": "share of the training text's tokens that are tagged with the concept",
    "scaled": "frequency x features that are alive",
    "fit": "P(has) = 1 / (1 + exp(-slope (log10 scaled - middle))), by maximum likelihood with a weak prior on slope",
    "half": "scaled frequency at which P(has) is one half: 10^middle",
    "spread": "largest / smallest half of the widths",
    "deviance": "share of the outcomes' entropy that the fit explains: 1 - log likelihood / that of the mean",
}


@dataclass(frozen=True)
class Curve:
    """A logistic curve, ``1 / (1 + exp(-slope (x - middle)))``."""

    slope: float
    """Per decade of x."""
    middle: float
    """log10 of the x at which it is one half."""

    def to_json(self) -> dict[str, float]:
        """The curve as JSON holds it."""
        return {"slope": self.slope, "middle": self.middle, "half": 10**self.middle}


@ANALYSES.register("completeness")
@dataclass(frozen=True, kw_only=True)
class Completeness:
    """How common a concept must be to have a feature.

    Whether a tagged concept has a feature is set against how often the training text expresses it, for every width.
    Counted in frequency times features that are alive, the widths are expected to follow one curve: twice the
    features find what is half as common. How far the widths lie apart before that is told beside it.

    Reference: Templeton et al. 2024 (Scaling Monosemanticity), "Feature Completeness".
    """

    name: ClassVar[str]

    f1: float = 0.7
    """F1 on held-out text from which a feature counts as the concept's."""
    minimum_tags: int = 20
    """Concepts with fewer held-out tokens are left out: whether they have a feature cannot be told."""
    n_tokens: int = 400_000
    """Tokens of each text, to choose features on and to measure on, at most."""
    agree: float = 3.0
    """Factor within which the widths' halves agree."""
    prior: float = 10.0
    """Standard deviation of the slope's prior, per decade: keeps it finite where no concept is out of order."""
    intervals: IntervalOptions = field(default_factory=IntervalOptions)
    """How intervals over concepts are drawn."""

    def __call__(self, material: Material, progress: Progress = unwatched) -> dict[str, Any]:
        """Fit the curves.

        Raises:
            WrongUse: the text has no tagged concepts, or there is no dictionary of another width.
            MismatchedArtefact: a dictionary reads another model or another site.
        """
        if not material.heldout.rows.concepts:
            raise WrongUse(
                "completeness asks which concepts have a feature, and this text has no tagged concepts",
                "ask it of a run on text with spans, for instance the corpus builtin",
            )
        runs = by_width([material, *material.others])
        tagged = Tagged.of(material, self.n_tokens)
        meter = Meter(len(runs) * (tagged.chosen_on.n_tokens + tagged.measured_on.n_tokens), progress)
        concepts = self.measurable(tagged)
        frequency = np.array([tagged.chosen_on.share(concept) for concept in concepts])
        widths = [self.width(run, tagged, concepts, frequency, meter.advance) for run in runs]
        meter.finish()
        x = np.stack([np.log10(frequency * max(each["alive"], 1)) for each in widths])
        has = np.stack([np.array(each["has"], bool) for each in widths])
        whole = self.fitted(x, has)
        return {
            "formulas": FORMULAS,
            "f1_needed": self.f1,
            "tokens_heldout": tagged.measured_on.n_tokens,
            "n_concepts": len(concepts),
            "n_left_out": len({name for name, _ in tagged.measured_on.members}) - len(concepts),
            "concepts": concepts,
            "frequency": frequency.tolist(),
            "widths": widths,
            "fit": None if whole is None else whole.to_json() | self.told(x, has, whole),
            "spread": spread([each["fit"] for each in widths]),
            "spread_unscaled": spread([each["fit_unscaled"] for each in widths]),
            "checks": [check.to_json() for check in self.checks(whole, widths)],
        }

    def measurable(self, tagged: Tagged) -> list[str]:
        """Concepts that training text shows and held-out text shows often enough to measure."""
        names = sorted({concept for concept, _ in tagged.measured_on.members})
        return [
            name
            for name in names
            if tagged.chosen_on.share(name) > 0
            and max(tagged.measured_on.count(name, kind) for kind in ("mention", "passage"))
            >= self.minimum_tags
        ]

    def width(
        self,
        run: Material,
        tagged: Tagged,
        concepts: Sequence[str],
        frequency: Float[np.ndarray, " concept"],
        advance: Callable[[int], None],
    ) -> dict[str, Any]:
        """Which concepts have a feature in one dictionary."""
        marks = tagged.marks(run.dictionary, concepts, advance)
        counts = RecoveryOptions(f1=self.f1, minimum_tags=1)
        has = np.array([marks.recovered(concept, counts) for concept in concepts], bool)
        alive = len(run.index.alive)
        fits = [self.fitted(np.log10(scaled), has) for scaled in (frequency * max(alive, 1), frequency)]
        return {
            "run": run.name,
            "n_features": run.dictionary.n_features,
            "alive": alive,
            "scaled_range": [float(end * alive) for end in np.sort(frequency)[[0, -1]]] if len(has) else None,
            "share": float(has.mean()) if len(has) else None,
            "has": has.tolist(),
            "f1": [round(marks.f1(concept), 4) for concept in concepts],
            "fit": None if fits[0] is None else fits[0].to_json(),
            "fit_unscaled": None if fits[1] is None else fits[1].to_json(),
        }

    def fitted(self, x: Float[np.ndarray, "*point"], has: Bool[np.ndarray, "*point"]) -> Curve | None:
        """The logistic curve of outcomes on ``x``; None where all are the same, or ``x`` says nothing."""
        from sklearn.linear_model import LogisticRegression

        if has.all() or not has.any() or np.ptp(x) == 0:
            return None
        centre = x.mean()
        model = LogisticRegression(C=self.prior**2, solver="newton-cholesky", tol=1e-8)
        model.fit(x.reshape(-1, 1) - centre, has.reshape(-1))
        slope, intercept = float(np.ravel(model.coef_)[0]), float(np.ravel(model.intercept_)[0])
        return None if abs(slope) < 1e-9 else Curve(slope, float(centre - intercept / slope))

    def told(
        self, x: Float[np.ndarray, "width concept"], has: Bool[np.ndarray, "width concept"], whole: Curve
    ) -> dict[str, Any]:
        """How sure the curve of all widths is: the slope's interval over concepts, and what the curve explains."""
        drawn = resamples(x.shape[1], self.intervals)
        numbers = [np.repeat(np.arange(x.shape[1]), taken.astype(int)) for taken in drawn]
        curves = [self.fitted(x[:, some], has[:, some]) for some in numbers]
        slopes = np.array([np.nan if curve is None else curve.slope for curve in curves])
        explained = 1 / (1 + np.exp(-whole.slope * (x - whole.middle)))
        chance = log_likelihood(np.full(x.shape, has.mean()), has)
        return {
            "slope_interval": interval(slopes, self.intervals),
            "deviance": 1 - log_likelihood(explained, has) / chance,
        }

    def checks(self, whole: Curve | None, widths: Sequence[dict[str, Any]]) -> list[Check]:
        """A1.7."""
        apart, before = (
            spread([each["fit"] for each in widths]),
            spread([each["fit_unscaled"] for each in widths]),
        )
        fitted = [each for each in widths if each["fit"] is not None and each["fit"]["slope"] > 0]
        halves = ", ".join(half_text(each) for each in fitted)
        no_spread = (
            "fewer than two widths have both concepts with and without a feature, the common ones with"
        )
        return [
            Check(
                name="A1.7",
                what="slope of P(concept has a feature) on log10(frequency x alive features), all widths together",
                figure=None if whole is None else whole.slope,
                target="> 0",
                holds=None if whole is None else whole.slope > 0,
                why="every concept came out the same" if whole is None else "",
            ),
            Check(
                name="A1.7",
                what="largest / smallest frequency x alive features at which half of the concepts have a feature",
                figure=apart,
                target=f"<= {self.agree:g}",
                holds=None if apart is None else apart <= self.agree,
                why=no_spread if apart is None else f"halves {halves}; by frequency alone {before:.3g}",
            ),
        ]


def half_text(width: dict[str, Any]) -> str:
    """A width's half in words; one outside the concepts' frequencies was not seen, but follows from the curve."""
    low, high = width["scaled_range"]
    half = width["fit"]["half"]
    seen = "" if low <= half <= high else f", outside the concepts' {low:.2g} to {high:.2g}"
    return f"{half:.3g} ({width['n_features']} features{seen})"


def log_likelihood(chance: Float[np.ndarray, "*point"], has: Bool[np.ndarray, "*point"]) -> float:
    """Sum of the logarithms of what outcomes were given."""
    return float(np.log(np.where(has, chance, 1 - chance).clip(1e-300)).sum())


def spread(fits: Sequence[dict[str, float] | None]) -> float | None:
    """Largest of the halves over the smallest, of curves that rise; None where fewer than two do."""
    halves = [fit["half"] for fit in fits if fit is not None and fit["slope"] > 0]
    return max(halves) / min(halves) if len(halves) >= 2 else None
