"""Ways to find features: every kind of search ends in the same results.

============  ===================================================================================
words         ``FeatureIndex.search``: what goes with words nearby, what promotes them
token         ``FeatureIndex.by_token``: what fires on one token of the vocabulary, what promotes it
description   ``FeatureIndex.by_description``: words of the description
text          :func:`by_text`: what fires on an example
near          :func:`by_direction`, :func:`by_company`: directions close to a feature's own, what fires with it
contrast      ``monoscope.features.contrast``: active on these texts and not on those
============  ===================================================================================
"""

from collections.abc import Callable, Mapping
from typing import Literal, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from monoscope.dictionaries import SparseCodes
from monoscope.errors import UnknownName, nearest
from monoscope.features.filter_text import as_filter
from monoscope.features.filters import Columns, Filter
from monoscope.features.record import SearchResult

Over = Literal["mean", "max"]
"""How the activations on an example's tokens become one number."""


@runtime_checkable
class Searchable(Columns, Protocol):
    """What a search needs of an index."""

    def address(self, feature: int) -> str:
        """``MODEL/SITE/DICTIONARY#412``."""
        ...

    def description(self, feature: int) -> str:
        """The feature's line."""
        ...

    def check(self, feature: int) -> None:
        """Refuse a number that no feature has."""
        ...


def results(
    index: Searchable,
    score: Float[np.ndarray, " n_features"],
    parts: Mapping[str, Shaped[np.ndarray, " n_features"]],
    why: Callable[[Mapping[str, float | int]], str],
    *,
    where: Filter | str | None = None,
    limit: int = 10,
) -> list[SearchResult]:
    """The features of highest score, above 0, that pass a filter; of equals the lower number first.

    Args:
        index: what the features are.
        score: of every feature.
        parts: the numbers that the score is made of, of every feature.
        why: from a feature's parts to a few words.
        where: a filter, or its text; it may ask for the score.
        limit: results at most.

    Raises:
        WrongUse, UnknownName: ``where`` is no filter.
    """
    condition = as_filter(where)
    passing = score > 0
    if condition is not None:
        passing &= condition.mask(index, score)
    candidates = np.flatnonzero(passing)
    order = candidates[np.argsort(-score[candidates], kind="stable")[: max(limit, 0)]]
    number = index.statistics()
    found = []
    for feature in order.tolist():
        own = {name: column[feature].item() for name, column in parts.items()}
        found.append(
            SearchResult(
                feature=feature,
                address=index.address(feature),
                score=float(score[feature]),
                description=index.description(feature),
                density=float(number["density"][feature]),
                max_activation=float(number["max_activation"][feature]),
                why=why(own),
                parts=own,
            )
        )
    return found


def by_text(
    index: Searchable,
    codes: SparseCodes,
    *,
    over: str = "mean",
    where: Filter | str | None = None,
    limit: int = 10,
) -> list[SearchResult]:
    """What fires on an example and not just anywhere.

    Formula: ``score_i = A_i / Σ_j A_j * log(1 / p_i) / log(N)``, where A_i is the mean or the largest activation of
    feature i over the example's tokens (directions have norm 1: the length of its part) and p_i the share of the
    indexed corpus' N tokens on which it is active. This is tf-idf (Sparck Jones 1972) with an activation in place of
    a count: a feature that is always on says nothing about a text. The score lies in [0, 1].

    Args:
        index: what the features are.
        codes: what fires on the example's tokens, ``[token, slot]``.
        over: ``mean`` finds what the text is about, ``max`` what fires strongly somewhere in it.
        where: a filter, or its text.
        limit: results at most.

    Returns:
        Results with ``activation`` (A_i), ``share`` (of their sum), ``rarity`` (the logarithms' ratio) and
        ``tokens_active``.

    Raises:
        UnknownName: ``over`` is another word, or the filter names something unknown.
        WrongUse: the filter cannot be read.
    """
    if over not in ("mean", "max"):
        raise UnknownName(f"{over!r} is no way to sum up a text", nearest(over, ("mean", "max")))
    flat, features = codes.values.float().flatten(), codes.indices.flatten()
    total = torch.zeros(index.n_features, device=flat.device)
    if over == "mean":
        total = total.index_add(0, features, flat) / max(len(codes.values), 1)
    else:
        total = total.scatter_reduce(0, features, flat, "amax")
    active = torch.bincount(features[flat > 0], minlength=index.n_features)
    here = total.cpu().numpy().astype(np.float64)
    share, rare = here / max(float(here.sum()), 1e-12), rarity(index)
    parts = {"activation": here, "share": share, "rarity": rare, "tokens_active": active.cpu().numpy()}
    n_here = len(codes.values)

    def why(part: Mapping[str, float | int]) -> str:
        return f"on {part['tokens_active']} of {n_here} tokens, {over} {part['activation']:.2f}"

    return results(index, share * rare, parts, why, where=where, limit=limit)


def rarity(index: Columns) -> Float[np.ndarray, " n_features"]:
    """``log(1 / p_i) / log(N)``: 0 for what is always on, 1 for what fired once in the corpus' N tokens or never."""
    number = index.statistics()
    n_active = number["n_active"].astype(np.float64)
    n_tokens = max(2.0, float((n_active / np.maximum(number["density"], 1e-300)).max()))
    return np.log(n_tokens / np.maximum(n_active, 1)) / np.log(n_tokens)


def by_direction(
    index: Searchable,
    directions: Float[Tensor, "n_features d_out"],
    feature: int,
    *,
    where: Filter | str | None = None,
    limit: int = 10,
) -> list[SearchResult]:
    """The features whose directions are closest to a feature's own, itself left out.

    Formula: ``score_i = cos(d_i, d_feature)``; those at 0 or below are no neighbours.

    Args:
        index: what the features are.
        directions: the decoder's rows, of any norm.
        feature: whose neighbours.
        where: a filter, or its text; ``alive`` leaves out what never fired.
        limit: results at most.

    Raises:
        UnknownName: the dictionary has no such feature, or the filter names something unknown.
        WrongUse: the filter cannot be read.
    """
    index.check(feature)
    unit = torch.nn.functional.normalize(directions.float(), dim=-1)
    cosine = (unit @ unit[feature]).cpu().numpy().astype(np.float64)
    cosine[feature] = 0
    return results(
        index,
        cosine,
        {"cosine": cosine},
        lambda part: f"cosine {part['cosine']:.2f} with {feature}",
        where=where,
        limit=limit,
    )


def by_company(
    index: Searchable,
    feature: int,
    correlations: Mapping[int, float],
    *,
    where: Filter | str | None = None,
    limit: int = 10,
) -> list[SearchResult]:
    """The features that fire together with a feature, by the correlations that an index lists for it.

    Args:
        index: what the features are.
        feature: whose company.
        correlations: another feature -> how far the two go together, above 0.
        where: a filter, or its text.
        limit: results at most.

    Raises:
        UnknownName: the dictionary has no such feature, or the filter names something unknown.
        WrongUse: the filter cannot be read.
    """
    index.check(feature)
    score = np.zeros(index.n_features)
    score[list(correlations)] = list(correlations.values())
    return results(
        index,
        score,
        {"correlation": score},
        lambda part: f"correlation {part['correlation']:.2f} with {feature}",
        where=where,
        limit=limit,
    )
