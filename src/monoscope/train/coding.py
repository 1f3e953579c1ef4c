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
    main: int | Int[Tensor, " batch"] | None = None
    """Of the slots of each activation, the first so many are what the dictionary keeps; None: all of them."""

    def kept(self) -> ActiveCodes | Float[Tensor, "batch n_features"]:
        """The codes of what the dictionary keeps."""
        if self.main is None or not isinstance(self.codes, ActiveCodes):
            return self.codes
        values, starts = self.codes.values.clone(), self.codes.starts
        if isinstance(self.main, int):
            values.view(len(starts), -1)[:, self.main :] = 0
        else:
            _, stages, _ = staged(self.codes, self.main, (), 0)
            values[bags(stages, len(values)) % 2 == 1] = 0
        return ActiveCodes(values, self.codes.indices, starts)

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
        workbench: the ranks that code together: the dictionary and the codes are this one's part, selected from
            the features, and for BatchTopK the activations, of all; and who collects gradients. None: one process.
    """
    workbench = workbench or Workbench()
    sparsifier, mesh = dictionary.options.sparsifier, workbench.mesh
    if isinstance(sparsifier, TopK):
        if mesh.features.size > 1:
            return topk_among(dictionary, x, sparsifier.k, also, workbench)
        kept = min(sparsifier.k * also, dictionary.n_features)
        indices = largest_features(dictionary, x, kept, workbench, ordered=also > 1)
        starts = equal_bags(len(x), kept, x.device)
        codes = active_codes(dictionary, x, indices.flatten(), starts, workbench)
        return Coding(codes, None, main=min(sparsifier.k, kept) if also > 1 else None)
    if isinstance(sparsifier, BatchTopK):
        hint = float(dictionary.own["threshold"].detach()) if x.device.type == "cpu" else 0.0
        count = sparsifier.k * len(x) * mesh.data.size
        if mesh.every.size > 1:
            rows, indices = batch_topk_among(dictionary, x, count, hint, workbench)
        else:
            rows, indices = largest_of_all(
                lambda: blocks(dictionary, x, workbench), count, dictionary.n_features, hint
            )
        return Coding(active_codes(dictionary, x, indices, starts_of(rows, x), workbench), None)
    pre = (x - mesh.features.shared(dictionary.bias)) @ dictionary.encoder + dictionary.encoder_bias
    return Coding(sparsifier.trained(pre, dictionary.own), pre)


def topk_among(
    dictionary: SparseAutoencoder, x: Float[Tensor, "batch d_in"], k: int, also: int, workbench: Workbench
) -> Coding:
    """TopK of the features of all ranks: each finds its own largest, and keeps those among the largest of all."""
    features = workbench.mesh.features
    coded = min(k * also, dictionary.n_features * features.size)
    indices = largest_features(dictionary, x, min(coded, dictionary.n_features), workbench, ordered=also > 1)
    candidates = exact(dictionary, x, indices)
    kept = features.largest(candidates, coded)
    counts = kept.sum(1)
    codes = active_codes(dictionary, x, indices[kept], counts.cumsum(0) - counts, workbench)
    main = features.largest(candidates[:, :k], k).sum(1) if also > 1 else None
    return Coding(codes, None, main)


@torch.no_grad()
def largest_features(
    dictionary: SparseAutoencoder,
    x: Float[Tensor, "batch d_in"],
    k: int,
    workbench: Workbench,
    *,
    ordered: bool = False,
) -> Int[Tensor, "batch k"]:
    """The features of largest pre-activation, where positive; with ``ordered`` the largest first."""
    indices = largest_of_products(*halves(dictionary, x, workbench), k, memory(dictionary, x, workbench))
    if not ordered:
        return indices
    return indices.gather(-1, exact(dictionary, x, indices).argsort(dim=-1, descending=True))


@torch.no_grad()
def exact(
    dictionary: SparseAutoencoder, x: Float[Tensor, "batch d_in"], indices: Int[Tensor, "batch k"]
) -> Float[Tensor, "batch k"]:
    """Some pre-activations of each activation, in float32."""
    flat, starts = indices.flatten(), equal_bags(len(x), indices.shape[1], x.device)
    pre = dot_rows(x, dictionary.encoder.T, flat, starts, origin=dictionary.bias)
    return (pre + dictionary.encoder_bias[flat]).reshape(indices.shape)


def batch_topk_among(
    dictionary: SparseAutoencoder,
    x: Float[Tensor, "batch d_in"],
    count: int,
    hint: float,
    workbench: Workbench,
) -> tuple[Int[Tensor, " kept"], Int[Tensor, " kept"]]:
    """Rows and columns of the entries here that are among the ``count`` largest of all ranks; exact.

    Each rank looks for half as many again as its even share. Where all of those are kept there may be more, and
    all ranks look for twice as many.
    """
    mesh = workbench.mesh
    wanted = min(count, 1 + 3 * count // (2 * mesh.every.size))
    while True:
        rows, indices = largest_of_all(
            lambda: blocks(dictionary, x, workbench), wanted, dictionary.n_features, hint
        )
        with torch.no_grad():
            found = active_codes(dictionary, x, indices, starts_of(rows, x), Workbench()).values
        kept = mesh.every.largest(found.unsqueeze(0), count, at_most=wanted).squeeze(0)
        (more,) = mesh.agree(wanted < count and len(rows) == wanted and bool(kept.all()))
        if not more:
            return rows[kept], indices[kept]
        wanted = min(count, 2 * wanted)


def starts_of(rows: Int[Tensor, " slot"], x: Float[Tensor, "batch d_in"]) -> Int[Tensor, " batch"]:
    """Where the slots of each activation start, given the row of each slot in order."""
    return torch.searchsorted(rows, torch.arange(len(x), device=x.device))


def active_codes(
    dictionary: SparseAutoencoder,
    x: Float[Tensor, "batch d_in"],
    indices: Int[Tensor, " slot"],
    starts: Int[Tensor, " batch"],
    workbench: Workbench,
) -> ActiveCodes:
    """The positive pre-activations of the features in ``indices``, computed exactly, and of no others."""
    origin = workbench.mesh.features.shared(dictionary.bias)
    pre = dot_rows(x, dictionary.encoder.T, indices, starts, origin=origin, into=workbench.encoder)
    pre = pre + take(dictionary.encoder_bias, indices)
    return ActiveCodes(pre.relu(), indices, starts)


@torch.no_grad()
def halves(
    dictionary: SparseAutoencoder, x: Float[Tensor, "batch d_in"], workbench: Workbench
) -> tuple[Float[Tensor, "batch d_in"], Float[Tensor, "n_features d_in"], Float[Tensor, " n_features"]]:
    """What pre-activations are the product of: centred activations, encoder and its bias, in bfloat16 where fast.

    In bfloat16 a feature within 0.4 % of the last one kept may be taken in its place. The values of what is
    taken are computed exactly after, and a finished dictionary selects in float32.
    """
    rows, bias = dictionary.encoder.detach().T, dictionary.encoder_bias.detach()
    centred = x - dictionary.bias
    if not halves_are_fast(x.device):
        return centred, rows, bias
    half = workbench.lend("encoder", tuple(rows.shape), torch.bfloat16, x.device)
    return centred.bfloat16(), half.copy_(rows), bias.bfloat16()


def memory(
    dictionary: SparseAutoencoder, x: Float[Tensor, "batch d_in"], workbench: Workbench
) -> Float[Tensor, "block n_features"]:
    """Memory for the pre-activations of a few activations."""
    rows = min(len(x), max(1, ENTRIES // dictionary.n_features))
    dtype = torch.bfloat16 if halves_are_fast(x.device) else dictionary.encoder.dtype
    return workbench.lend("pre", (rows, dictionary.n_features), dtype, x.device)


def blocks(
    dictionary: SparseAutoencoder, x: Float[Tensor, "batch d_in"], workbench: Workbench
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
    workbench = workbench or Workbench()
    codes, features = coding.codes, workbench.mesh.features
    if not isinstance(codes, ActiveCodes):
        edges = [0, *(widths or (dictionary.n_features,))]
        parts = [
            features.sum(codes[:, low:high] @ dictionary.decoder[low:high]) for low, high in pairwise(edges)
        ]
    else:
        codes, starts, n_parts = staged(codes, coding.main, widths, dictionary.n_features)
        sums = sum_rows(codes.values, codes.indices, starts, dictionary.decoder, into=workbench.decoder)
        sums = features.sum(sums)
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
    codes: ActiveCodes, main: int | Int[Tensor, " batch"] | None, widths: tuple[int, ...], n_features: int
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
