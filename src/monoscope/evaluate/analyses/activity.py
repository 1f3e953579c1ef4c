"""Which features are active on which tokens, as sparse matrices, and how alike two of them are."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from scipy.sparse import csr_array, vstack
from torch import Tensor

from monoscope.dictionaries import SparseAutoencoder
from monoscope.evaluate.stream import BATCH, Activations, first_tokens, unwatched

if TYPE_CHECKING:
    Codes = Any
else:
    Codes = csr_array
"""Codes ``[token, feature]`` of which only what is active is stored; SciPy tells type checkers nothing of it."""

Readings = Codes | Float[np.ndarray, "_ _"]
"""Activations ``[token, unit]``: sparse for features, dense for neurons."""
COLUMNS = 512
"""Units compared at a time: memory is this many times the units on the other side."""


@torch.no_grad()
def encoded(dictionary: SparseAutoencoder, x: Float[Tensor, "token d_model"]) -> Codes:
    """Codes of some activations, ``[token, feature]``; only what is active is stored."""
    parts = [dictionary.sparse_encode(rows.to(dictionary.bias.device)) for rows in x.split(BATCH)]
    values = [part.values.float().cpu().numpy().astype(np.float64) for part in parts]
    counts = np.concatenate([(each > 0).sum(1) for each in values])
    features = [
        part.indices.cpu().numpy()[each > 0].astype(np.int32)
        for part, each in zip(parts, values, strict=True)
    ]
    return csr_array(
        (
            np.concatenate([each[each > 0] for each in values]),
            np.concatenate(features),
            np.append(0, counts.cumsum()),
        ),
        shape=(len(x), dictionary.n_features),
    )


def activity(
    dictionary: SparseAutoencoder,
    store: Activations,
    site: str,
    n_tokens: int,
    advance: Callable[[int], None] = unwatched,
) -> Codes:
    """Codes of the first ``n_tokens`` usable tokens of a store, ``[token, feature]``."""
    batches = first_tokens(store, site, n_tokens, advance)
    return csr_array(vstack([encoded(dictionary, x) for _, x in batches], format="csr"))


def firings(codes: Codes) -> Int[np.ndarray, " feature"]:
    """Tokens on which each feature is active."""
    return np.bincount(codes.indices, minlength=codes.shape[1])


def masked_cosines(a: Codes, b: Codes, minimum: int = 1) -> Codes:
    """How alike the activations of ``a``'s features and ``b``'s are, on the tokens where one of them is active.

    ``sum(a_i b_j) / (|a_i| |b_j|)`` with norms over the tokens where i is active, and over those where j is; the
    greater of the two. So a feature that is a part of another, active on some of its tokens with the same
    strengths, is like it. (Bricken et al. 2023, "Towards Monosemanticity", section "Feature Splitting".)

    Args:
        a: codes ``[token, feature]``.
        b: other codes of the same tokens.
        minimum: features active on fewer tokens are like nothing: two that meet once would be equal.

    Returns:
        ``[feature of a, feature of b]``; what is not stored is 0.
    """
    a, b = (often(codes, minimum) for codes in (a, b))
    a_on, b_on = (codes.sign() for codes in (a, b))
    products = csr_array(a.T @ b)
    on_a, on_b = csr_array(a_on.T @ b.power(2)), csr_array(a.power(2).T @ b_on)
    for each in (products, on_a, on_b):
        each.sort_indices()
    rows = np.repeat(np.arange(a.shape[1]), np.diff(products.indptr))
    a_norm, b_norm = (np.sqrt(codes.power(2).sum(0)) for codes in (a, b))
    where_a = a_norm[rows] * np.sqrt(on_a.data)
    where_b = b_norm[products.indices] * np.sqrt(on_b.data)
    values = products.data / np.minimum(where_a, where_b)
    return csr_array((values, products.indices, products.indptr), shape=products.shape)


def often(codes: Codes, minimum: int) -> Codes:
    """The codes without features that are active on fewer than ``minimum`` tokens."""
    kept = csr_array(codes.multiply((firings(codes) >= minimum)[None, :]))
    kept.eliminate_zeros()
    return kept


def shifted(codes: Codes) -> Codes:
    """The same codes half the text later, end joined to beginning: as often active, and on unrelated tokens."""
    half = codes.shape[0] // 2
    return csr_array(codes[np.r_[half : codes.shape[0], 0:half]])


def counterparts(
    a: Readings, b: Readings, *, minimum: int = 1, signed: bool = True
) -> tuple[Float[np.ndarray, " _"], Int[np.ndarray, " _"]]:
    """For each unit of ``a`` the unit of ``b`` whose activations correlate with its own most: Pearson's r over tokens.

    Args:
        a: activations ``[token, unit]``.
        b: others, of the same tokens.
        minimum: units that are not zero on fewer tokens are compared with nothing; nor are those that never change.
        signed: whether r counts, or its size.

    Returns:
        r, and the number of the unit of ``b``; NaN and -1 where there is nothing to compare.
    """
    (mean_a, spread_a, fit_a), (mean_b, spread_b, fit_b) = (moments(each, minimum) for each in (a, b))
    best, partner = np.full(a.shape[1], np.nan), np.full(a.shape[1], -1)
    if not fit_b.any():
        return best, partner
    for columns in np.array_split(np.arange(a.shape[1]), -(-a.shape[1] // COLUMNS)):
        products = a[:, columns].T @ b
        dense = products if isinstance(products, np.ndarray) else products.toarray()
        covariance = dense / a.shape[0] - np.outer(mean_a[columns], mean_b)
        r = covariance / np.outer(spread_a[columns], spread_b).clip(1e-300)
        ranked = np.where(fit_b, r if signed else np.abs(r), -np.inf)
        partner[columns], best[columns] = ranked.argmax(1), ranked.max(1)
    best[~fit_a], partner[~fit_a] = np.nan, -1
    return best, partner


def moments(
    x: Readings, minimum: int
) -> tuple[Float[np.ndarray, " unit"], Float[np.ndarray, " unit"], Bool[np.ndarray, " unit"]]:
    """Mean and standard deviation of each unit, and whether it changes and is not zero on ``minimum`` tokens."""
    dense = isinstance(x, np.ndarray)
    mean, square = (
        np.asarray(x.mean(0), np.float64),
        np.asarray((x**2 if dense else x.power(2)).mean(0), np.float64),
    )
    variance = (square - mean**2).clip(0)
    lively = (np.count_nonzero(x, 0) if isinstance(x, np.ndarray) else firings(x)) >= minimum
    return mean, np.sqrt(variance), lively & (variance > 1e-10 * square)
