"""How often and how strongly each feature of a dictionary is active on given activations."""

from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor

from monoscope.dictionaries.autoencoder import SparseAutoencoder
from monoscope.errors import WrongUse


@torch.no_grad()
def record_activity(dictionary: SparseAutoencoder, batches: Iterable[Float[Tensor, "_ d_model"]]) -> int:
    """Set ``max_activation`` and ``density`` from one pass; returns how many activations were seen.

    Raises:
        WrongUse: there were none.
    """
    largest = torch.zeros_like(dictionary.max_activation)
    counts = torch.zeros(dictionary.n_features, dtype=torch.int64, device=largest.device)
    n_seen = 0
    for x in batches:
        codes = dictionary.sparse_encode(x)
        values, indices = codes.values.flatten(), codes.indices.flatten()
        largest.scatter_reduce_(0, indices, values, "amax")
        counts += torch.bincount(indices[values > 0], minlength=dictionary.n_features)
        n_seen += len(x)
    if not n_seen:
        raise WrongUse("the activity of a dictionary cannot be measured on no activations")
    dictionary.max_activation.copy_(largest)
    dictionary.density.copy_(counts / n_seen)
    return n_seen
