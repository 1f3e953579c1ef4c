"""Features that mark a concept which the corpus is tagged with."""

from dataclasses import replace
from typing import Any

import numpy as np

from monoscope.activations.harvest import harvest
from monoscope.commands.open_run import OpenRun
from monoscope.errors import UnknownName, WrongUse, nearest
from monoscope.evaluate.marking import Marking
from monoscope.evaluate.tags import KINDS, Tags
from monoscope.features import FeatureIndex, SearchResult
from monoscope.features.filters import Filter
from monoscope.features.finding import results
from monoscope.features.firings import stream_firings
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
    marking = Marking(index.n_features, store.positions)
    for firings in stream_firings(opened.model_dictionary, store):
        marking.update(firings)
    found = marking.marks(tags.members, [concept])
    if not found.tagged.any():
        raise WrongUse(
            f"{tags.n_tokens} tokens of text don't show {concept} in both halves", "read more: --tokens"
        )
    columns = {
        name: getattr(found, name) for name in ("precision", "recall", "threshold", "first_f1", "tagged")
    }
    columns["kind"] = np.array(KINDS)[found.kind]

    def why(part: Any) -> str:
        return f"{part['kind']}: precision {part['precision']:.2f}, recall {part['recall']:.2f}"

    return results(index, found.f1, columns, why, where=where, limit=limit)


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
