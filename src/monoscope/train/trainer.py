"""Training from beginning to end: a loop that can stop anywhere and go on."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from itertools import islice
from math import lcm
from pathlib import Path

import torch
from torch import Tensor

from monoscope.dictionaries.activity import Activity
from monoscope.dictionaries.autoencoder import AutoencoderOptions, SparseAutoencoder
from monoscope.dictionaries.scaling import Moments
from monoscope.errors import BrokenInput, WrongUse
from monoscope.train.begin import Origin, begin
from monoscope.train.checkpoint import interruption_awaited
from monoscope.train.lesson import Lesson, Wanted
from monoscope.train.memory import check_memory
from monoscope.train.mesh import ALONE, Mesh
from monoscope.train.options import TrainOptions
from monoscope.train.shape import shapes
from monoscope.train.sharding import check_mesh
from monoscope.train.stopwatch import Stopwatch
from monoscope.train.stream import Batch, PairStream, Store, Stream, stream_of
from monoscope.train.workplace import Workplace, identity

ACTIVITY_TOKENS = 500_000
"""Training tokens, at most, that ``max_activation`` and ``density`` are measured on."""

Progress = Callable[[int, int], None]
"""Called with the tokens that are done and those of the whole run, its last pass included."""


def train(
    activations: Stream | PairStream | Store,
    options: AutoencoderOptions | None = None,
    training: TrainOptions | None = None,
    *,
    out: Path | None = None,
    site: str = "",
    model_hash: str = "",
    parents: Mapping[str, str] | None = None,
    statistics: Moments | None = None,
    progress: Progress | None = None,
    mesh: Mesh = ALONE,
) -> SparseAutoencoder:
    """Learn a dictionary; it reads unscaled activations and knows its ``max_activation`` and ``density``.

    With ``out``, the run keeps checkpoints beside it, and the same call after an interruption of any kind
    goes on from the last one to the same bits, on the same machine, as if nothing had happened. A
    checkpoint of a run with other options or parents is refused. The log is ``out/metrics.jsonl``.

    Several processes may learn one dictionary: each makes the same call, with a mesh. What is learnt, and what is
    written, is that of one process, to rounding; any other number of them may go on with it.

    Args:
        activations: a stream, or an activation store.
        options: what the dictionary is.
        training: how it learns.
        out: folder for the artefact.
        site: where the activations come from; needed for a store of several sites.
        model_hash: content hash of the model they come from; a store knows its own.
        parents: name of each thing the activations were made from -> content hash; a store adds itself.
        statistics: moments of all activations, for scaling; a store has them, otherwise a sample is used.
        progress: called after every batch with tokens done and tokens in all, the last pass included; by the
            first process.
        mesh: the processes that share the work; see :func:`monoscope.train.mesh.torchrun`.

    Raises:
        WrongUse: a store of several sites and none named, or what the processes of the mesh cannot share.
        BrokenInput: activations that cannot be scaled, or a loss that is no longer a number.
        MismatchedArtefact: the checkpoint beside ``out`` is of another run.
        MissingInput: a process does not see the checkpoint that another sees.
        OutOfSpace: the disk is full; the last checkpoint is kept.
        OutOfMemory: so many features cannot be held.
    """
    wanted = Wanted(options=options or AutoencoderOptions(), training=training or TrainOptions(), out=out)
    return train_many(
        activations, [wanted], site=site, model_hash=model_hash, parents=parents, statistics=statistics,
        progress=progress, mesh=mesh,
    )[0]  # fmt: skip


def train_many(
    activations: Stream | PairStream | Store,
    wanted: Sequence[Wanted],
    *,
    site: str = "",
    model_hash: str = "",
    parents: Mapping[str, str] | None = None,
    statistics: Moments | None = None,
    progress: Progress | None = None,
    mesh: Mesh = ALONE,
) -> list[SparseAutoencoder]:
    """Learn several dictionaries from one reading of the activations; each is, to rounding, as if learnt alone.

    On a processor those of one shape learn side by side, each on its share of the cores; one that has no other of its
    shape is the same to the bit.

    All take the same batches: their size and the seed of their order must be the same for all, widths, sparsifiers,
    rates, seeds and numbers of tokens need not. One whose loss is no longer a number drops out; the others are
    learnt to the end and written before that is said.

    Args:
        activations: as :func:`train` takes them.
        wanted: the dictionaries, each with a folder of its own.
        site: as for :func:`train`, and so are the rest.
        model_hash: content hash of the model.
        parents: hashes of what the activations were made from.
        statistics: moments of all activations.
        progress: called with the tokens of the stream that are done and those in all.
        mesh: the processes that share the work.

    Raises:
        WrongUse: they cannot share their batches; and whatever :func:`train` raises.
    """
    check_shared(wanted)
    for each in wanted:
        check_mesh(each.options, each.training, mesh)
    stream, site = stream_of(activations, site)
    parents = dict(parents or {})
    if isinstance(activations, Store):
        parents = {"activations": activations.hash} | parents
        model_hash = model_hash or activations.model_hash
        statistics = statistics or activations.statistics(site)
    origin, device = Origin(site, model_hash), stream.sample(1, 0).device
    d_out = stream.d_out if isinstance(stream, PairStream) else stream.d_model
    n_features = sum(each.options.n_features for each in wanted) // mesh.features.size
    check_memory(n_features, stream.d_model, d_out, device)
    watch, lessons = Stopwatch(), []
    for each in wanted:
        known = identity(each.options, each.training, parents, origin, stream.d_model)
        workplace = Workplace(each.out, known, mesh)
        run = workplace.resume(each.options, each.training, origin, device)
        run = run or begin(stream, each.options, each.training, statistics, origin, mesh)
        workplace.tell(each.training.mirrors, run.step)
        lessons.append(Lesson(run, workplace, watch))
    announcer = Announcer(lessons, progress if mesh.first else None)
    try:
        learn(lessons, stream, watch, announcer)
    finally:
        for lesson in lessons:
            lesson.workplace.log.close()
    sound = [lesson for lesson in lessons if lesson.broken is None]
    dictionaries = finished(sound, stream, announcer)
    for lesson, dictionary in zip(sound, dictionaries, strict=True):
        lesson.workplace.publish(dictionary, parents, lesson.run.training)
    mesh.meet()
    say_broken(lessons)
    return dictionaries


def check_shared(wanted: Sequence[Wanted]) -> None:
    """Refuse dictionaries that cannot take the same batches, or would be written to one place.

    Raises:
        WrongUse: they cannot.
    """
    for what, found in (
        ("batch sizes", {each.training.batch for each in wanted}),
        ("orders of the tokens", {each.training.order for each in wanted}),
    ):
        if len(found) != 1:
            named = ", ".join(map(str, sorted(found))) or "none"
            raise WrongUse(
                f"dictionaries that share their batches have one of these, and here are {what} {named}",
                "give all the same batch and order_seed",
            )
    places = [each.out.resolve() for each in wanted if each.out is not None]
    if twice := {str(place) for place in places if places.count(place) > 1}:
        raise WrongUse(f"two dictionaries are to be written to {min(twice)}", "give each a folder of its own")


def learn(
    lessons: Sequence[Lesson], stream: Stream | PairStream, watch: Stopwatch, announcer: "Announcer"
) -> None:
    """Take the steps that are left; an interrupt is obeyed between two batches, after a checkpoint."""
    training, mesh = lessons[0].run.training, lessons[0].run.mesh
    first = min(lesson.run.step for lesson in lessons)
    last = max(lesson.run.training.n_steps for lesson in lessons)
    often = min(lesson.run.training.checkpoint_every_seconds for lesson in lessons)
    left = islice(stream.batches(training.batch, seed=training.order, start=first), last - first)
    numbered = enumerate(watch.waiting_for("stream", left), start=first)
    saved, groups = watch.last, shapes(lessons)
    together = lcm(*(group.n_batches for group in groups))
    with ExitStack() as stack:
        interrupted = stack.enter_context(interruption_awaited())
        for group in groups:
            stack.callback(group.close)
        while some := tuple(islice(numbered, together)):
            batches = [(number, checked(batch, number, lessons[0].run.dictionary)) for number, batch in some]
            for group in groups:
                group.take(batches, stream)
            watch.mark("dictionary")
            due = mesh.first and watch.last - saved > often
            stop, due = mesh.agree(interrupted(), due)
            if stop or due:
                keep(lessons)
                saved = watch.last
            if stop:
                raise KeyboardInterrupt
            announcer.done(batches[-1][0] + 1)
            watch.mark("keeping")
            if all(lesson.broken for lesson in lessons):
                return
    keep(lessons)


def keep(lessons: Sequence[Lesson]) -> None:
    """Write a checkpoint of each."""
    for lesson in lessons:
        lesson.keep()


def finished(
    lessons: Sequence[Lesson], stream: Stream | PairStream, announcer: "Announcer"
) -> list[SparseAutoencoder]:
    """The dictionaries; their features' activity is measured on the batches of the beginning, read once more."""
    dictionaries = [lesson.run.finished() for lesson in lessons]
    activities = [Activity(dictionary) for dictionary in dictionaries]
    passes = [n_last_pass(lesson.run.training) for lesson in lessons]
    if not lessons:
        return []
    training, data = lessons[0].run.training, lessons[0].run.mesh.data
    batches = islice(stream.batches(training.batch, seed=training.order), max(passes))
    for number, batch in enumerate(batches):
        x = data.part(batch[0] if isinstance(batch, tuple) else batch)
        for activity, n_batches in zip(activities, passes, strict=True):
            if number < n_batches:
                activity.see(x)
        announcer.done(announcer.n_steps + number + 1)
    for activity, dictionary in zip(activities, dictionaries, strict=True):
        activity.record()
        dictionary.max_activation.copy_(data.max(dictionary.max_activation))
        dictionary.density.copy_(data.mean(dictionary.density))
    return dictionaries


