"""What fires on a given text."""

from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from monoscope.dictionaries import SparseAutoencoder, SparseCodes


def active_features(
    dictionary: SparseAutoencoder, x: Float[Tensor, "token d_model"], limit: int = 20
) -> list[dict[str, Any]]:
    """The features that are active on a text, the largest peak first; of equals the lower number.

    Decoder rows have norm 1, so a feature's activation is the length of its part in the activation: the
    order is that of how much a feature explains where it explains most.

    Args:
        dictionary: the dictionary.
        x: activations of the text's tokens at its site.
        limit: features returned at most.

    Returns:
        ``{"feature": number, "activations": [one for each token]}`` for each feature.

    Raises:
        MismatchedArtefact: the activations are not as wide as the dictionary.
    """
    dictionary.check_width(x.shape[-1], dictionary.site)
    with torch.no_grad():
        codes = dictionary.sparse_encode(x)
    return strongest(codes, dictionary.n_features, limit)


def strongest(
    codes: SparseCodes,
    n_features: int,
    limit: int = 20,
    *,
    among: Bool[np.ndarray, " n_features"] | None = None,
) -> list[dict[str, Any]]:
    """What :func:`active_features` returns, of codes ``[token, slot]`` that are there already.

    Args:
        codes: what fires on each token.
        n_features: features in the dictionary.
        limit: features returned at most.
        among: True for the features that may be returned; None: all.
    """
    values, indices = codes.values.float(), codes.indices
    peaks = torch.zeros(n_features, device=values.device)
    peaks.scatter_reduce_(0, indices.flatten(), values.flatten(), "amax")
    if among is not None:
        peaks *= torch.from_numpy(among).to(peaks.device)
    order = peaks.sort(descending=True, stable=True).indices[: max(limit, 0)]
    order = order[peaks[order] > 0]
    activations = codes.select(order).T.tolist()
    return [
        {"feature": feature, "activations": row}
        for feature, row in zip(order.tolist(), activations, strict=True)
    ]
