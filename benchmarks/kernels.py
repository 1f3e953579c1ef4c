"""Compiled loops beside torch's own operations, for what a training step does on a processor.

    python benchmarks/kernels.py > kernels.json

Selection: the k largest of each row of a bfloat16 product, beside ``torch.topk`` and the two rounds of
``torch.topk`` over groups. The step: clipping, the constraint on directions and Adam, from slots, beside the
same in torch's operations with its fused Adam. Memory is touched in between, since a training step does that.
"""

import argparse
from collections.abc import Callable
from statistics import median
from time import perf_counter

import torch
from hardware import row, write
from torch import Tensor, nn

from monoscope.dictionaries.kernels import scatter_rows
from monoscope.dictionaries.kernels.cpu import largest_positive
from monoscope.dictionaries.kernels.gradients import RowGradient
from monoscope.dictionaries.selection import largest
from monoscope.train.adam import Adam

SIZES = ((512, 8192), (768, 24_576))
"""Width and features."""
BATCH, K = 2048, 32
COLD = torch.zeros(2**26)
"""More than a cache holds."""


def seconds(work: Callable[[], object], repeats: int) -> float:
    """Median seconds of some work, on memory that is not in the cache."""
    taken = []
    for _ in range(repeats + 2):
        COLD.add_(1)
        began = perf_counter()
        work()
        taken.append(perf_counter() - began)
    return median(taken[2:])


def selection(d_model: int, n_features: int, repeats: int) -> list[dict[str, object]]:
    """Milliseconds of each way to select, on the product of one batch."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(BATCH, d_model, generator=generator).bfloat16()
    pre = x @ torch.randn(n_features, d_model, generator=generator).bfloat16().T
    ways = {
        "compiled": lambda: largest_positive(pre, K),
        "torch, two rounds over groups": lambda: largest(pre, K),
        "torch.topk": lambda: pre.topk(K, sorted=False),
    }
    taken = {name: seconds(work, repeats) for name, work in ways.items()}
    what = f"selection, {BATCH:,} x {n_features:,}"
    return [row(f"{what}: {name}, milliseconds", 1000 * each) for name, each in taken.items()]


def step(d_model: int, n_features: int, repeats: int) -> list[dict[str, object]]:
    """Milliseconds of each way to move encoder and decoder."""
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(n_features, d_model, generator=generator)
    named = {
        "encoder": nn.Parameter(rows.clone()),
        "decoder": nn.Parameter(rows / rows.norm(dim=1, keepdim=True)),
    }
    indices = torch.randint(n_features, (BATCH * K,), generator=generator)
    values = torch.randn(BATCH * K, generator=generator)
    starts, x = torch.arange(BATCH) * K, torch.randn(BATCH, d_model, generator=generator)
    adam = Adam(named, betas=(0.9, 0.999), clip=1.0, unit_rows=frozenset({"decoder"}))
    theirs = torch.optim.Adam(list(named.values()), lr=1e-3, fused=True)

    def compiled() -> None:
        first = RowGradient()
        gathered = {"encoder": first, "decoder": RowGradient(first.sorter)}
        for gradient in gathered.values():
            gradient.add_slots(values, indices, starts, x, n_features)
        adam.step(1e-3, gathered)

    @torch.no_grad()
    def plain() -> None:
        decoder: Tensor = named["decoder"]
        for parameter in named.values():
            parameter.grad = scatter_rows(values, indices, starts, x, n_features)
        gradient = decoder.grad
        assert gradient is not None
        gradient.addcmul_(decoder, (gradient * decoder).sum(1, keepdim=True), value=-1)
        nn.utils.clip_grad_norm_(list(named.values()), 1.0)
        theirs.step()
        decoder.div_(decoder.norm(dim=1, keepdim=True))
        for parameter in named.values():
            parameter.grad = None

    what = f"gradients and Adam, {d_model} x {n_features:,}"
    ways = {"compiled": compiled, "torch": plain}
    return [
        row(f"{what}: {name}, milliseconds", 1000 * seconds(work, repeats)) for name, work in ways.items()
    ]


def main() -> None:
    """Time every size, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=15)
    asked = parser.parse_args()
    write([each for size in SIZES for part in (selection, step) for each in part(*size, asked.repeats)])


if __name__ == "__main__":
    main()
