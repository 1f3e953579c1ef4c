"""Training from beginning to end: a loop that can stop anywhere and go on."""

import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from itertools import islice
from math import isfinite
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from monoscope.dictionaries.activity import record_activity
from monoscope.dictionaries.autoencoder import AutoencoderOptions, SparseAutoencoder
from monoscope.dictionaries.files import save
from monoscope.dictionaries.scaling import Moments
from monoscope.errors import BrokenInput, MissingInput, WrongUse
from monoscope.manifest import SCHEMA, content_hash, full_disk_is_said
from monoscope.train.begin import Origin, begin
from monoscope.train.checkpoint import interruption_awaited, read_checkpoint, write_checkpoint
from monoscope.train.log import MetricsLog
from monoscope.train.memory import check_memory
from monoscope.train.mesh import ALONE, Mesh
from monoscope.train.options import TrainOptions
from monoscope.train.resampling import resample
from monoscope.train.run import Run
from monoscope.train.sharding import check_mesh, parts, whole
from monoscope.train.stopwatch import Stopwatch
from monoscope.train.stream import Batch, PairStream, Store, Stream, stream_of

LOG_EVERY = 50
"""Steps between two lines of the log."""
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
    checkpoint of a run with other options or parents is not used. The log is ``out/metrics.jsonl``.

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
        MissingInput: a process does not see the checkpoint that another sees.
        OutOfSpace: the disk is full; the last checkpoint is kept.
        OutOfMemory: so many features cannot be held.
    """
    options, training = options or AutoencoderOptions(), training or TrainOptions()
    check_mesh(options, training, mesh)
    progress = progress if mesh.first else None
    stream, site = stream_of(activations, site)
    parents = dict(parents or {})
    if isinstance(activations, Store):
        parents, model_hash = (
            {"activations": activations.hash} | parents,
            model_hash or activations.model_hash,
        )
        statistics = statistics or activations.statistics(site)
    origin = Origin(site, model_hash)
    workplace = Workplace(out, identity(options, training, parents, origin, stream.d_model), mesh)
    d_out = stream.d_out if isinstance(stream, PairStream) else stream.d_model
    shard = replace(options, n_features=options.n_features // mesh.features.size)
    check_memory(shard, stream.d_model, d_out, torch.device("cpu"))
    run = workplace.resume(options, training, origin)
    run = run or begin(stream, options, training, statistics, origin, mesh)
    workplace.tell(training.mirrors, run.step)
    try:
        learn(run, stream, workplace, progress)
    finally:
        workplace.log.close()
    dictionary = run.finished()
    record_activity(dictionary, first_batches(stream, training, progress, mesh))
    dictionary.max_activation.copy_(mesh.data.max(dictionary.max_activation))
    dictionary.density.copy_(mesh.data.mean(dictionary.density))
    workplace.publish(dictionary, parents, training)
    mesh.meet()
    return dictionary


def learn(run: Run, stream: Stream | PairStream, workplace: "Workplace", progress: Progress | None) -> None:
    """Take the steps that are left; an interrupt is obeyed between two of them, after a checkpoint."""
    training, n_steps, mesh = run.training, run.training.n_steps, run.mesh
    left = islice(stream.batches(training.batch, seed=training.seed, start=run.step), n_steps - run.step)
    events = resampling_steps(training)
    watch = Stopwatch()
    saved = logged = watch.last
    since = run.step
    with interruption_awaited() as interrupted:
        for batch in watch.waiting_for("stream", left):
            if run.step in events:
                resample(run, *sampled(stream, training, run.step))
            outcome = run.advance(*(mesh.data.part(each) for each in checked(batch, run)))
            now = watch.mark("dictionary")
            if run.step % LOG_EVERY == 0 or run.step == n_steps:
                speed = (run.step - since) * training.batch / max(now - logged, 1e-9)
                metrics = outcome.metrics()
                check_finite(metrics["loss"], run.step)
                place = {"step": run.step, "tokens": run.step * training.batch}
                times = {f"{part}_share": round(share, 4) for part, share in watch.shares().items()}
                workplace.log.write(place | metrics | {"tokens_per_second": round(speed)} | times)
                logged, since = now, run.step
            due = mesh.first and now - saved > training.checkpoint_every_seconds
            stop, due = mesh.agree(interrupted(), due)
            if stop or due:
                workplace.keep(run)
                saved = now
            if stop:
                raise KeyboardInterrupt
            report(progress, training, run.step)
            watch.mark("keeping")
    workplace.keep(run)


def resampling_steps(training: TrainOptions) -> set[int]:
    """The steps before which dead features are made anew."""
    settings = training.resampling
    return set() if settings is None else {round(share * training.n_steps) for share in settings.at}


def sampled(stream: Stream | PairStream, training: TrainOptions, step: int) -> tuple[Tensor, ...]:
    """Activations that new directions are drawn from, and what should be written for them: others each time."""
    assert training.resampling is not None
    seed, n = training.seed + step, training.resampling.n_tokens
    if isinstance(stream, PairStream):
        return stream.reading.sample(n, seed), stream.writing.sample(n, seed)
    return (stream.sample(n, seed),)


def first_batches(
    stream: Stream | PairStream, training: TrainOptions, progress: Progress | None, mesh: Mesh
) -> Iterator[Float[Tensor, "batch d_model"]]:
    """The batches of the run's beginning once more, for the activity of its features; of each this rank's part."""
    for number, batch in enumerate(
        islice(stream.batches(training.batch, seed=training.seed), n_last_pass(training))
    ):
        yield mesh.data.part(batch[0] if isinstance(batch, tuple) else batch)
        report(progress, training, training.n_steps + number + 1)


def n_last_pass(training: TrainOptions) -> int:
    """Batches that the activity of features is measured on."""
    return min(training.n_steps, max(1, ACTIVITY_TOKENS // training.batch))


def report(progress: Progress | None, training: TrainOptions, batches: int) -> None:
    """Say how far the run is, in tokens."""
    if progress is not None:
        progress(batches * training.batch, (training.n_steps + n_last_pass(training)) * training.batch)


def checked(batch: Batch, run: Run) -> tuple[Tensor, ...]:
    """What is read, and what should be written where that is something else.

    Raises:
        BrokenInput: the width is not the dictionary's, or an activation is not finite.
    """
    both = batch if isinstance(batch, tuple) else (batch,)
    for x, width in zip(both, (run.dictionary.d_model, run.dictionary.d_out), strict=False):
        if x.shape[1] != width:
            raise BrokenInput(
                f"batch {run.step} has activations of width {x.shape[1]}, those before had {width}",
                "the stream must come from one site of one model",
            )
        # On a GPU looking would make the step wait; there the loss gives it away a little later.
        if x.device.type == "cpu" and not bool(torch.isfinite(x.sum())):
            raise BrokenInput(
                f"batch {run.step} holds activations that are not finite",
                "look for the text that breaks the model, or harvest in float32",
            )
    return both


def check_finite(loss: float, step: int) -> None:
    """Stop a run that can only get worse.

    Raises:
        BrokenInput: the loss is infinite or not a number.
    """
    if not isfinite(loss):
        raise BrokenInput(
            f"the loss is {loss} at step {step}", "lower the learning rate, or look for broken activations"
        )


def identity(
    options: AutoencoderOptions,
    training: TrainOptions,
    parents: Mapping[str, str],
    origin: Origin,
    d_model: int,
) -> str:
    """What must be equal for a checkpoint to be gone on from; how often one is made does not matter."""
    how = asdict(training) | {"checkpoint_every_seconds": None, "mirrors": None}
    all_of_it = [SCHEMA, options.to_record(), how, dict(parents), origin.site, origin.model_hash, d_model]
    return content_hash(json.dumps(all_of_it, sort_keys=True))


class Workplace:
    """The hidden folder beside ``out`` for a run's checkpoint and log; without ``out`` nothing is kept.

    Of several processes all read and the first alone writes: whole tensors, as one process does.
    """

    def __init__(self, out: Path | None, identity: str, mesh: Mesh = ALONE) -> None:
        self.mesh = mesh
        self.out = None if out is None else Path(out)
        self.identity = identity
        self.folder = None if self.out is None else self.out.with_name(f".{self.out.name}.training")
        said = None if self.folder is None or not mesh.first else self.folder / "metrics.jsonl"
        self.log = MetricsLog(said)

    def resume(self, options: AutoencoderOptions, training: TrainOptions, origin: Origin) -> Run | None:
        """The run that was interrupted here; None, and an empty folder, where it was another or none.

        Raises:
            MissingInput: only some of the processes see it.
        """
        if self.folder is None:
            return None
        found = read_checkpoint(self.folder / "checkpoint.safetensors")
        ours = found is not None and found[1].get("identity") == self.identity
        seen, unseen = self.mesh.agree(ours, not ours)
        if seen and unseen:
            raise MissingInput(
                f"not every process finds the checkpoint in {self.folder}",
                "give all of them the same folder, on a disk that they share",
            )
        if found is None or not ours:
            if self.mesh.first:
                shutil.rmtree(self.folder, ignore_errors=True)
                with full_disk_is_said(self.folder):
                    self.folder.mkdir(parents=True)
            return None
        tensors, record = parts(found[0], self.mesh), found[1]
        run = Run.resumed(
            options, training, tensors, record,
            site=origin.site, model_hash=origin.model_hash, mesh=self.mesh,
        )  # fmt: skip
        self.log.rewind(run.step)
        return run

    def tell(self, mirrors: Sequence[str], step: int) -> None:
        """Let others know the log's numbers too.

        Raises:
            WrongUse: there is no folder to name them by.
        """
        if mirrors and self.out is None:
            raise WrongUse("a log that is kept nowhere has no mirrors", "give out")
        if mirrors and self.out is not None and self.mesh.first:
            self.log.tell(mirrors, self.out.name, self.out.parent, step)

    def keep(self, run: Run) -> None:
        """Write a checkpoint."""
        if self.folder is None or self.mesh.data.rank:
            return
        tensors = whole(run.tensors(), self.mesh, keep=self.mesh.first)
        if self.mesh.first:
            record = run.record() | {"identity": self.identity}
            write_checkpoint(self.folder / "checkpoint.safetensors", tensors, record)

    def publish(
        self, dictionary: SparseAutoencoder, parents: Mapping[str, str], training: TrainOptions
    ) -> None:
        """Write the finished artefact and leave nothing else."""
        if self.out is None or self.folder is None or not self.mesh.first:
            return
        logs = [self.log.path] if self.log.path is not None and self.log.path.is_file() else []
        save(
            dictionary,
            self.out,
            parents=parents,
            options={"training": asdict(training)},
            seeds={"training": training.seed},
            files=logs,
        )
        shutil.rmtree(self.folder)
