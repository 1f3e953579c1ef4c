"""The floor of a TopK training step: the bare product of a batch with the encoder, which tells what is largest.

    python benchmarks/encoder_product.py --sizes 512x8192 768x24576 > encoder_product.json

In bfloat16, into an output that is there already: one made anew costs as much again in page faults.
"""

import argparse
from statistics import median
from time import perf_counter

import torch
from hardware import write

SIZES = ((512, 8192), (768, 24_576))
"""Widths and numbers of features that are timed."""
BATCH = 2048
"""Activations of a step."""


@torch.no_grad()
def encoder_product(
    batch: int, d_model: int, n_features: int, *, dtype: torch.dtype = torch.bfloat16, repeats: int = 30
) -> float:
    """Median seconds of ``x @ encoder``, for the faster of the two ways that an encoder can lie in memory."""
    x = torch.randn(batch, d_model).to(dtype)
    out = torch.empty(batch, n_features, dtype=dtype)
    by_width = torch.randn(d_model, n_features).to(dtype)
    by_feature = by_width.T.contiguous().T
    return min(median(timed(x, encoder, out, repeats)) for encoder in (by_width, by_feature))


def timed(x: torch.Tensor, encoder: torch.Tensor, out: torch.Tensor, repeats: int) -> list[float]:
    """Seconds of each product, after a few that are not counted."""
    seconds = []
    for _ in range(repeats + 3):
        began = perf_counter()
        torch.mm(x, encoder, out=out)
        seconds.append(perf_counter() - began)
    return seconds[3:]


def size(told: str) -> tuple[int, int]:
    """``512x8192`` as numbers."""
    d_model, n_features = told.split("x")
    return int(d_model), int(n_features)


def main() -> None:
    """Time every size, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--batch", type=int, default=BATCH)
    parser.add_argument("--sizes", type=size, nargs="+", default=SIZES, metavar="WIDTHxFEATURES")
    parser.add_argument("--repeats", type=int, default=30)
    arguments = parser.parse_args()
    rows = []
    for d_model, n_features in arguments.sizes:
        seconds = encoder_product(arguments.batch, d_model, n_features, repeats=arguments.repeats)
        what = f"bf16 product, {arguments.batch:,} x {d_model:,} x {n_features:,}, milliseconds"
        rows.append({"what": what, "ours": round(seconds * 1000, 3)})
    write(rows)


if __name__ == "__main__":
    main()
