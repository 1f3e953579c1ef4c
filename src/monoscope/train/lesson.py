"""One dictionary while it is learnt: its run, where that is kept, and what its log says."""

from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from time import monotonic
from typing import final

import torch
from torch import Tensor

from monoscope.dictionaries.autoencoder import AutoencoderOptions
from monoscope.errors import BrokenInput, OutOfMemory
from monoscope.train.options import TrainOptions
from monoscope.train.resampling import resample
from monoscope.train.run import Outcome, Run
from monoscope.train.stopwatch import Stopwatch
from monoscope.train.stream import PairStream, Stream
from monoscope.train.workplace import Workplace

LOG_EVERY = 50
"""Steps between two lines of the log."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A dictionary to be learnt."""

    options: AutoencoderOptions = field(default_factory=AutoencoderOptions)
    """What it is."""
    training: TrainOptions = field(default_factory=TrainOptions)
    """How it learns."""
    out: Path | None = None
    """Folder for the artefact; without one nothing is kept, and an interrupted run is lost."""


@final
class Lesson:
    """A dictionary that learns from the batches it is given."""

    def __init__(self, run: Run, workplace: Workplace, watch: Stopwatch) -> None:
        self.run, self.workplace, self.watch = run, workplace, watch
        self.logged, self.since = watch.last, run.step
        settings = run.training.resampling
        shares = () if settings is None else settings.at
        self.resampling_steps = {round(share * run.training.n_steps) for share in shares}
        self.broken: BrokenInput | None = None

    @property
    def name(self) -> str:
        """What messages call it."""
        return "the dictionary" if self.workplace.out is None else str(self.workplace.out)

    def wants(self, number: int) -> bool:
        """Whether the batch of that number is its next."""
        return self.broken is None and self.run.step == number < self.run.training.n_steps

    def take(self, batch: tuple[Tensor, ...], stream: Stream | PairStream) -> None:
        """Learn from a batch; a loss that is no longer a number leaves the lesson ``broken``.

        Raises:
            OutOfMemory: the device has no more.
        """
        run = self.run
        try:
            if run.step in self.resampling_steps:
                resample(run, *sampled(stream, run.training, run.step))
            outcome = run.advance(*(run.mesh.data.part(each) for each in batch))
        except torch.OutOfMemoryError as error:
            raise OutOfMemory(
                f"{batch[0].device} ran out of memory at step {run.step} of {run.n_features:,} features in batches "
                f"of {run.training.batch:,}",
                "give a smaller batch or fewer features; the last checkpoint is kept",
            ) from error
        if run.step % LOG_EVERY == 0 or run.step == run.training.n_steps:
            self.say(outcome)

    def say(self, outcome: Outcome) -> None:
        """Write a line of the log, unless its loss is no number."""
        run = self.run
        metrics = outcome.metrics()
        if not isfinite(metrics["loss"]):
            self.broken = BrokenInput(
                f"the loss is {metrics['loss']} at step {run.step}",
                "lower the learning rate, or look for broken activations",
            )
            return
        now = monotonic()
        speed = (run.step - self.since) * run.training.batch / max(now - self.logged, 1e-9)
        place = {"step": run.step, "tokens": run.step * run.training.batch}
        times = {f"{part}_share": round(share, 4) for part, share in self.watch.shares().items()}
        self.workplace.log.write(place | metrics | {"tokens_per_second": round(speed)} | times)
        self.logged, self.since = now, run.step

    def keep(self) -> None:
        """Write a checkpoint, unless there is nothing to go on with."""
        if self.broken is None:
            self.workplace.keep(self.run)


def sampled(stream: Stream | PairStream, training: TrainOptions, step: int) -> tuple[Tensor, ...]:
    """Activations that new directions are drawn from, and what should be written for them: others each time."""
    assert training.resampling is not None
    seed, n = training.seed + step, training.resampling.n_tokens
    if isinstance(stream, PairStream):
        return stream.reading.sample(n, seed), stream.writing.sample(n, seed)
    return (stream.sample(n, seed),)
