"""Dictionaries of one shape, learnt side by side and one after another: milliseconds of learning for each step.

    python benchmarks/sweep.py > sweep.json

Both ways are timed in turn on the same planted activations.
"""

import argparse
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter
from unittest.mock import patch

import peer_train
import torch
from hardware import row, write
from train_step import planted_activations

from monoscope.dictionaries import AutoencoderOptions, TopK
from monoscope.train import TensorStream, TrainOptions, Wanted, train_many, trainer
from monoscope.train.lesson import Lesson
from monoscope.train.shape import Shape, shapes

SIZES = ((64, 512, 4), (128, 2048, 4), (256, 1024, 3), (512, 8192, 2))
"""Width of the activations, features, dictionaries."""


def main() -> None:
    """Time each size both ways."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--batch", type=int, default=4096)
    parser.add_argument("--repetitions", type=int, default=3)
    asked = parser.parse_args()
    rows = []
    for width, n_features, n in SIZES:
        stream = planted(width, asked.batch)
        training = TrainOptions(n_tokens=asked.steps * asked.batch, batch=asked.batch, order_seed=0)
        options = AutoencoderOptions(n_features=n_features, sparsifier=TopK(k=16))
        wanted = [
            Wanted(options=options, training=TrainOptions(**vars(training) | {"seed": s})) for s in range(n)
        ]
        together, apart = [], []
        for _ in range(asked.repetitions):
            together.append(timed(stream, wanted, shapes))
            apart.append(timed(stream, wanted, one_after_another))
        one, other = (1e3 * min(each) / (asked.steps * n) for each in (together, apart))
        what = (
            f"{n} of {n_features:,} x {width}: ms a step side by side, {other:.1f} one after another; ratio"
        )
        rows.append(row(what, one / other, "<= 1"))
    write(rows, asked=vars(asked), cores=torch.get_num_threads())


def planted(width: int, batch: int) -> TensorStream:
    """Activations that are sums of few directions."""
    with tempfile.TemporaryDirectory() as place:
        path, rows = Path(place) / "x.npy", 8 * batch
        planted_activations(path, width, 2 * width, rows + peer_train.HELD_OUT, 8)
        activations = peer_train.Activations(path)
        return TensorStream(torch.cat([activations.batch(n, batch, 0) for n in range(8)]))


def timed(
    stream: TensorStream, wanted: list[Wanted], shared_out: Callable[[Sequence[Lesson]], list[Shape]]
) -> float:
    """Seconds of learning, without the beginning and the last pass."""
    seconds, learn = [], trainer.learn

    def watched(*arguments: object) -> None:
        start = perf_counter()
        learn(*arguments)  # type: ignore[arg-type]
        seconds.append(perf_counter() - start)

    with patch.object(trainer, "learn", watched), patch.object(trainer, "shapes", shared_out):
        train_many(stream, wanted)
    return seconds[0]


def one_after_another(lessons: Sequence[Lesson]) -> list[Shape]:
    """Each step with all cores."""
    return [Shape(lessons, 1)]


if __name__ == "__main__":
    main()
