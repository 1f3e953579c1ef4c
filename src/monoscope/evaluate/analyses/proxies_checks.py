"""What is asked of the features of contexts: A1.6 and A2.2 to A2.4."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from monoscope.evaluate.analyses.base import Check

Record = Mapping[str, Any]
"""What is known of one context."""


def stands_for(context: Record) -> bool | None:
    """A2.2: r, precision in the top half, and how far behind the best neuron is."""
    return all(part(context) for part in PARTS.values())


PARTS: Mapping[str, Callable[[Record], bool]] = {
    "r": lambda context: context["r"] >= 0.6,
    "precision": lambda context: (context["precision_top_half"] or 0) >= 0.9,
    "the gap": lambda context: context["r"] - context["neuron_r"] >= 0.2,
}
"""What A2.2 asks, one by one."""


def is_needed(context: Record) -> bool | None:
    """A2.3: switched off, the loss rises five times as much in the context as elsewhere."""
    inside, elsewhere = context["ce_rise_inside"], context["ce_rise_elsewhere"]
    if inside is None or elsewhere is None:
        return None
    return bool(inside > 0 and inside >= 5 * elsewhere)


def brings_about(context: Record) -> bool | None:
    """A2.3: held at its largest, the context's tokens are ten times as likely."""
    clean, pinned = context["p_clean"], context["p_pinned"]
    if not clean or pinned is None:
        return None
    return bool(pinned >= 10 * clean)


def writes(context: Record) -> bool | None:
    """A2.4: logit weights tell the context's tokens from others."""
    auc = context["logit_auc"]
    return None if auc is None else bool(auc >= 0.9)


QUESTIONS: tuple[tuple[str, str, Callable[[Record], bool | None]], ...] = (
    ("A2.2", "r >= .6, precision >= .9 in the top half, the best neuron's r at least .2 lower", stands_for),
    ("A2.3", "switched off, the loss rises >= 5 x as much in the context as elsewhere", is_needed),
    ("A2.3", "pinned at its maximum, P(context tokens) is >= 10 x as large", brings_about),
    ("A2.4", "AUC of logit weights, context tokens against others, >= .9", writes),
)
"""Check, what is asked, and whether one context has it; None where it cannot be told."""


def checks(records: Sequence[Record]) -> list[Check]:
    """The questions, of the contexts told by likelihood ratios and of the planted ones."""
    found = []
    for group, three_of_four in (("contexts by likelihood ratio", True), ("planted concepts", False)):
        some = [each for each in records if each["planted"] != three_of_four]
        found += [counted(*question, some, group, three_of_four) for question in QUESTIONS]
        found.append(sharper(some, group))
    return found


def counted(
    name: str,
    asked: str,
    question: Callable[[Record], bool | None],
    records: Sequence[Record],
    group: str,
    three_of_four: bool,
) -> Check:
    """How many contexts have it: three of four, or three quarters."""
    answers = {each["context"]: question(each) for each in records}
    told = {context: answer for context, answer in answers.items() if answer is not None}
    target = ">= 3 of 4" if three_of_four else ">= 0.75 of them"
    what = f"{group}: {asked}"
    if len(told) < (3 if three_of_four else 1):
        why = f"this could be told of {len(told)} contexts: the text has too little of the others"
        return Check(name=name, what=what, figure=None, target=target, holds=None, why=why)
    having = sum(told.values())
    figure = float(having) if three_of_four else having / len(told)
    missing = ", ".join(context for context, answer in told.items() if not answer)
    why = f"of {len(told)}" + (f"; not {missing}" if missing and len(told) - having <= 12 else "")
    if question is stands_for:
        parts = [f"{part} holds in {sum(map(asks, records))}" for part, asks in PARTS.items()]
        why += "; " + ", ".join(parts)
    holds = bool(having >= 3) if three_of_four else bool(figure >= 0.75)
    return Check(name=name, what=what, figure=figure, target=target, holds=holds, why=why)


def sharper(records: Sequence[Record], group: str) -> Check:
    """A1.6: features are more specific where they are more active."""
    tenths = [each["precision_by_tenth"] for each in records if each.get("precision_by_tenth")]
    what = f"{group}: precision in the top tenth of activations minus that in the bottom tenth, mean"
    if not tenths:
        why = "no feature of these contexts was active on enough tokens"
        return Check(name="A1.6", what=what, figure=None, target=">= 0.2", holds=None, why=why)
    bottom, top = np.mean(tenths, axis=0)[[0, -1]]
    why = f"{top:.2f} and {bottom:.2f}, over {len(tenths)} features"
    return Check(
        name="A1.6",
        what=what,
        figure=float(top - bottom),
        target=">= 0.2",
        holds=bool(top - bottom >= 0.2),
        why=why,
    )
