"""Lessons of one shape: they learn side by side, each on its share of the cores.

A step of a small dictionary is short beside what it takes to hand its parts to several cores. Whole steps are
handed out instead: each worker takes a step of one dictionary on the cores that are its own, and nobody waits for
another before the end of a batch. Each dictionary is the one that it would be alone, to rounding: the sums in a dense
product are shared out among the cores. The same dictionaries asked for again end with the same bits.
"""

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import groupby
from math import lcm
from typing import final

import torch
from torch import Tensor

from monoscope.train.lesson import Lesson
from monoscope.train.stream import PairStream, Stream

Numbered = tuple[int, tuple[Tensor, ...]]
"""A batch and its number in the stream."""


@final
class Shape:
    """Lessons whose steps take equally long, and the workers that take them."""

    def __init__(self, lessons: Sequence[Lesson], n_workers: int) -> None:
        """Lessons that share the cores among ``n_workers``."""
        self.lessons, self.n_workers = lessons, n_workers
        self.cores = torch.get_num_threads()
        self.pool: ThreadPoolExecutor | None = None
        if n_workers > 1:
            share = (self.cores // n_workers,)
            self.pool = ThreadPoolExecutor(
                n_workers, "lesson", initializer=torch.set_num_threads, initargs=share
            )

    @property
    def n_batches(self) -> int:
        """Batches after which every worker has taken as many steps as every other."""
        return lcm(len(self.lessons), self.n_workers) // len(self.lessons)

    def take(self, batches: Sequence[Numbered], stream: Stream | PairStream) -> None:
        """Every lesson learns from every batch that it wants, in their order.

        Raises:
            OutOfMemory: the device has no more.
        """
        if self.pool is None:
            for batch in batches:
                for lesson in self.lessons:
                    step(lesson, batch, stream)
            return
        last: dict[int, Future[None]] = {}
        for batch in batches:
            for place, lesson in enumerate(self.lessons):
                last[place] = self.pool.submit(step, lesson, batch, stream, last.get(place))
        for taken in last.values():
            taken.result()

    def close(self) -> None:
        """Let the workers go."""
        if self.pool is not None:
            self.pool.shutdown()
            # A thread's number of cores is torch's own for all threads to come.
            torch.set_num_threads(self.cores)


def step(
    lesson: Lesson, batch: Numbered, stream: Stream | PairStream, before: Future[None] | None = None
) -> None:
    """One step of a lesson, after the step before it, if the lesson wants the batch."""
    if before is not None:
        before.result()
    number, both = batch
    if lesson.wants(number):
        lesson.take(both, stream)


def shapes(lessons: Sequence[Lesson]) -> list[Shape]:
    """The lessons by what their steps take; a GPU, or several processes, take one step after another."""

    def shape(lesson: Lesson) -> tuple[int, str]:
        options = lesson.run.dictionary.options
        return options.n_features, options.sparsifier.name

    run = lessons[0].run
    shared = run.mesh.every.size > 1 or run.dictionary.bias.device.type != "cpu"
    groups = (list(group) for _, group in groupby(sorted(lessons, key=shape), key=shape))
    cores = 1 if shared else torch.get_num_threads()
    return [Shape(group, min(len(group), cores)) for group in groups]
