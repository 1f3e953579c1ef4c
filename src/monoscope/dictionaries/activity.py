"""How often and how strongly each feature of a dictionary is active on given activations."""

from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor

from monoscope.dictionaries.autoencoder import SparseAutoencoder
from monoscope.errors import WrongUse


class Activity:
    """What has been seen of a dictionary's features: the largest activation of each, and how often it was active."""

    def __init__(self, dictionary: SparseAutoencoder) -> None:
        self.dictionary = dictionary
        self.largest = torch.zeros_like(dictionary.max_activation)
        self.counts = torch.zeros(dictionary.n_features, dtype=torch.int64, device=self.largest.device)
        self.n_seen = 0

    @torch.no_grad()
    def see(self, x: Float[Tensor, "_ d_model"]) -> None:
        """Count some activations."""
        codes = self.dictionary.sparse_encode(x)
        values, indices = codes.values.flatten(), codes.indices.flatten()
        self.largest.scatter_reduce_(0, indices, values, "amax")
        self.counts += torch.bincount(indices[values > 0], minlength=self.dictionary.n_features)
        self.n_seen += len(x)

    @torch.no_grad()
    def record(self) -> None:
        """Set the dictionary's ``max_activation`` and ``density``.

        Raises:
            WrongUse: nothing was seen.
        """
        if not self.n_seen:
            raise WrongUse("the activity of a dictionary cannot be measured on no activations")
        self.dictionary.max_activation.copy_(self.largest)
        self.dictionary.density.copy_(self.counts / self.n_seen)


def record_activity(dictionary: SparseAutoencoder, batches: Iterable[Float[Tensor, "_ d_model"]]) -> int:
    """Set ``max_activation`` and ``density`` from one pass; returns how many activations were seen.

    Raises:
        WrongUse: there were none.
    """
    activity = Activity(dictionary)
    for x in batches:
        activity.see(x)
    activity.record()
    return activity.n_seen
