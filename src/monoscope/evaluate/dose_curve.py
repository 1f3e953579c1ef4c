"""What a dose response must look like: the topic rises, and text falls apart only at an absurd dose."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from monoscope.intervals import wilson
from monoscope.intervene.dose import Dose

MULTIPLES = (0, 1, 2, 5, 10)
"""Doses of the curve."""
COLLAPSE = 100
"""The dose at which text should have fallen apart."""


def peak(curve: Sequence[Dose]) -> Dose:
    """The dose with the largest topic rate; the smallest of equals."""
    return max(curve, key=lambda dose: dose.topic_rate)


def rises(curve: Sequence[Dose], baseline: Dose) -> dict[str, Any]:
    """The topic takes over as the dose grows.

    Measures:
        Share of written words that belong to the topic, at each dose, on prompts that do not.
    Formula:
        topic words / words; up to the peak none is below the lower 95 % Wilson bound of the one before
    Unit:
        fraction of words
    How it can mislead:
        Words of one sample are not independent, so intervals over words are too narrow. A text
        that has fallen apart into topic words scores highest: read the coherence beside it.

    References:
        Templeton et al. 2024.
    """
    top = peak(curve)
    upward = curve[: curve.index(top) + 1]
    grows = all(
        after.topic_rate >= wilson(before.topic_words, before.n_words)[0]
        for before, after in pairwise(upward)
    )
    ratio = top.topic_rate / baseline.topic_rate if baseline.topic_rate else None
    enough = len(baseline.samples) >= 50
    tenfold = top.topic_rate > 0 and (ratio is None or ratio >= 10)
    return {
        "id": "A4.2",
        "criterion": "on 50 prompts or more: non-decreasing to a peak of at least 10 x baseline, "
        "where at least half of the samples mention the topic",
        "passed": enough and grows and tenfold and top.mention_share >= 0.5,
        "multiples": [dose.multiple for dose in curve],
        "topic_rates": [dose.topic_rate for dose in curve],
        "mention_shares": [dose.mention_share for dose in curve],
        "baseline_topic_rate": baseline.topic_rate,
        "baseline_mention_share": baseline.mention_share,
        "peak_multiple": top.multiple,
        "peak_over_baseline": ratio,
        "non_decreasing": grows,
        "n_prompts": len(baseline.samples),
    }


def collapses(doses: Sequence[Dose], likeliest: Dose, likeliest_collapsed: Dose) -> dict[str, Any]:
    """The text stays text at working doses and is none at an absurd one.

    Measures:
        Variety of the text, and how likely the unsteered model finds it.
    Formula:
        distinct-2 = unique pairs of neighbouring words / pairs, mean over samples;
        perplexity = exp(mean -log p); the collapse is looked for in the likeliest continuations
    Unit:
        fraction; perplexity per token
    How it can mislead:
        A word said over and over has a low perplexity, words drawn at random a high distinct-2: where one
        direction outweighs everything, sampling draws from one distribution at every token and need not
        repeat, and the likeliest continuation must.

    Args:
        doses: the sampled curve, its last one the absurd dose.
        likeliest: the likeliest continuations at dose 0.
        likeliest_collapsed: the same at the absurd dose.

    References:
        Li et al. 2016 (1510.03055) for distinct-2; Templeton et al. 2024 for the collapse at 100.
    """
    return {
        "id": "A4.3",
        "criterion": f"distinct-2 of the likeliest continuations below 0.2 at {COLLAPSE} x, and above it at 0",
        "passed": likeliest_collapsed.distinct_2 < 0.2 < likeliest.distinct_2,
        "multiples": [dose.multiple for dose in doses],
        "distinct_2": [dose.distinct_2 for dose in doses],
        "perplexity": [dose.perplexity for dose in doses],
        "likeliest_distinct_2": {"0": likeliest.distinct_2, str(COLLAPSE): likeliest_collapsed.distinct_2},
    }
