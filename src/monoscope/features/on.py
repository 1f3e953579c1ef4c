"""What fires on a given text."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from monoscope.dictionaries import SparseAutoencoder


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
    values, indices = codes.values.float(), codes.indices
    peaks = torch.zeros(dictionary.n_features, device=values.device)
    peaks.scatter_reduce_(0, indices.flatten(), values.flatten(), "amax")
    order = peaks.sort(descending=True, stable=True).indices[: max(limit, 0)]
    order = order[peaks[order] > 0]
    activations = codes.select(order).T.tolist()
    return [
        {"feature": feature, "activations": row}
        for feature, row in zip(order.tolist(), activations, strict=True)
    ]
