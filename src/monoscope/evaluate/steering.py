"""Does a clamp do what "Golden Gate Claude" did, and only that: six checks, each with its control.

What one would ask of the demonstration in Templeton et al. 2024 ("Scaling Monosemanticity", section
"Influence on behavior"): the operator changes nothing when it should not, the topic rises with the dose, text
falls apart only at absurd doses, other features and directions do not bring the topic, switching the feature
off removes it, and dropping the reconstruction error costs something.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Protocol, runtime_checkable

from monoscope.activations import TokenRows
from monoscope.dictionaries import SparseAutoencoder
from monoscope.evaluate.describe import describe
from monoscope.evaluate.dose_curve import COLLAPSE, MULTIPLES, collapses, peak, rises
from monoscope.evaluate.subject import Replayed, Subject, largest_difference
from monoscope.intervals import wilson
from monoscope.intervene.dose import Dose, clamps, recommended
from monoscope.intervene.edits import Scale
from monoscope.intervene.steer import steer
from monoscope.intervene.steerable import turned
from monoscope.models import LanguageModel

SUPPRESSING = (0, -0.25, -0.5, -1)
"""Multiples at which a topic should go away: off, and below zero."""
CHECKED_PROMPTS = 4
"""Prompts on which the operator's exactness is looked at."""


@runtime_checkable
class Alive(Protocol):
    """What is needed of a feature index: features that fire, drawn at random."""

    def random_alive(self, n: int, seed: int) -> list[int]:
        """``n`` of them."""
        ...


