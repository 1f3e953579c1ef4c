"""Which single feature marks each concept that the text is tagged with, and how well; beside baselines.

The feature and its threshold are chosen on calibration text (:mod:`monoscope.evaluate.selection`) and
measured here on held-out text. The same is done with neurons, principal components and random directions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from monoscope.dictionaries import SparseAutoencoder
from monoscope.evaluate.candidates import Candidates, Features, Units
from monoscope.evaluate.intervals import IntervalOptions, interval, resamples
from monoscope.evaluate.selection import Choice, choose
from monoscope.evaluate.stream import Activations, Advance, first_tokens, unwatched
from monoscope.evaluate.tags import KINDS, Tags

PROTOCOL = (
    "for each concept and each kind of tag (mention, passage), the feature and threshold of highest F1 on "
    "calibration text; the kind with the higher F1 there is reported; precision, recall and F1 are measured "
    "on held-out text"
)
"""One sentence for whoever reads the numbers."""
SINGULAR = {"neurons": "neuron", "pca": "pca", "random": "random"}
"""Group of candidates -> what one of them is called in a concept's record."""


@dataclass(frozen=True, kw_only=True)
class RecoveryOptions:
    """What counts as recovered."""

    f1: float = 0.7
    """A concept is recovered when one feature marks its held-out tokens with at least this F1."""
    minimum_tags: int = 20
    """Concepts with fewer held-out tokens than this are listed and counted as not recovered."""
    n_calibration_tokens: int = 400_000
    """Usable tokens of calibration text to choose on, at most; their codes are held in memory."""


@dataclass(frozen=True)
class Score:
    """How well a choice marks a concept's tokens on text that it was not chosen on."""

    true_positives: int
    """Tokens marked and tagged."""
    marked: int
    """Tokens marked."""
    tagged: int
    """Tokens tagged."""

    @property
    def precision(self) -> float:
        """Share of the marked tokens that are tagged; 0 when none is marked."""
        return self.true_positives / self.marked if self.marked else 0.0

    @property
    def recall(self) -> float:
        """Share of the tagged tokens that are marked; 0 when none is tagged."""
        return self.true_positives / self.tagged if self.tagged else 0.0

    @property
    def f1(self) -> float:
        """``2 TP / (marked + tagged)``, the harmonic mean of precision and recall."""
        both = self.marked + self.tagged
        return 2 * self.true_positives / both if both else 0.0


def score(
    group: Sequence[Candidates],
    choices: Mapping[tuple[str, str], Choice],
    store: Activations,
    tags: Tags,
    advance: Advance = unwatched,
) -> dict[tuple[str, str], Score]:
    """Measure each choice on other text."""
    scores: dict[tuple[str, str], Score] = {}
    for source, candidates in enumerate(group):
        keys = [key for key, choice in choices.items() if choice.source == source]
        if keys:
            marked = read_marks(candidates, [choices[key] for key in keys], store, tags.n_tokens, advance)
            for key, marks in zip(keys, marked.T, strict=True):
                tagged = tags.mask(*key)
                scores[key] = Score(int((marks & tagged).sum()), int(marks.sum()), int(tagged.sum()))
    return scores


def read_marks(
    candidates: Candidates, choices: Sequence[Choice], store: Activations, n_tokens: int, advance: Advance
) -> Bool[np.ndarray, "token choice"]:
    """Where each choice says that its concept is."""
    chosen = torch.tensor([choice.candidate for choice in choices])
    thresholds = torch.tensor([choice.threshold for choice in choices])
    positive = torch.tensor([choice.sign > 0 for choice in choices])
    marks = [
        (candidates.read(x, chosen) > thresholds) == positive
        for _, x in first_tokens(store, candidates.site, n_tokens, advance)
    ]
    return torch.cat(marks).numpy()


@dataclass(frozen=True)
class Marks:
    """What one group of candidates found: for each (concept, kind), its choice and how the choice did."""

    choices: Mapping[tuple[str, str], Choice]
    scores: Mapping[tuple[str, str], Score]

    def kind(self, concept: str) -> str | None:
        """The kind of tag that the choices fit better on calibration text; None: there is no tag there."""
        kinds = [kind for kind in KINDS if (concept, kind) in self.choices]
        return max(kinds, key=lambda kind: self.choices[concept, kind].f1, default=None)

    def f1(self, concept: str) -> float:
        """Held-out F1 under that kind; 0 when calibration text does not show the concept."""
        kind = self.kind(concept)
        return 0.0 if kind is None else self.scores[concept, kind].f1

    def tagged(self, concept: str) -> int:
        """Held-out tokens tagged with the concept under that kind."""
        kind = self.kind(concept)
        return 0 if kind is None else self.scores[concept, kind].tagged

    def recovered(self, concept: str, options: RecoveryOptions) -> bool:
        """Whether the concept counts as recovered."""
        return self.tagged(concept) >= options.minimum_tags and self.f1(concept) >= options.f1


