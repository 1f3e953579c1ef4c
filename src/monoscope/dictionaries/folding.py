"""The same dictionary in other units: scaling folded into the weights, norms folded into the codes."""

from collections.abc import Mapping

import torch
from torch import Tensor

from monoscope.dictionaries.autoencoder import SparseAutoencoder
from monoscope.dictionaries.scaling import Scaling
from monoscope.errors import WrongUse


def folded(
    dictionary: SparseAutoencoder, reading: Scaling, writing: Scaling | None = None
) -> SparseAutoencoder:
    """The same function of unscaled activations: ``folded(x) = writing.undo(dictionary(reading.apply(x)))``.

    With factors ``a`` and ``b`` of reading and writing: ``bias = centre_a + bias' / a``, ``encoder = a / b *
    encoder'``, ``encoder_bias = encoder_bias' / b``, so that codes come out in the units of what is written
    and directions keep their norm. This is exact because sparsifiers are positively homogeneous. Factors
    that differ between parts cannot leave directions alone: then codes stay as they are, ``encoder = a *
    encoder'``, and ``decoder = decoder' / b`` has no longer norm 1.

    Args:
        dictionary: what reads and writes scaled activations.
        reading: what was done to the activations before they were read.
        writing: what was done to what is written; None: the same.
    """
    target = reading if writing is None else writing
    codes = 1.0 if isinstance(target.factor, Tensor) else target.factor
    a = torch.as_tensor(reading.factor)
    grown = (a / codes).unsqueeze(-1) if a.ndim else a / codes
    same = writing is None and dictionary.output_bias is None
    return SparseAutoencoder(
        dictionary.options,
        encoder=dictionary.encoder.detach() * grown,
        encoder_bias=dictionary.encoder_bias.detach() / codes,
        decoder=dictionary.decoder.detach() * (codes / torch.as_tensor(target.factor)),
        bias=reading.centre + dictionary.bias.detach() / reading.factor,
        output_bias=None if same else target.centre + dictionary.target_bias.detach() / target.factor,
        skip=None
        if dictionary.skip is None
        else dictionary.skip.detach() * grown * (codes / torch.as_tensor(target.factor)),
        own=dictionary.options.sparsifier.scaled(detached(dictionary.own), 1 / codes),
        max_activation=dictionary.max_activation / codes,
        density=dictionary.density.clone(),
        site=dictionary.site,
        model_hash=dictionary.model_hash,
    )


def normalised(dictionary: SparseAutoencoder) -> SparseAutoencoder:
    """The same function with directions of norm 1: codes take over the norms.

    Raises:
        WrongUse: the sparsifier compares features with each other, so that their units cannot change.
    """
    sparsifier = dictionary.options.sparsifier
    if not sparsifier.elementwise:
        raise WrongUse(f"features of {sparsifier.name} are compared: their norms cannot be folded in")
    norms = dictionary.decoder.detach().norm(dim=1).clamp(min=1e-12)
    return SparseAutoencoder(
        dictionary.options,
        encoder=dictionary.encoder.detach() * norms,
        encoder_bias=dictionary.encoder_bias.detach() * norms,
        decoder=dictionary.decoder.detach() / norms.unsqueeze(1),
        bias=dictionary.bias.detach().clone(),
        output_bias=None if dictionary.output_bias is None else dictionary.output_bias.detach().clone(),
        skip=None if dictionary.skip is None else dictionary.skip.detach().clone(),
        own=sparsifier.scaled(detached(dictionary.own), norms),
        max_activation=dictionary.max_activation * norms,
        density=dictionary.density.clone(),
        site=dictionary.site,
        model_hash=dictionary.model_hash,
    )


def detached(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors, copied, without their gradients."""
    return {name: tensor.detach().clone() for name, tensor in tensors.items()}
