"""Where a feature is silent although it might have fired: what a description of it must tell apart.

A near miss of a feature is a place in the sampled rows with a token that is among those the feature fires on most
(its token table), where the feature is silent: on that token and on all of its window. This needs neither a model nor
pre-activations, and means the same for every sparsifier.

Tokens are tried from the most telling on, in the order of the table, leaving out those without a lift above 1; their
places in an order drawn at random, 1,024 of a token at most. A feature gets at most one near miss of each row, and at
most half of them (rounded up) of one token.
"""

import numpy as np
import torch
from jaxtyping import Bool, Int, Integer

from monoscope.dictionaries.kernels.compiled import Compiled
from monoscope.features.database import Lists
from monoscope.features.passages import windows
from monoscope.features.row_sample import RowSample
from monoscope.features.shortlists import uniform_numbers

TRIED = 1024
"""Places of one token that are tried for a feature."""


@Compiled
def _find(low, high, starts, fired, wanted, wanted_starts, token_starts, places, context, most, found):
    """Near misses of each feature from ``low`` to ``high``; ``places`` has position, first and last of windows."""
    kept = found.shape[1]
    for own in range(low, high):
        n_found, first, last = 0, starts[own], starts[own + 1]
        for each in range(wanted_starts[own], wanted_starts[own + 1]):
            token, of_token = wanted[each], 0
            end = min(token_starts[token + 1], token_starts[token] + TRIED)
            for index in range(token_starts[token], end):
                if n_found == kept or of_token == most:
                    break
                before, after = first, last
                while before < after:
                    middle = (before + after) // 2
                    if fired[middle] < places[index, 1]:
                        before = middle + 1
                    else:
                        after = middle
                if before < last and fired[before] <= places[index, 2]:
                    continue
                row, is_new = places[index, 0] // context, True
                for other in range(n_found):
                    is_new = is_new and found[own, other] // context != row
                if is_new:
                    found[own, n_found] = places[index, 0]
                    n_found += 1
                    of_token += 1


def near_misses(
    sample: RowSample,
    shares: Lists,
    tokens: Integer[np.ndarray, "row token"],
    usable: Bool[np.ndarray, "row token"],
    passage: Int[np.ndarray, " position"],
    *,
    before: int,
    after: int,
    kept: int,
    seed: int,
) -> Int[np.ndarray, "n_features kept"]:
    """Flat positions of the near misses of each feature; -1 where there are no more.

    Args:
        sample: what fired on the sampled rows.
        shares: the token table of every feature (``TOKEN_SHARE``).
        tokens: token ids of the corpus.
        usable: which of them stand for text.
        passage: passage number by position.
        before: tokens of the window before the place.
        after: tokens after it.
        kept: near misses of each feature.
        seed: of the random order.
    """
    n_features, context = len(shares), tokens.shape[1]
    features, fired = sample.entries()
    row, column = np.nonzero(usable[sample.rows])
    positions = sample.rows[row] * context + column
    token = tokens.reshape(-1)[positions].astype(np.int64)
    chance, _ = uniform_numbers(np.zeros(len(positions), np.int64), positions, seed)
    order = np.lexsort((chance, token))
    positions, token = positions[order], token[order]
    where, inside = windows(positions, passage, before, after)
    ends = inside.shape[1] - 1 - inside[:, ::-1].argmax(1)
    low, high = (where[np.arange(len(where)), column] for column in (inside.argmax(1), ends))
    telling = shares.entries["lift"] > 1
    owners = np.repeat(np.arange(n_features), np.diff(shares.bounds))[telling]
    found = np.full((n_features, kept), -1, np.int64)
    size = int(max(token.max(initial=0), shares.entries["token"].max(initial=0))) + 1
    read = (
        np.searchsorted(features, np.arange(n_features + 1)),
        fired,
        shares.entries["token"][telling].astype(np.int64),
        np.searchsorted(owners, np.arange(n_features + 1)),
        np.searchsorted(token, np.arange(size + 1)),
        np.stack([positions, low, high], axis=1),
    )
    if len(positions) and kept:
        arrays = (torch.from_numpy(np.ascontiguousarray(array)) for array in read)
        _find(n_features, *arrays, context, -(-kept // 2), torch.from_numpy(found))
    return found