def recovery(
    groups: Mapping[str, Sequence[Candidates]],
    heldout: tuple[Activations, Tags],
    calibration: tuple[Activations, Tags],
    *,
    options: RecoveryOptions,
    interval_options: IntervalOptions,
    advance: Advance = unwatched,
) -> dict[str, Any]:
    """Choose on calibration text, measure on held-out text, for every group of candidates.

    Args:
        groups: name -> candidates; ``features`` are those the answer is about, the others stand beside them.
        heldout: text to measure on, with its tags.
        calibration: other text to choose on, with its tags.
        options: what counts as recovered.
        interval_options: how intervals over concepts are drawn.
        advance: told the number of tokens after each batch.

    Returns:
        A JSON object: ``share_recovered``, ``share_NAME`` for each other group, ``intervals``, counts, and
        ``concepts``.
    """
    found: dict[str, Marks] = {}
    for name, group in groups.items():
        choices = choose(group, *calibration, advance)
        found[name] = Marks(choices, score(group, choices, *heldout, advance))
    concepts = sorted({concept for _, tags in (heldout, calibration) for concept, _ in tags.members})
    recovered = {
        name: np.array([marks.recovered(concept, options) for concept in concepts], float)
        for name, marks in found.items()
    }
    weights = resamples(len(concepts), interval_options) / len(concepts)
    intervals = {
        share_name(name): interval(weights @ flags, interval_options) for name, flags in recovered.items()
    }
    for name in groups:
        if name != "features":
            difference = weights @ (recovered["features"] - recovered[name])
            intervals[f"share_recovered_minus_{name}"] = interval(difference, interval_options)
    scarce = [concept for concept in concepts if found["features"].tagged(concept) < options.minimum_tags]
    return {
        **{share_name(name): float(flags.mean()) for name, flags in recovered.items()},
        "intervals": intervals,
        "n_concepts": len(concepts),
        "n_scarce": len(scarce),
        "f1_needed": options.f1,
        "minimum_tags": options.minimum_tags,
        "tokens_calibration": calibration[1].n_tokens,
        "tokens_heldout": heldout[1].n_tokens,
        "protocol": PROTOCOL,
        "concepts": {
            concept: concept_record(concept, found, groups, heldout[1], calibration[1], options)
            for concept in concepts
        },
    }


def share_name(group: str) -> str:
    """JSON key of a group's share of recovered concepts."""
    return "share_recovered" if group == "features" else f"share_{group}"


def concept_record(
    concept: str,
    found: Mapping[str, Marks],
    groups: Mapping[str, Sequence[Candidates]],
    heldout: Tags,
    calibration: Tags,
    options: RecoveryOptions,
) -> dict[str, Any]:
    """One concept as JSON; ``feature`` is null and scores are 0 when calibration text does not show it."""
    marks = found["features"]
    kind = marks.kind(concept)
    others = {SINGULAR[name]: name for name in found if name != "features"}
    return {
        **mark_record(marks, concept, kind, "feature"),
        "kind": kind,
        "recovered": marks.recovered(concept, options),
        "scarce": marks.tagged(concept) < options.minimum_tags,
        "frequency": calibration.share(concept),
        **{f"{single}_f1": found[name].f1(concept) for single, name in others.items()},
        **{
            single: {
                **mark_record(found[name], concept, found[name].kind(concept), "unit"),
                "site": site_of(found[name], groups[name], concept),
                "kind": found[name].kind(concept),
            }
            for single, name in others.items()
        },
        "kinds": {
            each: {
                **mark_record(marks, concept, each, "feature"),
                "tokens_calibration": calibration.count(concept, each),
                "tokens_heldout": heldout.count(concept, each),
                "frequency": calibration.count(concept, each) / calibration.n_tokens,
            }
            for each in KINDS
        },
    }


def mark_record(marks: Marks, concept: str, kind: str | None, number: str) -> dict[str, Any]:
    """A choice and its score as JSON; ``number`` names the key of the candidate's number."""
    choice = marks.choices.get((concept, kind or ""))
    if choice is None:
        empty = dict.fromkeys((number, "sign", "threshold", "calibration_f1"))
        return {**empty, "precision": 0.0, "recall": 0.0, "f1": 0.0}
    score = marks.scores[concept, kind or ""]
    return {
        number: choice.candidate,
        "sign": choice.sign,
        "threshold": choice.threshold,
        "calibration_f1": choice.f1,
        "precision": score.precision,
        "recall": score.recall,
        "f1": score.f1,
    }


def site_of(marks: Marks, group: Sequence[Candidates], concept: str) -> str | None:
    """The site that the reported unit of a concept is read at."""
    kind = marks.kind(concept)
    return None if kind is None else group[marks.choices[concept, kind].source].site


def candidate_groups(
    dictionary: SparseAutoencoder,
    random: SparseAutoencoder,
    components: Float[Tensor, "d_model component"],
    *,
    site: str,
    neuron_site: str,
    seed: int,
) -> dict[str, list[Candidates]]:
    """What the concepts are sought in.

    Neurons are the hidden units of the block's MLP and the coordinates of the dictionary's own site; neurons
    and principal components count with either sign and are not made sparse. Random directions are a
    dictionary as large and as sparse as the one in question.
    """
    return {
        "features": [Features(dictionary, site)],
        "neurons": [Units(name, seed) for name in dict.fromkeys((neuron_site, site))],
        "pca": [Units(site, seed, components)],
        "random": [Features(random, site)],
    }
