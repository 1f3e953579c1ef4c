"""What holds whatever the gradient says: directions of norm 1, an encoder tied to them."""

import torch

from monoscope.dictionaries.autoencoder import SparseAutoencoder


@torch.no_grad()
def share_gradient(dictionary: SparseAutoencoder) -> None:
    """Let the decoder have the encoder's gradient too: they are one parameter (Cunningham et al. 2023)."""
    assert dictionary.decoder.grad is not None
    assert dictionary.encoder.grad is not None
    dictionary.decoder.grad += dictionary.encoder.grad.T
    dictionary.encoder.grad = None


@torch.no_grad()
def tie(dictionary: SparseAutoencoder) -> None:
    """Make the encoder equal to the directions again."""
    dictionary.encoder.T.copy_(dictionary.decoder)
