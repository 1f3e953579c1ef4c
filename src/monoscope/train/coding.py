"""The codes of a training step: of few features where the sparsifier can say which, of all of them elsewhere."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Float, Int
from torch import Tensor

from monoscope.dictionaries.autoencoder import SparseAutoencoder
from monoscope.dictionaries.codes import ActiveCodes
from monoscope.dictionaries.kernels import bags, dot_rows, equal_bags, halves_are_fast, sum_rows, take
from monoscope.dictionaries.selection import largest, largest_of_all
from monoscope.dictionaries.sparsifiers import BatchTopK, TopK

ENTRIES = 2**23
"""Pre-activations held at a time while features are selected."""


@dataclass(frozen=True)
class Coding:
    """What a step knows of the codes of its batch."""

    codes: ActiveCodes | Float[Tensor, "batch n_features"]
    """The codes, differentiable."""
    pre: Float[Tensor, "batch n_features"] | None
    """All pre-activations, where they were made."""
    main: int | None = None
    """Of the slots of each activation, the first so many are what the dictionary keeps; None: all of them."""

    def kept(self) -> ActiveCodes | Float[Tensor, "batch n_features"]:
        """The codes of what the dictionary keeps."""
        if self.main is None or not isinstance(self.codes, ActiveCodes):
            return self.codes
        values = self.codes.values.reshape(len(self.codes.starts), -1).clone()
        values[:, self.main :] = 0
        return ActiveCodes(values.flatten(), self.codes.indices, self.codes.starts)

    def l0(self, batch: int) -> Float[Tensor, ""]:
        """Active features of an activation, on average; of what the dictionary keeps."""
        codes = self.kept()
        values = codes.values if isinstance(codes, ActiveCodes) else codes
        return (values > 0).sum() / batch


def coding_of(dictionary: SparseAutoencoder, x: Float[Tensor, "batch d_in"], *, also: int = 1) -> Coding:
    """The codes that training sees.

    Args:
        dictionary: the dictionary, in the units of ``x``.
        x: scaled activations.
        also: Multi-TopK: code ``also * k`` features of each activation, the ``k`` largest first.
    """
    sparsifier = dictionary.options.sparsifier
    if isinstance(sparsifier, TopK):
        kept = min(sparsifier.k * also, dictionary.n_features)
        indices = torch.cat([largest(pre, kept, ordered=also > 1) for pre in blocks(dictionary, x)])
        starts = equal_bags(len(x), kept, x.device)
        codes = active_codes(dictionary, x, indices.flatten(), starts)
        return Coding(codes, None, main=min(sparsifier.k, kept) if also > 1 else None)
    if isinstance(sparsifier, BatchTopK):
        hint = float(dictionary.own["threshold"].detach()) if x.device.type == "cpu" else 0.0
        rows, indices = largest_of_all(
            lambda: blocks(dictionary, x), sparsifier.k * len(x), dictionary.n_features, hint
        )
        starts = torch.searchsorted(rows, torch.arange(len(x), device=x.device))
        return Coding(active_codes(dictionary, x, indices, starts), None)
    pre = dictionary.pre_activations(x)
    return Coding(sparsifier.trained(pre, dictionary.own), pre)


def active_codes(
    dictionary: SparseAutoencoder,
    x: Float[Tensor, "batch d_in"],
    indices: Int[Tensor, " slot"],
    starts: Int[Tensor, " batch"],
) -> ActiveCodes:
    """The positive pre-activations of the features in ``indices``, computed exactly, and of no others."""
    pre = dot_rows(x - dictionary.bias, dictionary.encoder.T, indices, starts) + take(
        dictionary.encoder_bias, indices
    )
    return ActiveCodes(pre.relu(), indices, starts)


def blocks(
    dictionary: SparseAutoencoder, x: Float[Tensor, "batch d_in"]
) -> Iterator[Float[Tensor, "block n_features"]]:
    """Pre-activations of a few activations at a time, in bfloat16 where that is fast.

    In bfloat16 a feature within 0.4 % of the last one kept may be taken in its place. The values of what is
    taken are computed exactly after, and a finished dictionary selects in float32.
    """
    dtype = torch.bfloat16 if halves_are_fast(x.device) else torch.float32
    encoder, bias = dictionary.encoder.detach().to(dtype), dictionary.encoder_bias.detach().to(dtype)
    for block in (x - dictionary.bias).detach().to(dtype).split(max(1, ENTRIES // dictionary.n_features)):
        yield torch.addmm(bias, block, encoder)


def reconstructions(
    dictionary: SparseAutoencoder,
    x: Float[Tensor, "batch d_in"],
    coding: Coding,
    widths: tuple[int, ...] = (),
) -> list[Float[Tensor, "batch d_out"]]:
    """What is written at each stage, the last one being what the dictionary writes.

    Stages are the first ``widths`` features for Matryoshka, and for Multi-TopK the ``k`` largest and all that
    were coded; then the *first* is what the dictionary writes. Each part is summed once, and stages are running
    sums of parts.
    """
    codes = coding.codes
    if not isinstance(codes, ActiveCodes):
        edges = [0, *(widths or (dictionary.n_features,))]
        parts = [codes[:, low:high] @ dictionary.decoder[low:high] for low, high in pairwise(edges)]
    else:
        codes, starts, n_parts = staged(codes, coding.main, widths, dictionary.n_features)
        sums = sum_rows(codes.values, codes.indices, starts, dictionary.decoder)
        parts = list(sums.reshape(-1, n_parts, dictionary.d_out).unbind(1))
    written = dictionary.target_bias
    if dictionary.skip is not None:
        written = written + (x - dictionary.bias) @ dictionary.skip
    stages = []
    for part in parts:
        written = written + part
        stages.append(written)
    return stages


def staged(
    codes: ActiveCodes, main: int | None, widths: tuple[int, ...], n_features: int
) -> tuple[ActiveCodes, Int[Tensor, " bag"], int]:
    """Codes whose slots are ordered by activation and stage, where each stage's bag starts, and the stages."""
    batch, n_slots = len(codes.starts), len(codes.indices)
    if main is not None:
        starts = torch.stack([codes.starts, codes.starts + main], dim=1).flatten()
        return codes, starts, 2
    if len(widths) < 2:
        return codes, codes.starts, 1
    edges = torch.tensor(widths[:-1], device=codes.indices.device)
    bag = bags(codes.starts, n_slots) * len(widths) + torch.bucketize(codes.indices, edges, right=True)
    order = bag.argsort(stable=True)
    counts = torch.bincount(bag, minlength=batch * len(widths))
    ordered = ActiveCodes(codes.values[order], codes.indices[order], codes.starts)
    return ordered, counts.cumsum(0) - counts, len(widths)
