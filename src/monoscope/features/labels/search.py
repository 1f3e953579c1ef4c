"""Find features by words of their descriptions: the index' own line, and the labels where there are some."""

from dataclasses import replace

import numpy as np

from monoscope.features.filters import Filter
from monoscope.features.finding import results
from monoscope.features.index import FeatureIndex
from monoscope.features.labels.read import Labels
from monoscope.features.record import SearchResult


def by_description(
    index: FeatureIndex,
    labels: Labels | None,
    text: str,
    limit: int = 10,
    *,
    where: Filter | str | None = None,
) -> list[SearchResult]:
    """The features of which one description names all words of a text, in any form of the words.

    The score is that of ``FeatureIndex.by_description``, or that of the label's description
    (:func:`monoscope.features.labels.standing`) where it is higher.

    Args:
        index: the index.
        labels: its labels; None: the index' own descriptions are searched alone.
        text: words.
        limit: results at most.
        where: a filter, or its text.

    Returns:
        Results; ``why`` says by which method, and so does ``method``.

    Raises:
        UnknownName, WrongUse: the filter is none.
    """
    own = index.by_description(text, limit, where=where)
    if labels is None:
        return own
    score, place = np.zeros(index.n_features), np.zeros(index.n_features, np.int64)
    for feature, found in labels.standings(text).items():
        score[feature], place[feature] = found
    labelled = results(index, score, {"place": place}, lambda part: "", where=where, limit=limit)
    best = {each.feature: each for each in own if each.score > score[each.feature]}
    for each in labelled:
        if each.feature not in best:
            best[each.feature] = _told(labels, each)
    return sorted(best.values(), key=lambda each: (-each.score, each.feature))[:limit]


def _told(labels: Labels, found: SearchResult) -> SearchResult:
    """A result with the description that it was found by."""
    description = labels[found.feature].descriptions[int(found.parts["place"])]
    return replace(
        found, why=f"{description.method}: {description.text}", parts={"method": description.method}
    )
