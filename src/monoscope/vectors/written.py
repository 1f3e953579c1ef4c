"""What a dictionary's features write into the residual stream, and behind which block."""

import math
from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from monoscope.dictionaries import SparseAutoencoder
from monoscope.errors import UnknownName, UnknownSite, WrongUse
from monoscope.models import Site


def block_written(dictionary: SparseAutoencoder) -> int:
    """The block whose output the dictionary's features are parts of.

    That is L for ``blocks.L.resid_post`` and L - 1 for ``blocks.L.resid_pre``, the same place.

    Raises:
        WrongUse: it writes another place than it reads, or several, or what enters the first block, or no residual
            stream.
    """
    if dictionary.output_bias is not None or dictionary.options.parts:
        raise WrongUse("a control vector takes the features of an autoencoder", "this one writes other sites")
    try:
        site = Site.parse(dictionary.site)
    except UnknownSite as error:
        raise WrongUse(
            f"the dictionary's site {dictionary.site!r} is no single place in a model",
            "use an autoencoder of a block's resid_post",
        ) from error
    block = {"resid_post": site.block, "resid_pre": site.block - 1}.get(site.kind, -1)
    if block < 0:
        raise WrongUse(
            f"{site} is not the output of a block, and that is where control vectors act",
            "use an autoencoder of resid_post, or of resid_pre from block 1 on",
        )
    return block


def written_sum(dictionary: SparseAutoencoder, weights: Mapping[int, float]) -> Float[Tensor, " d_out"]:
    """``Σ_i weight_i d_i``, float32 on the CPU.

    Raises:
        WrongUse: there is no weight, or one is not finite.
        UnknownName: the dictionary has no such feature.
    """
    if not weights:
        raise WrongUse("there is no feature to make a control vector of", "give a feature and its weight")
    total = torch.zeros(dictionary.d_out, dtype=torch.float64)
    for feature, weight in weights.items():
        if not 0 <= feature < dictionary.n_features:
            raise UnknownName(
                f"{feature} is no feature of this dictionary",
                f"it has {dictionary.n_features}, numbered 0 to {dictionary.n_features - 1}",
            )
        if not math.isfinite(weight):
            raise WrongUse(f"{weight} is no weight of feature {feature}", "give a finite number")
        total += weight * dictionary.directions[feature].cpu().double()
    return total.float()
