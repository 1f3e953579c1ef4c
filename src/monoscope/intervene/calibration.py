"""How strongly to steer: the effect of every strength beside its price, and beside what chance does as strongly."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from monoscope.errors import WrongUse
from monoscope.intervals import DRAWS, interval
from monoscope.intervene.judges import Judge
from monoscope.intervene.knee import KNEE_FORMULA, Verdict, find_knee
from monoscope.intervene.likelihood import continuation_divergence, continuation_perplexity
from monoscope.intervene.prompts import story_beginnings
from monoscope.intervene.readability import (
    DISTINCT_FLOOR,
    PERPLEXITY_CEILING,
    mean_distinct_bigrams,
    readability,
)
from monoscope.intervene.steer import changes
from monoscope.intervene.steerable import Steerable
from monoscope.intervene.trial import Trial
from monoscope.models.language_model import LanguageModel

FEATURE_STRENGTHS = (0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0)
"""Multiples of a feature's largest activation."""
VECTOR_STRENGTHS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0)
"""Shares of the mean residual norm."""

FORMULAS = {
    "interval": "of shares Wilson's, of other effects the 2.5 and 97.5 % quantiles of the mean over "
    f"{DRAWS} resamples of the samples",
    "distinct_2": "unique pairs of neighbouring words / pairs, mean over samples",
    "perplexity": "exp(mean over written tokens of -log p(token | before it)), p the unsteered model's",
    "kl": "mean over written tokens of sum_v p_steered(v) log(p_steered(v) / p(v)), in nats, both given the text that "
    "was written under steering",
    "readability": f"min(1, distinct-2 / ({DISTINCT_FLOOR:g} x unsteered)) x "
    f"min(1, {PERPLEXITY_CEILING:g} x unsteered perplexity / perplexity)",
    "controls": "the same rule at the same strength about random live features, and along random directions of "
    "equal length",
    "recommended": KNEE_FORMULA,
}
"""What each number of a calibration is."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class CalibrationOptions:
    """Which strengths are tried, and how."""

    strengths: tuple[float, ...] = ()
    """Strengths to try; none: 0.25 to 10 largest activations of features, 0.05 to 2 mean residual norms of a vector."""
    n_prompts: int = 60
    """Prompts written from at each strength, at most."""
    n_tokens: int = 50
    """Length of a sample in tokens."""
    temperature: float = 0.8
    """Of the sampling; 0 takes the likeliest token every time."""
    controls: int = 3
    """Random features, and random directions: so many of each."""
    seed: int = 0
    """Of the samples, of the controls and of the intervals."""

    def __post_init__(self) -> None:
        if 0 in self.strengths or len(set(self.strengths)) < len(self.strengths):
            raise WrongUse(
                f"the strengths {', '.join(f'{each:g}' for each in self.strengths)} hold 0 or one of them twice",
                "name each once; the unsteered model is always measured",
            )
        if not np.isfinite(self.strengths).all():
            raise WrongUse("a strength is not finite", "give finite numbers")
        for name in ("n_prompts", "n_tokens", "controls"):
            if getattr(self, name) < 1:
                raise WrongUse(f"{name} is {getattr(self, name)}", "give 1 or more")


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One strength: how much of the effect, at what price."""

    strength: float
    """In the units of what is steered; 0 is the model as it is."""
    effect: float
    """What the judge says, mean over samples."""
    low: float
    """Lower end of its 95 % interval."""
    high: float
    """Upper end."""
    distinct_2: float
    """Unique pairs of neighbouring words / pairs, mean over samples."""
    perplexity: float | None
    """Of what was written, under the unsteered model; None when nothing was written."""
    kl: float | None
    """Nats per written token by which the steered predictions differ from the unsteered; None likewise."""
    samples: tuple[str, ...]
    """What was written after each prompt."""

    def to_json(self) -> dict[str, Any]:
        """The numbers, without the samples."""
        return {name: value for name, value in asdict(self).items() if name != "samples"}


@dataclass(frozen=True, kw_only=True)
class Control:
    """What something else does at the same strengths."""

    name: str
    """Numbers of features, or ``random`` and a number."""
    kind: str
    """``feature`` or ``direction``."""
    effects: tuple[float, ...]
    """The judge's effect at each strength."""


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """A sweep of strengths, and what came of it."""

    reference: Setting
    """The model as it is."""
    settings: tuple[Setting, ...]
    """In the order of their strengths."""
    controls: tuple[Control, ...]
    """At least one."""
    verdict: Verdict[Setting]
    """The knee, or why there is none."""
    prompts: tuple[str, ...]
    """What was written from."""

    @property
    def recommended(self) -> float | None:
        """The strength to use."""
        return self.verdict.knee and self.verdict.knee.strength

    def to_json(self) -> dict[str, Any]:
        """The record, without samples; ``limits`` are those of readable text, relative to the unsteered."""
        effects = control_effects(self.controls)
        return {
            "settings": [
                each.to_json() | {"readability": readability(each, self.reference)} for each in self.settings
            ],
            "reference": self.reference.to_json(),
            "controls": {
                "each": [asdict(each) | {"effects": list(each.effects)} for each in self.controls],
                "mean": effects.mean(axis=0).tolist(),
                "low": effects.min(axis=0).tolist(),
                "high": effects.max(axis=0).tolist(),
            },
            "limits": {"distinct_2": DISTINCT_FLOOR, "perplexity": PERPLEXITY_CEILING},
            "recommended": self.recommended,
            "why": self.verdict.why,
        }


