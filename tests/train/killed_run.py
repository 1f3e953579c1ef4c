"""A training run for :mod:`train.test_trainer` to kill: ``python killed_run.py OUT``."""

import sys
import time
from pathlib import Path

import torch

from monoscope.dictionaries import AutoencoderOptions, SparseAutoencoder, TopK
from monoscope.train import TensorStream, TrainOptions, train

X = torch.randn(500, 12, generator=torch.Generator().manual_seed(0))
STEPS = 70


def run(out: Path | None, *, pause: float = 0.0, checkpoint_every_seconds: float = 1e9) -> SparseAutoencoder:
    torch.set_num_threads(1)
    options = AutoencoderOptions(n_features=48, sparsifier=TopK(3))
    training = TrainOptions(
        n_tokens=STEPS * 64,
        batch=64,
        checkpoint_every_seconds=checkpoint_every_seconds,
        dead_after_tokens=600,
    )
    return train(TensorStream(X), options, training, out=out, progress=lambda done, total: time.sleep(pause))


if __name__ == "__main__":
    run(Path(sys.argv[1]), pause=0.05, checkpoint_every_seconds=0.0)
