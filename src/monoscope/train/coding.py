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
from monoscope.dictionaries.selection import largest_of_all, largest_of_products
from monoscope.dictionaries.sparsifiers import BatchTopK, TopK
from monoscope.train.workbench import Workbench

ENTRIES = 2**24
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


def coding_of(
    dictionary: SparseAutoencoder,
    x: Float[Tensor, "batch d_in"],
    *,
    also: int = 1,
    workbench: Workbench | None = None,
) -> Coding:
    """The codes that training sees.

    Args:
        dictionary: the dictionary, in the units of ``x``.
        x: scaled activations.
        also: Multi-TopK: code ``also * k`` features of each activation, the ``k`` largest first.
        workbench: collects the gradients of encoder and decoder; None: autograd gives them.
    """
    sparsifier = dictionary.options.sparsifier
    if isinstance(sparsifier, TopK):
        kept = min(sparsifier.k * also, dictionary.n_features)
        indices = largest_of_products(
            *halves(dictionary, x, workbench), kept, memory(dictionary, x, workbench)
        )
        starts = equal_bags(len(x), kept, x.device)
        if also > 1:
            indices = largest_first(dictionary, x, indices)
        codes = active_codes(dictionary, x, indices.flatten(), starts, workbench)
        return Coding(codes, None, main=min(sparsifier.k, kept) if also > 1 else None)
    if isinstance(sparsifier, BatchTopK):
        hint = float(dictionary.own["threshold"].detach()) if x.device.type == "cpu" else 0.0
        rows, indices = largest_of_all(
            lambda: blocks(dictionary, x, workbench), sparsifier.k * len(x), dictionary.n_features, hint
        )
        starts = torch.searchsorted(rows, torch.arange(len(x), device=x.device))
        return Coding(active_codes(dictionary, x, indices, starts, workbench), None)
    pre = dictionary.pre_activations(x)
    return Coding(sparsifier.trained(pre, dictionary.own), pre)


def active_codes(
    dictionary: SparseAutoencoder,
    x: Float[Tensor, "batch d_in"],
    indices: Int[Tensor, " slot"],
    starts: Int[Tensor, " batch"],
    workbench: Workbench | None,
) -> ActiveCodes:
    """The positive pre-activations of the features in ``indices``, computed exactly, and of no others."""
    into = None if workbench is None else workbench.encoder
    pre = dot_rows(x, dictionary.encoder.T, indices, starts, origin=dictionary.bias, into=into)
    pre = pre + take(dictionary.encoder_bias, indices)
    return ActiveCodes(pre.relu(), indices, starts)


@torch.no_grad()
def largest_first(
    dictionary: SparseAutoencoder, x: Float[Tensor, "batch d_in"], indices: Int[Tensor, "batch k"]
) -> Int[Tensor, "batch k"]:
    """The features of each activation in falling order of their exact pre-activations."""
    flat, starts = indices.flatten(), equal_bags(len(x), indices.shape[1], x.device)
    pre = dot_rows(x, dictionary.encoder.T, flat, starts, origin=dictionary.bias)
    pre = (pre + dictionary.encoder_bias[flat]).reshape(indices.shape)
    return indices.gather(-1, pre.argsort(dim=-1, descending=True))


@torch.no_grad()
def halves(
    dictionary: SparseAutoencoder, x: Float[Tensor, "batch d_in"], workbench: Workbench | None
) -> tuple[Float[Tensor, "batch d_in"], Float[Tensor, "n_features d_in"], Float[Tensor, " n_features"]]:
    """What pre-activations are the product of: centred activations, encoder and its bias, in bfloat16 where fast.

    In bfloat16 a feature within 0.4 % of the last one kept may be taken in its place. The values of what is
    taken are computed exactly after, and a finished dictionary selects in float32.
    """
    rows, bias = dictionary.encoder.detach().T, dictionary.encoder_bias.detach()
    centred = x - dictionary.bias
    if not halves_are_fast(x.device):
        return centred, rows, bias
    half = (workbench or Workbench()).lend("encoder", tuple(rows.shape), torch.bfloat16, x.device)
    return centred.bfloat16(), half.copy_(rows), bias.bfloat16()


def memory(
    dictionary: SparseAutoencoder, x: Float[Tensor, "batch d_in"], workbench: Workbench | None
) -> Float[Tensor, "block n_features"]:
    """Memory for the pre-activations of a few activations."""
    rows = min(len(x), max(1, ENTRIES // dictionary.n_features))
    dtype = torch.bfloat16 if halves_are_fast(x.device) else torch.float32
    return (workbench or Workbench()).lend("pre", (rows, dictionary.n_features), dtype, x.device)


def blocks(
    dictionary: SparseAutoencoder, x: Float[Tensor, "batch d_in"], workbench: Workbench | None
) -> Iterator[Float[Tensor, "block n_features"]]:
    """Pre-activations of a few activations at a time; each block overwrites the last."""
    centred, rows, bias = halves(dictionary, x, workbench)
    held = memory(dictionary, x, workbench)
    for block in centred.split(len(held)):
        yield torch.addmm(bias, block, rows.T, out=held[: len(block)])


def reconstructions(
    dictionary: SparseAutoencoder,
    x: Float[Tensor, "batch d_in"],
    coding: Coding,
    widths: tuple[int, ...] = (),
    workbench: Workbench | None = None,
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
        into = None if workbench is None else workbench.decoder
        sums = sum_rows(codes.values, codes.indices, starts, dictionary.decoder, into=into)
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