def steering_checks(
    lm: LanguageModel,
    dictionary: SparseAutoencoder,
    index: Alive,
    feature: int | Mapping[int, float | int],
    words: Sequence[str],
    prompts: Sequence[str],
    topic_prompts: Sequence[str],
    other_rows: TokenRows,
    *,
    n_random: int = 20,
    n_tokens: int = 60,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """All six checks of one feature, or of several clamped together, as JSON can hold them.

    Args:
        lm: the model.
        dictionary: a dictionary of its activations.
        index: draws the features that serve as controls.
        feature: its number, or several with weights.
        words: words of its topic.
        prompts: fifty or more that have nothing to do with the topic.
        topic_prompts: prompts after which the model does speak of the topic.
        other_rows: text that has nothing to do with the topic.
        n_random: live features that serve as controls; fewer when fewer have a known largest activation.
        n_tokens: length of a sample in tokens.
        seed: of the samples, of the choice of controls and of the random direction.
        progress: called with (pieces of work done, pieces to do).

    Returns:
        ``features``, ``words``, ``seed``, ``baseline``, ``doses`` (with samples), ``recommended`` (a
        multiple or None) and ``checks``: name -> ``{"id", "formula", "criterion", "passed", ...}``.

    Raises:
        WrongUse, UnknownName, UnknownSite, BrokenInput, MismatchedArtefact: as ``monoscope.intervene.steer``.
    """
    features = feature if isinstance(feature, Mapping) else {feature: 1.0}
    total, done = len(MULTIPLES) + len(SUPPRESSING) + n_random + 9, 0

    def step() -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(done, total)

    subject = Subject(
        lm=lm, dictionary=dictionary, features=features, words=words, n_tokens=n_tokens, seed=seed, step=step
    )
    controls = [
        other
        for other in index.random_alive(n_random + len(features), seed)
        if other not in features and float(dictionary.max_activation[other]) > 0
    ]
    exact = no_op(subject, prompts[:CHECKED_PROMPTS])
    baseline = subject.baseline(prompts)
    doses = subject.doses((*MULTIPLES, COLLAPSE), prompts)
    curve, chosen = doses[:-1], recommended(doses[:-1])
    multiple = (chosen or peak(curve)).multiple or 0.0
    checks = [
        exact,
        rises(curve, baseline),
        collapses(doses, *subject.doses([0, COLLAPSE], prompts, temperature=0)),
        controlled(subject, controls[:n_random], baseline, multiple, prompts),
        suppressed(subject, topic_prompts, other_rows),
        error_term(subject, other_rows),
    ]
    return {
        "features": {str(number): float(weight) for number, weight in features.items()},
        "words": list(words),
        "seed": seed,
        "baseline": baseline.to_json(),
        "doses": [dose.to_json() for dose in doses],
        "recommended": chosen.multiple if chosen else None,
        "checks": {
            name: {"formula": describe(CHECKS[name]).formula} | check
            for name, check in zip(CHECKS, checks, strict=True)
        },
    }


def no_op(subject: Subject, prompts: Sequence[str]) -> dict[str, Any]:
    """The operator changes nothing when told to change nothing, and leaves nothing behind.

    Measures:
        Exactness of the edit and of its removal.
    Formula:
        max |Δlogit| over prompts, tokens and vocabulary: every f_i clamped to the values it had, scaled by 1,
        and after a clamp of 10 has been switched off
    Unit:
        logits
    How it can mislead:
        In bfloat16 an error below the rounding of an activation does not show.

    References:
        Templeton et al. 2024.
    """
    lm, dictionary, features = subject.lm, subject.dictionary, subject.features
    own = scaled = after = 0.0
    for prompt in prompts:
        tokens = lm.tokenize(prompt)[None].to(lm.device)
        clean = lm.forward(tokens)
        (x,) = lm.activations(tokens, [dictionary.site]).values()
        codes = dictionary.encode(x.float())
        own_values = {feature: Replayed(codes[..., feature]) for feature in features}
        with steer(lm, dictionary, own_values):
            own = max(own, largest_difference(lm.forward(tokens), clean))
        with steer(lm, dictionary, dict.fromkeys(features, Scale(1))):
            scaled = max(scaled, largest_difference(lm.forward(tokens), clean))
        with steer(lm, dictionary, clamps(features, 10)):
            lm.forward(tokens)
        after = max(after, largest_difference(lm.forward(tokens), clean))
    subject.step()
    return {
        "id": "A4.1",
        "criterion": "clamped to own values or scaled by 1: max |Δlogit| < 1e-4; switched off: exactly 0",
        "passed": own < 1e-4 and scaled < 1e-4 and after == 0,
        "clamped_to_own_values": own,
        "scaled_by_1": scaled,
        "after_switching_off": after,
    }


def controlled(
    subject: Subject, controls: Sequence[int], baseline: Dose, multiple: float | int, prompts: Sequence[str]
) -> dict[str, Any]:
    """Other features, and a random direction of the same length, do not bring the topic.

    Measures:
        How many samples mention the topic when what is clamped has nothing to do with it.
    Formula:
        samples with a topic word / samples of each control, against the upper 95 % Wilson bound of the unsteered share
    Unit:
        fraction of samples
    How it can mislead:
        A control drawn at random may happen to be a feature of the topic too; one in ten is forgiven. Samples are
        compared, not words: a text that comes upon the topic by chance holds many of its words at once.

    References:
        Templeton et al. 2024.
    """
    n_samples = len(baseline.samples)
    bound = wilson(round(baseline.mention_share * n_samples), n_samples)[1]
    doses = {
        str(other): replace(subject, features={other: 1.0}).doses([multiple], prompts)[0]
        for other in controls
    }
    random = replace(subject, dictionary=turned(subject.dictionary, list(subject.features), subject.seed))
    direction = random.doses([multiple], prompts)[0]
    within = sum(dose.mention_share <= bound for dose in doses.values()) / len(doses) if doses else None
    return {
        "id": "A4.4",
        "criterion": "share of samples with the topic not above the unsteered share's 95 % interval, for 9 of 10 "
        "random live features and for a random direction of the same length",
        "passed": within is not None and within >= 0.9 and direction.mention_share <= bound,
        "multiple": multiple,
        "bound": bound,
        "mention_shares": {name: dose.mention_share for name, dose in doses.items()},
        "topic_rates": {name: dose.topic_rate for name, dose in doses.items()},
        "share_within": within,
        "random_direction_mention_share": direction.mention_share,
        "random_direction_topic_rate": direction.topic_rate,
    }


def suppressed(subject: Subject, topic_prompts: Sequence[str], other_rows: TokenRows) -> dict[str, Any]:
    """Switching the feature off, or pushing it below zero, removes the topic and hurts nothing else.

    Measures:
        Topic rate after prompts that lead to the topic, and the loss on other text.
    Formula:
        reduction = 1 - rate / unsteered rate; ce_change = ce / ce_clean - 1
    Unit:
        fractions
    How it can mislead:
        Other features may carry the same topic: a small reduction says that this one is not needed, not that
        it is idle.

    References:
        Templeton et al. 2024.
    """
    baseline = subject.baseline(topic_prompts)
    doses = subject.doses(SUPPRESSING, topic_prompts)
    losses = subject.losses(
        other_rows,
        {
            str(multiple): partial(subject.steered, clamps(subject.features, multiple))
            for multiple in SUPPRESSING
        },
    )
    settings = {
        str(multiple): {
            "topic_rate": dose.topic_rate,
            "reduction": 1 - dose.topic_rate / baseline.topic_rate if baseline.topic_rate else None,
            "ce_change": losses[str(multiple)] / losses["clean"] - 1,
        }
        for multiple, dose in zip(SUPPRESSING, doses, strict=True)
    }
    return {
        "id": "A4.5",
        "criterion": "off or below zero: topic rate after topic prompts halved, loss on other text < 5 % up",
        "passed": any(
            setting["reduction"] is not None and setting["reduction"] >= 0.5 and setting["ce_change"] < 0.05
            for setting in settings.values()
        ),
        "baseline_topic_rate": baseline.topic_rate,
        "ce_clean": losses["clean"],
        "settings": settings,
    }


def error_term(subject: Subject, other_rows: TokenRows) -> dict[str, Any]:
    """What keeping the reconstruction error is worth.

    Measures:
        Loss on other text at each dose, with what the dictionary does not explain kept and dropped.
    Formula:
        cross-entropy with x' = x̂(v) + (x - x̂), and with x' = x̂(v) alone, at every usable token
    Unit:
        nats per token
    How it can mislead:
        The difference at dose 0 is the dictionary's error; it says nothing about the feature.

    References:
        Templeton et al. 2024, whose operator keeps the error.
    """
    conditions = {
        f"{name} {multiple}": partial(subject.spliced, clamps(subject.features, multiple), keep)
        for name, keep in (("kept", True), ("dropped", False))
        for multiple in MULTIPLES
    }
    losses = subject.losses(other_rows, conditions)
    kept = [losses[f"kept {multiple}"] for multiple in MULTIPLES]
    dropped = [losses[f"dropped {multiple}"] for multiple in MULTIPLES]
    return {
        "id": "A4.6",
        "criterion": "at dose 0 the loss on other text is larger without the error term",
        "passed": dropped[0] > kept[0],
        "multiples": list(MULTIPLES),
        "ce_clean": losses["clean"],
        "ce_kept": kept,
        "ce_dropped": dropped,
    }


CHECKS: dict[str, Callable[..., dict[str, Any]]] = {
    "no_op": no_op,
    "dose_response": rises,
    "coherence": collapses,
    "control": controlled,
    "suppression": suppressed,
    "error_term": error_term,
}
"""Name -> the function that makes it."""
