"""How much of the activations a dictionary keeps, and with how many features at once."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from monoscope.dictionaries import SparseAutoencoder
from monoscope.errors import BrokenInput
from monoscope.evaluate.stream import Activations, Advance, first_tokens, unwatched


@dataclass(frozen=True)
class ReconstructionSums:
    """What the metrics are made of, summed over the tokens of each row of text, or over resampled rows."""

    tokens: Float[np.ndarray, " row"]
    """Tokens measured."""
    squared_error: Float[np.ndarray, " row"]
    """``|x - x_hat|^2``."""
    squared_distance: Float[np.ndarray, " row"]
    """``|x - mean|^2``."""
    active: Float[np.ndarray, " row"]
    """Features above zero."""
    squared_reconstruction: Float[np.ndarray, " row"]
    """``|x_hat|^2``."""
    inner_product: Float[np.ndarray, " row"]
    """``x_hat . x``."""


@dataclass(frozen=True)
class Reconstruction:
    """A dictionary's sums over a store."""

    sums: ReconstructionSums
    """Per row of text; rows without a usable token are left out."""
    fired: Int[np.ndarray, " n_features"]
    """Tokens on which each feature is active."""

    @property
    def n_tokens(self) -> int:
        """Tokens measured."""
        return int(self.sums.tokens.sum())


def fvu(sums: ReconstructionSums) -> Float[np.ndarray, " row"]:
    """Fraction of variance unexplained.

    Measures:
        How much of the activations' variance the reconstruction misses: 0 is perfect, 1 is as good as the
        mean.
    Formula:
        sum |x - x_hat|^2 / sum |x - mean(x)|^2
    Unit:
        fraction
    How it can mislead:
        A few directions of large variance (attention sinks, position) can make it small while everything the
        model uses is lost; read CE recovered beside it. Values at different L0 or sites do not compare.

    References:
        Templeton et al. 2024; the normalised MSE of Gao et al. 2024 (2406.04093).
    """
    return sums.squared_error / sums.squared_distance


def fve(sums: ReconstructionSums) -> Float[np.ndarray, " row"]:
    """Fraction of variance explained.

    Measures:
        How much of the activations' variance the reconstruction keeps.
    Formula:
        1 - fvu
    Unit:
        fraction
    How it can mislead:
        As fvu. It falls below 0 when the reconstruction is worse than the mean.

    References:
        Templeton et al. 2024.
    """
    return 1 - fvu(sums)


def l0(sums: ReconstructionSums) -> Float[np.ndarray, " row"]:
    """Active features per token.

    Measures:
        How many features are above zero at once, on average: the price paid for the reconstruction.
    Formula:
        mean over tokens of the number of features with f_i > 0
    Unit:
        features per token
    How it can mislead:
        A mean hides that some tokens use hundreds; values near zero count as much as strong ones.

    References:
        Bricken et al. 2023; Templeton et al. 2024.
    """
    return sums.active / sums.tokens


def shrinkage(sums: ReconstructionSums) -> Float[np.ndarray, " row"]:
    """Relative reconstruction bias.

    Measures:
        Whether reconstructions are systematically too short: below 1 they are, as an L1 penalty makes them.
    Formula:
        E|x_hat|^2 / E[x_hat . x]
    Unit:
        ratio
    How it can mislead:
        At a site whose mean is large the mean dominates both terms: the ratio is near 1 whatever features do.

    References:
        Rajamanoharan et al. 2024 (2404.16014), equation 10.
    """
    return sums.squared_reconstruction / sums.inner_product


def dead_share(fired: Int[np.ndarray, " n_features"]) -> float:
    """Share of features that are dead.

    Measures:
        How much of the dictionary is never used on the tokens looked at.
    Formula:
        share of features with f_i = 0 on every one of dead_tokens tokens
    Unit:
        fraction
    How it can mislead:
        It depends on the number of tokens: what marks something rare looks dead on a small sample. Papers use
        10^7 tokens.

    References:
        Templeton et al. 2024; Gao et al. 2024 (2406.04093).
    """
    return float(np.mean(fired == 0))


METRICS: dict[str, Callable[[ReconstructionSums], Float[np.ndarray, " row"]]] = {
    "fvu": fvu,
    "fve": fve,
    "l0": l0,
    "shrinkage": shrinkage,
}
"""Metrics that are functions of the sums, and so have intervals over rows."""


@torch.no_grad()
def measure(
    dictionary: SparseAutoencoder,
    store: Activations,
    *,
    site: str,
    n_tokens: int,
    advance: Advance = unwatched,
) -> Reconstruction:
    """Reconstruct the first ``n_tokens`` usable tokens of a store.

    The variance is taken about the store's own mean.

    Args:
        dictionary: what is measured.
        store: activations it was not trained on.
        site: the place in the model, as the store names it.
        n_tokens: tokens to look at, fewer when the store has fewer.
        advance: told the number of tokens after each batch.

    Raises:
        BrokenInput: the store holds no usable token.
    """
    if not store.n_tokens:
        raise BrokenInput("the store to evaluate on holds no usable token", "harvest more held-out text")
    device = dictionary.bias.device
    mean = store.statistics(site).mean.to(device)
    fired = torch.zeros(dictionary.n_features, dtype=torch.int64, device=device)
    columns: list[Float[Tensor, "quantity batch"]] = []
    rows: list[np.ndarray] = []
    for positions, x in first_tokens(store, site, n_tokens, advance):
        x = x.to(device)
        codes = dictionary.sparse_encode(x)
        x_hat = dictionary.decode(codes)
        active = codes.values > 0
        fired += torch.bincount(codes.indices[active], minlength=dictionary.n_features)
        columns.append(
            torch.stack(
                [
                    torch.ones(len(x), device=device),
                    (x - x_hat).square().sum(1),
                    (x - mean).square().sum(1),
                    active.sum(1).float(),
                    x_hat.square().sum(1),
                    (x_hat * x).sum(1),
                ]
            )
        )
        rows.append(positions // store.rows.context)
    _, row = np.unique(np.concatenate(rows), return_inverse=True)
    quantities = torch.cat(columns, dim=1).double().cpu().numpy()
    return Reconstruction(
        ReconstructionSums(*(np.bincount(row, weights=quantity) for quantity in quantities)),
        fired.cpu().numpy(),
    )


def density_histogram(
    fired: Int[np.ndarray, " n_features"], n_tokens: int, *, per_decade: int = 4
) -> dict[str, list[float] | list[int]]:
    """Features by the logarithm of their density (share of tokens where they are active); dead ones left out.

    Returns:
        ``edges``: log10 of the density, from ``1 / n_tokens`` or below to 0; ``counts``: features between
        them.
    """
    steps = int(np.ceil(np.log10(max(n_tokens, 2)))) * per_decade
    edges = np.arange(-steps, 1) / per_decade
    # A density of exactly 10^edge belongs above the edge, whatever its logarithm rounds to.
    counts, _ = np.histogram(np.log10(fired[fired > 0] / n_tokens) + 1e-9, bins=edges)
    counts[-1] += int(np.sum(fired == n_tokens))
    return {"edges": [float(edge) for edge in edges], "counts": [int(count) for count in counts]}