def n_last_pass(training: TrainOptions) -> int:
    """Batches that the activity of features is measured on."""
    return min(training.n_steps, max(1, ACTIVITY_TOKENS // training.batch))


class Announcer:
    """Says how far the lessons are, in tokens of the stream."""

    def __init__(self, lessons: Sequence[Lesson], progress: Progress | None) -> None:
        trainings = [lesson.run.training for lesson in lessons]
        self.progress, self.batch = progress, trainings[0].batch
        self.n_steps = max(training.n_steps for training in trainings)
        self.n_batches = self.n_steps + max(map(n_last_pass, trainings))

    def done(self, batches: int) -> None:
        """So many batches are done, those of the last pass included."""
        if self.progress is not None:
            self.progress(batches * self.batch, self.n_batches * self.batch)


def checked(batch: Batch, number: int, dictionary: SparseAutoencoder) -> tuple[Tensor, ...]:
    """What is read, and what should be written where that is something else.

    Raises:
        BrokenInput: the width is not the dictionary's, or an activation is not finite.
    """
    both = batch if isinstance(batch, tuple) else (batch,)
    for x, width in zip(both, (dictionary.d_model, dictionary.d_out), strict=False):
        if x.shape[1] != width:
            raise BrokenInput(
                f"batch {number} has activations of width {x.shape[1]}, those before had {width}",
                "the stream must come from one site of one model",
            )
        # On a GPU looking would make the step wait; there the loss gives it away a little later.
        if x.device.type == "cpu" and not bool(torch.isfinite(x.sum())):
            raise BrokenInput(
                f"batch {number} holds activations that are not finite",
                "look for the text that breaks the model, or harvest in float32",
            )
    return both


def say_broken(lessons: Sequence[Lesson]) -> None:
    """Raise what ended a lesson early.

    Raises:
        BrokenInput: there was something.
    """
    broken = [(lesson.name, lesson.broken) for lesson in lessons if lesson.broken is not None]
    if not broken:
        return
    name, error = broken[0]
    if len(lessons) == 1:
        raise error
    others = f", and {len(broken) - 1} others broke as well" if len(broken) > 1 else ""
    raise BrokenInput(f"{name} could not be learnt: {error.sentence}{others}", error.hint)
