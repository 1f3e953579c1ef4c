"""The table of features: all of them in some order, or what a search finds."""

from collections.abc import Callable
from typing import Literal

import numpy as np
from jaxtyping import Int

from monoscope.errors import UnknownName, nearest
from monoscope.explore.api.answers import Row, Rows
from monoscope.features import FeatureIndex
from monoscope.features.filter_text import as_filter
from monoscope.features.labels import Labels, by_description
from monoscope.features.record import SearchResult

By = Literal["words", "fires", "promotes", "description"]
"""What a search goes by: words nearby and promoted, a token that is fired on, one that is promoted, a description."""
COLUMNS = ("feature", "density", "n_active", "max_activation", "mean_activation")
"""What the table can be sorted by; a search's results by their score too."""
RANKED = 1000
"""Results of a search, at most."""


def table(
    index: FeatureIndex,
    labels: Labels | None,
    *,
    query: str,
    by: By,
    where: str,
    sort: str,
    offset: int,
    limit: int,
) -> Rows:
    """A piece of the table.

    Args:
        index: the features.
        labels: their labels, which a search by description knows too.
        query: what is searched for; empty: all features. Of words the last may not be finished.
        by: how.
        where: a filter's text, or nothing.
        sort: a column, with ``-`` in front for the largest first; empty: by score, or by number.
        offset: rows before the piece.
        limit: rows of the piece.

    Raises:
        UnknownName: there is no such column.
        UnknownName, WrongUse: the filter is none.
    """
    column = sort.removeprefix("-")
    if column and column not in (*COLUMNS, "score"):
        raise UnknownName(f"{column!r} is no column", nearest(column, (*COLUMNS, "score")))
    # A token may be a space; words are not.
    if not (query if by in ("fires", "promotes") else query.strip()):
        order = _all(index, where, sort)
        piece = order[offset : offset + limit].tolist()
        rows = [_row(index, feature) for feature in piece]
        return Rows(total=len(order), more=False, searched="", rows=rows)
    searched = index.completed(query) if by == "words" else query
    found = _search(index, labels, by)(searched, limit=RANKED + 1, where=where or None)
    more, found = len(found) > RANKED, found[:RANKED]
    if column and column != "score":
        numbers = _column(index, column)
        found = sorted(found, key=lambda each: numbers[each.feature], reverse=sort.startswith("-"))
    elif sort == "score":
        found = found[::-1]
    rows = [_row(index, each.feature, each) for each in found[offset : offset + limit]]
    return Rows(total=len(found), more=more, searched=searched, rows=rows)


def _search(index: FeatureIndex, labels: Labels | None, by: By) -> Callable[..., list[SearchResult]]:
    match by:
        case "words":
            return index.search
        case "description":
            return lambda text, **kept: by_description(index, labels, text, **kept)
        case _:
            return lambda text, **kept: index.by_token(text, role=by, **kept)


def _all(index: FeatureIndex, where: str, sort: str) -> Int[np.ndarray, " row"]:
    """All features that pass, in order; of equals the lower number first."""
    condition = as_filter(where or None)
    features = np.arange(index.n_features) if condition is None else np.flatnonzero(condition.mask(index))
    column = sort.removeprefix("-")
    if column in ("", "score"):
        return features
    numbers = _column(index, column)[features]
    return features[np.argsort(-numbers if sort.startswith("-") else numbers, kind="stable")]


def _column(index: FeatureIndex, name: str) -> np.ndarray:
    if name == "feature":
        return np.arange(index.n_features)
    return index.statistics()[name].astype(np.float64)


def _row(index: FeatureIndex, feature: int, found: SearchResult | None = None) -> Row:
    numbers = {name: index.statistics()[name][feature].item() for name in COLUMNS[1:]}
    return Row(
        feature=feature,
        description=index.description(feature),
        score=None if found is None else found.score,
        why=None if found is None else found.why,
        **numbers,
    )
