"""Finding the largest pre-activations: exact, and in as few looks as possible."""

from collections.abc import Callable, Iterable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from monoscope.dictionaries.kernels import cpu

HINTED = 0.8
"""Share of a hinted threshold above which candidates are looked for first."""


def largest(
    pre: Float[Tensor, "*batch n_features"], k: int, *, ordered: bool = False
) -> Int[Tensor, "*batch k"]:
    """Indices of the ``k`` largest entries of each row; exact. In no particular order, or the largest first.

    Two rounds, each over few entries: the ``k`` largest entries lie within the ``k`` groups of largest
    maximum, since an entry outside them is exceeded by each of those ``k`` maxima. Looking at all entries
    at once takes three times as long.
    """
    n_features = pre.shape[-1]
    size = group_size(n_features, k)
    if size == 1:
        return pre.topk(k, dim=-1, sorted=ordered).indices
    n_groups = n_features // size
    grouped = pre.unflatten(-1, (size, n_groups))
    groups = grouped.amax(-2).topk(k, dim=-1, sorted=False).indices
    shape = (*pre.shape[:-1], size, k)
    candidates = grouped.gather(-1, groups.unsqueeze(-2).expand(shape)).flatten(-2)
    best = candidates.topk(k, dim=-1, sorted=ordered).indices
    return (best // k) * n_groups + groups.gather(-1, best % k)


def largest_of_products(
    x: Float[Tensor, "rows d_model"],
    encoder: Float[Tensor, "n_features d_model"],
    bias: Float[Tensor, " n_features"],
    k: int,
    memory: Float[Tensor, "block n_features"],
) -> Int[Tensor, "rows k"]:
    """Indices of the ``k`` largest entries of each row of ``x @ encoder.T + bias``, as far as they are positive.

    Exact for entries in the type of ``x``. A row with fewer positive entries is filled with other indices.

    Args:
        x: in the type of ``encoder`` and ``bias``, float32 or bfloat16.
        encoder: one row a feature.
        bias: added to each entry.
        k: entries to find in each row.
        memory: for the entries of a few rows at a time, which are never held for all.
    """
    if x.device.type == "cuda":
        from monoscope.dictionaries.kernels import cuda

        return cuda.largest_products(x, encoder, bias, k)
    indices = torch.empty(len(x), k, dtype=torch.int64)
    for block, found in zip(x.split(len(memory)), indices.split(len(memory)), strict=True):
        cpu.largest_positive(torch.addmm(bias, block, encoder.T, out=memory[: len(block)]), k, found)
    return indices


def group_size(n_features: int, k: int) -> int:
    """Entries in a group of :func:`largest`: what leaves the least to look at; 1 means no groups."""
    sizes = [
        size for size in (1, 2, 4, 8, 16, 32, 64, 128) if n_features % size == 0 and n_features // size >= k
    ]
    return min(sizes, key=lambda size: n_features if size == 1 else n_features // size + size * k, default=1)


def largest_of_all(
    blocks: Callable[[], Iterable[Float[Tensor, "rows n_features"]]],
    count: int,
    n_features: int,
    hint: float = 0.0,
) -> tuple[Int[Tensor, " kept"], Int[Tensor, " kept"]]:
    """Rows and columns of the ``count`` largest positive entries of all blocks together, row after row; exact.

    Only entries above a bound are remembered: at first a share of the hinted threshold, and whenever twice
    ``count`` are at hand, the ``count``-th largest of them. Should the hint have been too high, everything is
    looked at once more without one.

    Args:
        blocks: gives the blocks, from the first on, each time it is called.
        count: how many to find; fewer are returned when fewer are positive.
        n_features: columns.
        hint: about the smallest entry that will be kept; 0: not known.
    """
    bound = HINTED * hint
    values, places = [], []
    held, first_row = 0, 0
    for block in blocks():
        flat = block.flatten()
        found = (flat > bound).nonzero().squeeze(1)
        values.append(flat[found])
        places.append(found + first_row * n_features)
        held, first_row = held + len(found), first_row + len(block)
        if held > 2 * count:
            best = torch.cat(values).topk(count, sorted=False)
            values, places = [best.values], [torch.cat(places)[best.indices]]
            held, bound = count, float(best.values.min())
    if held < count and hint > 0:
        return largest_of_all(blocks, count, n_features)
    together, where = torch.cat(values), torch.cat(places)
    if held > count:
        where = where[together.topk(count, sorted=False).indices]
    where = where.sort().values
    return where // n_features, where % n_features
