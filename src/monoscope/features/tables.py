"""From what was gathered to the lists that are stored: for each feature, each token, each word."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int, Shaped

from monoscope.activations import TokenRows
from monoscope.features import database as layout
from monoscope.features.coactivation import Coactive
from monoscope.features.collect import Collected
from monoscope.features.contexts import Contexts
from monoscope.features.database import ExampleLists, Lists
from monoscope.features.description import describe, names
from monoscope.features.grouping import first_of_groups
from monoscope.features.logits import Effects
from monoscope.features.passages import Words
from monoscope.features.record import LogitWeight, TokenShare


@dataclass(frozen=True)
class FeatureLists:
    """The lists of the table ``feature``, in its order."""

    histogram: Lists
    """``HISTOGRAM``"""
    examples: ExampleLists
    """``example_dtype``"""
    tokens: Lists
    """``TOKEN_SHARE``"""
    promoted: Lists
    """``LOGIT_WEIGHT``"""
    suppressed: Lists
    """``LOGIT_WEIGHT``"""
    neighbours: Lists
    """``NEIGHBOUR``"""
    coactive: Lists
    """``COACTIVE``"""


def feature_rows(
    lists: FeatureLists,
    numbers: Mapping[str, Shaped[np.ndarray, " n_features"]],
    near: Lists,
    words: list[str],
    vocabulary: list[str],
) -> Iterator[tuple]:
    """Rows of the table ``feature``, and what each is found by.

    Args:
        lists: what is known of each feature.
        numbers: the table ``array``.
        near: numbers of the words around each feature, most telling first.
        words: texts of the words.
        vocabulary: texts of the tokens.
    """
    columns = {name: getattr(lists, name) for name in FeatureLists.__dataclass_fields__}
    scalars = (numbers[name].tolist() for name in layout.ARRAYS)
    for feature, known in enumerate(zip(*scalars, strict=True)):
        named = (
            [
                TokenShare(token, vocabulary[token], count, share, lift)
                for token, count, share, lift in lists.tokens[feature].tolist()
            ],
            [words[word] for (word,) in near[feature].tolist()],
            [
                LogitWeight(token, vocabulary[token], weight)
                for token, weight in lists.promoted[feature].tolist()
            ],
        )
        blobs = (
            layout.deflated(column[feature]) if name in layout.DEFLATED else column[feature].tobytes()
            for name, column in columns.items()
        )
        yield feature, describe(*named), *known, *blobs, *names(*named)


def token_rows(vocabulary: list[str]) -> Iterator[tuple]:
    """Rows of the table ``token``."""
    for token, text in enumerate(vocabulary):
        yield token, text, text.strip().casefold()


def of_token_rows(promoters: Lists, firers: Lists) -> Iterator[tuple]:
    """Rows of the table ``of_token``."""
    for token in range(len(promoters)):
        yield token, promoters[token].tobytes(), firers[token].tobytes()


def firers(shares: Lists, density: Float[np.ndarray, " n_features"], vocabulary_size: int) -> Lists:
    """For each token the features that list it among those they fire on, in the order of their numbers."""
    entries = shares.entries
    owner = np.repeat(np.arange(len(shares)), np.diff(shares.bounds))
    # lift = P(active | token) / P(active)
    recall = entries["lift"] * density[owner]
    order = np.argsort(entries["token"], kind="stable")
    columns = (column[order] for column in (owner, entries["share"], recall))
    return Lists.pack(layout.FIRER, vocabulary_size, entries["token"][order], *columns)


def word_rows(words: Words, base: np.ndarray, contexts: Contexts) -> Iterator[tuple]:
    """Rows of the table ``word``; ``base`` is the share of tokens near each word."""
    order = np.lexsort((contexts.features, contexts.words))
    features = Lists.pack(
        layout.ASSOCIATION, len(base), contexts.words[order], contexts.features[order], contexts.counts[order]
    )
    columns = zip(words.texts, words.occurrences.tolist(), base.tolist(), words.spellings, strict=True)
    for word, (text, occurrences, share, spelling) in enumerate(columns):
        yield (
            word,
            text,
            occurrences,
            share,
            np.array(spelling, "<u4").tobytes(),
            layout.in_steps(features[word]),
        )


def histograms(collected: Collected) -> Lists:
    """The bins of each feature's histogram that are not empty."""
    histogram = collected.moments.histogram
    feature, bins = np.nonzero(histogram)
    return Lists.pack(layout.HISTOGRAM, len(histogram), feature, bins, histogram[feature, bins])


def token_shares(collected: Collected, rows: TokenRows, vocabulary_size: int, kept: int) -> Lists:
    """The tokens that each feature fires on, by share of activation times excess lift: chance counts nothing."""
    moments = collected.moments
    feature, token, mass, count = collected.tokens.table()
    frequency = np.bincount(rows.tokens[rows.usable], minlength=vocabulary_size) / moments.n_tokens
    share = mass / moments.total[feature]
    lift = count / moments.count[feature] / frequency[token]
    order = np.lexsort((-share * (lift - 1), feature))
    order = order[first_of_groups(feature[order], kept)]
    columns = (column[order] for column in (token, count, share, lift))
    return Lists.pack(layout.TOKEN_SHARE, len(moments.count), feature[order], *columns)


def effect_lists(
    effects: Effects | None, alive: Int[torch.Tensor, " alive"], n_features: int, vocabulary_size: int
) -> tuple[Lists, Lists, Lists]:
    """Tokens promoted and suppressed by each feature, and the promoters of each token; all empty without
    effects.
    """
    none = np.zeros(0, np.int64)
    if effects is None:
        weights = Lists.pack(layout.LOGIT_WEIGHT, n_features, none, none, none)
        return weights, weights, Lists.pack(layout.PROMOTER, vocabulary_size, none, none, none)
    numbers = alive.numpy()
    return (
        packed(layout.LOGIT_WEIGHT, n_features, numbers, effects.promoted, effects.promoted_weights),
        packed(layout.LOGIT_WEIGHT, n_features, numbers, effects.suppressed, effects.suppressed_weights),
        packed(
            layout.PROMOTER,
            vocabulary_size,
            np.arange(vocabulary_size),
            effects.promoters,
            effects.promoter_scores,
        ),
    )


def coactive_lists(found: Coactive) -> Lists:
    """The features that go with each feature."""
    owner, slot = np.nonzero(found.features >= 0)
    columns = (found.features, found.correlations, found.shares)
    return Lists.pack(
        layout.COACTIVE, len(found.features), owner, *(column[owner, slot] for column in columns)
    )


def packed(dtype: np.dtype, n: int, owners: np.ndarray, *columns: np.ndarray) -> Lists:
    """Lists of equal length, one for each of ``owners`` (ascending), from matrices ``[owner, entry]``."""
    width = columns[0].shape[1]
    return Lists.pack(dtype, n, np.repeat(owners, width), *(column.reshape(-1) for column in columns))
