"""Features that mark a concept which the corpus is tagged with."""

from dataclasses import replace
from typing import Any

import numpy as np

from monoscope.activations.harvest import harvest
from monoscope.commands.open_run import OpenRun
from monoscope.errors import UnknownName, WrongUse, nearest
from monoscope.evaluate.candidates import CodeTally, Features
from monoscope.evaluate.selection import above
from monoscope.evaluate.tags import KINDS, Tags
from monoscope.features import FeatureIndex, SearchResult
from monoscope.features.filters import Filter
from monoscope.features.finding import results
from monoscope.features.passages import words_of


def by_concept(
    opened: OpenRun,
    index: FeatureIndex,
    text: str,
    *,
    n_tokens: int,
    where: Filter | str | None = None,
    limit: int = 10,
) -> list[SearchResult]:
    """The features that mark a concept's tokens best, in text that was kept apart.

    Formula: F1 = 2 TP / (marked + tagged) on the second half of the text, at the threshold of highest F1 on the
    first half; mentions and passages are tried apart, and the kind with the higher F1 on the first half counts.

    Returns:
        Results with ``precision``, ``recall``, ``threshold``, ``kind``, ``first_f1`` and ``tagged`` (tokens of that
        kind in the second half).

    Raises:
        UnknownName: the corpus has no such concept.
        WrongUse: the corpus is not tagged, or the text read has no tag of it; the filter cannot be read.
    """
    concept = named(text, opened.corpus.concepts())
    with opened.reporter.stage("tagged text") as advance:
        store = harvest(
            opened.lm,
            opened.corpus,
            site=str(opened.site),
            options=replace(opened.recipe.harvest, n_tokens=n_tokens),
            split="heldout",
            progress=advance,
        )
    tags = Tags.of(store.rows, n_tokens)
    members = [tags.of_concept(concept, kind) for kind in KINDS]
    (tally,) = Features(opened.model_dictionary, str(opened.site)).tallies(
        store, members, tags.n_tokens, lambda tokens: None
    )
    columns = _marks(tally, members, tags.n_tokens)
    if columns is None:
        raise WrongUse(
            f"{tags.n_tokens} tokens of text don't show {concept} in both halves", "read more: --tokens"
        )
    score = columns.pop("f1")

    def why(part: Any) -> str:
        return f"{part['kind']}: precision {part['precision']:.2f}, recall {part['recall']:.2f}"

    return results(index, score, columns, why, where=where, limit=limit)


def named(text: str, concepts: list[str]) -> str:
    """The concept that a text names, however it writes spaces and case.

    Raises:
        WrongUse: there are no concepts.
        UnknownName: there is none of that name.
    """
    if not concepts:
        raise WrongUse("the corpus is not tagged with concepts", "search by words or by example instead")
    name = "_".join(word for part in words_of(text) for word in part.split("_") if word)
    if name not in concepts:
        raise UnknownName(f"the corpus is not tagged with {text[:60]!r}", nearest(name, concepts))
    return name


def _marks(tally: CodeTally, members: list[np.ndarray], n_tokens: int) -> dict[str, np.ndarray] | None:
    """How well each feature marks the concept, by name; None where a half has no tag."""
    half = n_tokens // 2
    every = np.arange(tally.grid.low.shape[0])
    best: dict[str, np.ndarray] | None = None
    for kind, tagged in zip(KINDS, members, strict=True):
        first, second = tagged[tagged < half], tagged[tagged >= half] - half
        if not len(first) or not len(second):
            continue
        chosen = CodeTally(tally.keys[:half], [first], tally.grid)
        f1 = 2 * above(chosen.tagged(0)) / (above(chosen.total()) + len(first))
        number = f1.argmax(1)
        measured = CodeTally(tally.keys[half:], [second], tally.grid)
        hits, marked = above(measured.tagged(0))[every, number], above(measured.total())[every, number]
        found = {
            "f1": 2 * hits / (marked + len(second)),
            "precision": hits / np.maximum(marked, 1),
            "recall": hits / len(second),
            "threshold": tally.grid.low + tally.grid.step * number,
            "kind": np.full(len(every), kind),
            "first_f1": f1[every, number],
            "tagged": np.full(len(every), len(second)),
        }
        if best is None:
            best = found
        else:
            better = found["first_f1"] > best["first_f1"]
            best = {name: np.where(better, found[name], best[name]) for name in found}
    return best
