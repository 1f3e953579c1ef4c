"""A dictionary of 131,072 features of width 512 on a small machine: seconds a step, and the most memory it took.

    python benchmarks/wide.py > wide.json

Activations are planted (``train_step.py``). Learning, the last pass for the features' activity, a checkpoint and the
finished file are all in the figure of memory.
"""

import argparse
import tempfile
from pathlib import Path

import peer_train
import torch
from hardware import row, write
from train_step import planted_activations

from monoscope.dictionaries import AutoencoderOptions, TopK
from monoscope.train import TensorStream, TrainOptions, read_metrics, train

GIBIBYTES = 24
"""What the machine may have."""


def main() -> None:
    """Plant, learn, tell."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--features", type=int, default=131_072)
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--k", type=int, default=32)
    parser.add_argument("--batch", type=int, default=2048)
    parser.add_argument("--steps", type=int, default=50)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        path, out = Path(place) / "x.npy", Path(place) / "dictionary"
        rows = asked.batch * asked.steps
        planted_activations(path, asked.width, asked.features // 2, rows + peer_train.HELD_OUT, asked.k // 2)
        activations = peer_train.Activations(path)
        stream = TensorStream(torch.cat([activations.batch(n, asked.batch, 0) for n in range(asked.steps)]))
        before = peer_train.peak_memory()
        options = AutoencoderOptions(n_features=asked.features, sparsifier=TopK(asked.k))
        training = TrainOptions(n_tokens=rows, batch=asked.batch)
        train(stream, options, training, out=out)
        last = read_metrics(out / "metrics.jsonl")[-1]
        size = (out / "dictionary.safetensors").stat().st_size
    peak = peer_train.peak_memory() / 2**30
    what = f"{asked.features:,} x {asked.width}: GiB at the peak"
    write(
        [row(what, peak, f"<= {GIBIBYTES}")],
        seconds_per_step=asked.batch / last["tokens_per_second"],
        memory_before_gib=before / 2**30,
        file_gib=size / 2**30,
        fvu=last["fvu"],
        dead_share=last["dead_share"],
        asked=vars(asked),
    )


if __name__ == "__main__":
    main()
