"""What selecting in bfloat16 changes: how often another feature is taken, and what that costs.

    python benchmarks/selection.py --activations DIR > selection.json

Trains one TopK dictionary, whose products are made in bfloat16 where that is fast, and then codes some of the
activations twice: features selected from a product in bfloat16, and from one in float32. Values are computed in
float32 both times, so that the selection is the only difference.
"""

import argparse
from pathlib import Path

import torch
from hardware import row, write
from jaxtyping import Float, Int
from torch import Tensor

from monoscope.activations import ActivationStore
from monoscope.dictionaries import AutoencoderOptions, SparseAutoencoder, TopK
from monoscope.dictionaries.selection import largest
from monoscope.train import TrainOptions, train

CODED = 32_768
"""Activations that are coded both ways."""


def selected(
    dictionary: SparseAutoencoder, x: Float[Tensor, "batch d_model"], dtype: torch.dtype, k: int
) -> Int[Tensor, "batch k"]:
    """The k largest pre-activations of each activation, of a product in that type."""
    encoder, bias = dictionary.encoder.to(dtype), dictionary.encoder_bias.to(dtype)
    return largest(torch.addmm(bias, (x - dictionary.bias).to(dtype), encoder), k)


@torch.no_grad()
def compared(dictionary: SparseAutoencoder, x: Float[Tensor, "batch d_model"], k: int) -> dict[str, float]:
    """Share of slots that hold another feature, of activations with one, and the FVU both ways."""
    slots = rows = 0
    left = {torch.bfloat16: 0.0, torch.float32: 0.0}
    for block in x.split(1024):
        pre = dictionary.pre_activations(block)
        kept = {}
        for dtype in left:
            indices = selected(dictionary, block, dtype, k)
            kept[dtype] = torch.zeros_like(pre, dtype=torch.bool).scatter(1, indices, True) & (pre > 0)
            codes = pre * kept[dtype]
            left[dtype] += float((block - dictionary.decode(codes)).square().sum())
        other = (kept[torch.bfloat16] & ~kept[torch.float32]).sum(1)
        slots += int(other.sum())
        rows += int((other > 0).sum())
    spread = float((x - x.mean(0)).square().sum())
    return {
        "slots": slots / (len(x) * k),
        "activations": rows / len(x),
        "bfloat16": left[torch.bfloat16] / spread,
        "float32": left[torch.float32] / spread,
    }


def main() -> None:
    """Train, compare, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--activations", type=Path, required=True, metavar="DIR")
    parser.add_argument("--site")
    parser.add_argument("--features", type=int, default=8192)
    parser.add_argument("--k", type=int, default=32)
    parser.add_argument("--tokens", type=int, default=1_000_000)
    asked = parser.parse_args()
    stream = ActivationStore.open(asked.activations).stream(asked.site)
    options = AutoencoderOptions(n_features=asked.features, sparsifier=TopK(asked.k))
    dictionary = train(stream, options, TrainOptions(n_tokens=asked.tokens))
    found = compared(dictionary, stream.sample(CODED, seed=1).float(), asked.k)
    what = f"{asked.features:,} features, k {asked.k}"
    write(
        [
            row(f"{what}: share of slots that bfloat16 gives to another feature", found["slots"]),
            row(f"{what}: share of activations in which it gives one", found["activations"]),
            row(f"{what}: FVU, selected in float32", found["float32"]),
            row(
                f"{what}: FVU, selected in bfloat16, in the former",
                found["bfloat16"] / found["float32"],
                "<= 1.01",
            ),
        ]
    )


if __name__ == "__main__":
    main()
