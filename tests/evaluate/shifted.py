"""Random activations that two concepts shift, and a random dictionary to read them with."""

import numpy as np
import torch

from evaluate.memory import MemoryStore, token_rows
from monoscope.dictionaries import AutoencoderOptions, ReLU, SparseAutoencoder, TopK

D, ROWS, CONTEXT = 6, 25, 17


def planted(seed: int, share: float) -> MemoryStore:
    """Random activations; concept c's tokens are shifted along a direction of its own."""
    rng = np.random.default_rng(seed)
    masks = {
        name: {kind: rng.random((ROWS, CONTEXT)) < share for kind in ("mention", "passage")}
        for name in ("one", "two")
    }
    rows = token_rows(ROWS, CONTEXT, masks, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(ROWS * CONTEXT, D, generator=generator)
    directions = torch.randn(2, D, generator=generator)
    for number, name in enumerate(masks):
        x[torch.from_numpy(masks[name]["passage"].reshape(-1))] += directions[number]
    return MemoryStore(rows, {"s": x})


def sparse(sparsifier: TopK | ReLU) -> SparseAutoencoder:
    options = AutoencoderOptions(n_features=20, sparsifier=sparsifier)
    return SparseAutoencoder.initialise(D, options, seed=5)
