"""What holds whatever the gradient says: directions of norm 1, an encoder tied to them."""

import torch

from monoscope.dictionaries.autoencoder import SparseAutoencoder


@torch.no_grad()
def remove_radial_gradient(dictionary: SparseAutoencoder) -> None:
    """Take from each decoder row's gradient its part along the row, which the norm constraint would undo.

    Reference: Bricken et al. 2023: without it Adam's moments count a movement that never happens.
    """
    gradient = dictionary.decoder.grad
    assert gradient is not None
    gradient.addcmul_(dictionary.decoder, (gradient * dictionary.decoder).sum(1, keepdim=True), value=-1)


@torch.no_grad()
def normalise_directions(dictionary: SparseAutoencoder) -> None:
    """Give every decoder row norm 1 again."""
    dictionary.decoder.div_(dictionary.decoder.norm(dim=1, keepdim=True))


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