def calibrate(
    lm: LanguageModel,
    subject: Steerable,
    judge: Judge,
    options: CalibrationOptions | None = None,
    *,
    prompts: Sequence[str] | None = None,
    progress: Progress | None = None,
) -> Calibration:
    """Try every strength on the same prompts with the same dice, and its controls as strongly.

    Args:
        lm: the model, without edits.
        subject: what is steered.
        judge: says how much of the effect there is.
        options: which strengths.
        prompts: one sample is written from each; ordinary story beginnings unless given. ``n_prompts`` of them count.
        progress: called with (settings done, settings to do), controls included.

    Raises:
        WrongUse: there is no prompt, or none of the controls can be drawn.
        MismatchedArtefact, UnknownSite, UnknownName, BrokenInput: as :func:`monoscope.intervene.steer.steer`, and what
            the judge raises.
    """
    options, subject = options or CalibrationOptions(), subject.on(lm.device)
    beginnings = tuple(story_beginnings() if prompts is None else prompts)[: options.n_prompts]
    if not beginnings:
        raise WrongUse("there is no prompt to write from", "give at least one")
    strengths = sorted(options.strengths or usual_strengths(subject))
    changes(lm, subject.dictionary, [subject.at(strengths[0])])  # what cannot be steered is refused at once
    total = 1 + len(strengths) * (1 + number_of_controls(subject, options))
    done = 0

    def trial(of: Steerable, strength: float) -> Trial:
        return Trial(
            lm=lm,
            dictionary=of.dictionary,
            rules=of.at(strength) if strength else (),
            prompts=beginnings,
            n_tokens=options.n_tokens,
            temperature=float(options.temperature),
            seed=options.seed,
        )

    def step() -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(done, total)

    def setting(strength: float) -> Setting:
        made = measured(trial(subject, strength), judge, strength, options.seed)
        step()
        return made

    def control(kind: str, other: Steerable) -> Control:
        effects = []
        for strength in strengths:
            effects.append(mean_effect(judge, trial(other, strength)))
            step()
        return Control(name=other.name, kind=kind, effects=tuple(effects))

    reference = setting(0.0)
    settings = tuple(setting(strength) for strength in strengths)
    controls = tuple(control(kind, other) for kind, other in controls_of(subject, options))
    means = control_effects(controls).mean(axis=0).tolist()
    return Calibration(
        reference=reference,
        settings=settings,
        controls=controls,
        verdict=find_knee(reference, settings, means),
        prompts=beginnings,
    )


def usual_strengths(subject: Steerable) -> tuple[float, ...]:
    """Strengths that are worth trying where none were named."""
    return VECTOR_STRENGTHS if subject.rule.vector is not None else FEATURE_STRENGTHS


def controls_of(subject: Steerable, options: CalibrationOptions) -> Iterator[tuple[str, Steerable]]:
    """Kind and rule of each control, made when it is its turn: a dictionary's copy may be large."""
    for other in subject.other_features(options.controls, options.seed):
        yield "feature", other
    for other in subject.random_directions(options.controls, options.seed):
        yield "direction", other


def number_of_controls(subject: Steerable, options: CalibrationOptions) -> int:
    """How many there will be."""
    return sum(1 for _ in subject.other_features(options.controls, options.seed)) + options.controls


def control_effects(controls: Sequence[Control]) -> np.ndarray:
    """``[control strength]``."""
    return np.array([each.effects for each in controls], float)


def measured(trial: Trial, judge: Judge, strength: float, seed: int) -> Setting:
    """The judge's effect and the price of one trial."""
    effects = effects_of(judge, trial)
    low, high = interval(effects, seed)
    return Setting(
        strength=strength,
        effect=float(np.mean(effects)),
        low=low,
        high=high,
        distinct_2=mean_distinct_bigrams(trial.samples),
        perplexity=continuation_perplexity(trial.lm, trial.prompts, trial.samples),
        kl=continuation_divergence(trial.lm, trial.prompts, trial.samples, trial.steered),
        samples=trial.samples,
    )


def mean_effect(judge: Judge, trial: Trial) -> float:
    """The judge's effect alone."""
    return float(np.mean(effects_of(judge, trial)))


def effects_of(judge: Judge, trial: Trial) -> Sequence[bool] | Sequence[float]:
    """What the judge says.

    Raises:
        WrongUse: it is not one finite number for each prompt.
    """
    effects = judge(trial)
    if len(effects) != len(trial.prompts) or not np.isfinite(effects).all():
        raise WrongUse(
            f"the judge {judge.name} gave {len(effects)} effects for {len(trial.prompts)} prompts, or not finite ones",
            "it must give one finite number for each prompt",
        )
    return effects


def formulas(judge: Judge) -> Mapping[str, str]:
    """What each number is, the effect included."""
    return {"effect": judge.formula, **FORMULAS}
