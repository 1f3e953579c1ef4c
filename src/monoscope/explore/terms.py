"""The words of the field in plain words: what a reader who meets them for the first time is told."""

from collections.abc import Callable
from dataclasses import dataclass

from monoscope.explore.markup import Child, Markup, element
from monoscope.explore.wording import Number, number, tenths, thousandths


@dataclass(frozen=True, kw_only=True)
class Term:
    """A measured quantity, named and explained."""

    name: str
    """Plain name."""
    symbol: str
    """What papers call it."""
    plain: str
    """One or two sentences for somebody who has never met it."""
    better: str = ""
    """``lower`` or ``higher``; empty when neither is better by itself."""
    written: Callable[[Number | None], str] = thousandths
    """How its values are written."""


METRICS: dict[str, Term] = {
    "fvu": Term(
        name="Variance unexplained",
        symbol="FVU",
        plain="What the features fail to redraw of the model's inner state. 0 is a perfect copy; 1 is no better "
        "than always drawing the average.",
        better="lower",
    ),
    "fve": Term(
        name="Variance explained",
        symbol="FVE",
        plain="What the features do redraw: one minus the variance unexplained.",
        better="higher",
    ),
    "l0": Term(
        name="Features at once",
        symbol="L0",
        plain="How many features are on for one token, on average. The fewer, the simpler the account; a copy made "
        "with more of them is easier.",
        written=number,
    ),
    "dead_share": Term(
        name="Silent features",
        symbol="dead",
        plain="Share of the dictionary that never fired on the text measured: wasted, or too rare to be seen here.",
        better="lower",
        written=tenths,
    ),
    "shrinkage": Term(
        name="Length kept",
        symbol="γ",
        plain="Whether the redrawn state is as long as the real one. 1 is right; below 1 it is systematically too "
        "short.",
    ),
    "ce_clean": Term(
        name="Loss of the untouched model",
        symbol="CE",
        plain="How badly the model guesses the next token when nothing is replaced, in nats; 0 would be certainty.",
    ),
    "ce_spliced": Term(
        name="Loss through the features",
        symbol="CE spliced",
        plain="The same when the model must go on from the redrawn state. The closer to the line above, the more "
        "of what matters was kept.",
        better="lower",
    ),
    "ce_mean": Term(
        name="Loss on the average",
        symbol="CE mean-ablated",
        plain="The same when the state is replaced by its average: what is lost when nothing particular is kept.",
    ),
    "ce_zero": Term(
        name="Loss on nothing",
        symbol="CE zero-ablated",
        plain="The same when the state is replaced by zero, which no text ever causes.",
    ),
    "ce_recovered_mean": Term(
        name="Prediction kept, against the average",
        symbol="CE recovered",
        plain="100 % predicts as well as the untouched model; 0 % as badly as when its state is replaced by the "
        "average.",
        better="higher",
        written=tenths,
    ),
    "ce_recovered_zero": Term(
        name="Prediction kept, against nothing",
        symbol="CE recovered",
        plain="The same against replacing the state by zero, which is so harmful that even poor copies score well.",
        better="higher",
        written=tenths,
    ),
    "kl": Term(
        name="Predictions moved",
        symbol="KL",
        plain="How far the guesses drift from the untouched model's, right or wrong, in nats.",
        better="lower",
    ),
    "share_recovered": Term(
        name="Concepts found",
        symbol="F1 ≥ 0.7",
        plain="Share of the concepts known to be in the text that one single unit marks well: it is on where the "
        "concept is, and off where it is not.",
        better="higher",
        written=tenths,
    ),
}
"""Metric -> what it is, in the order of the report card."""

GROUPS: dict[str, tuple[str, ...]] = {
    "Do the features redraw the model's state?": ("fvu", "fve", "l0", "dead_share", "shrinkage"),
    "Does the model still work with the redrawn state?": (
        "ce_recovered_mean",
        "ce_recovered_zero",
        "ce_clean",
        "ce_spliced",
        "ce_mean",
        "ce_zero",
        "kl",
    ),
    "Does one unit mean one thing?": ("share_recovered",),
}
"""Questions that the report card answers -> the metrics that answer them."""

COLUMNS: dict[str, tuple[str, str]] = {
    "neurons": (
        "Neurons",
        "The model's own coordinates, each with either sign; for concepts also the hidden neurons of its MLP.",
    ),
    "pca": ("PCA", "Principal components: the directions of largest variance."),
    "ica": ("ICA", "Independent components: the directions along which activations look least like noise."),
    "random": ("Random", "Directions drawn at random, as many as there are features."),
}
"""Baseline -> its name and what it is."""


def hint(name: str, *words: Child) -> Markup:
    """A question mark that unfolds an explanation: with a mouse, a finger or the keyboard, and without scripts."""
    return element(
        "details",
        element("summary", "?", aria_label=f"What is {name}?"),
        element("div", *words, class_="words"),
        class_="hint",
    )
