"""Runs for :mod:`train.test_mesh`, in this process or in several: ``python mesh_runs.py OUT DATAxFEATURES ...``."""

import multiprocessing
import signal
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from math import prod
from pathlib import Path

import torch
from beartype import BeartypeConf, beartype
from jaxtyping import install_import_hook

checked = beartype(conf=BeartypeConf(is_pep484_tower=True))
if __name__ == "__main__":
    warnings.simplefilter("error")
    sys.modules["mesh_runs"] = sys.modules["__main__"]
    install_import_hook("monoscope.train", "mesh_runs.checked").__enter__()
    torch.set_num_threads(1)

import torch.distributed as dist  # noqa: E402
from safetensors.torch import save_file  # noqa: E402
from torch import Tensor  # noqa: E402

from monoscope.dictionaries import (  # noqa: E402
    AutoencoderOptions,
    BatchTopK,
    Gated,
    JumpReLU,
    ReLU,
    Sparsifier,
    TopK,
)
from monoscope.dictionaries.codes import ActiveCodes  # noqa: E402
from monoscope.errors import WrongUse  # noqa: E402
from monoscope.train import (  # noqa: E402
    L1,
    JoinedStream,
    Mesh,
    Objective,
    PairStream,
    Power,
    Resampling,
    Stream,
    Tanh,
    TensorStream,
    TrainOptions,
    coding,
    train,
)
from monoscope.train import run as step_of_run  # noqa: E402
from monoscope.train.begin import Origin, begin  # noqa: E402
from monoscope.train.lesson import sampled  # noqa: E402
from monoscope.train.resampling import resample  # noqa: E402
from monoscope.train.sharding import whole  # noqa: E402

N_FEATURES, BATCH, STEPS = 64, 32, 10
X = torch.randn(400, 12, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 3 + 1
Y = X.square()[:, :10] / 3
AUXILIARY = Objective(auxiliary_k=5)


@dataclass(frozen=True)
class Case:
    """One run: what is learnt, and how."""

    sparsifier: Sparsifier
    training: TrainOptions
    stream: Stream | PairStream
    parts: tuple[int, ...]
    favoured: int
    """So many features, the first, are active far more than others."""


def case(sparsifier: Sparsifier, objective: Objective = AUXILIARY, **options: object) -> Case:
    stream = options.pop("stream", TensorStream(X))
    parts, favoured = options.pop("parts", ()), options.pop("favoured", 0)
    how = {"dead_after_tokens": 31, "learning_rate": 3e-3, "seed": 3} | options
    training = TrainOptions(n_tokens=STEPS * BATCH, batch=BATCH, objective=objective, **how)
    return Case(sparsifier, training, stream, parts, favoured)


CASES = {
    "topk": case(TopK(4)),
    "default rate": case(TopK(4), learning_rate=None, gradient_clip=None),
    "multi-topk": case(TopK(4), replace(AUXILIARY, also_k=8)),
    "matryoshka of topk": case(TopK(4), replace(AUXILIARY, matryoshka=(0.1, 0.6, 1))),
    "batchtopk": case(BatchTopK(4)),
    "lopsided": case(BatchTopK(4), favoured=16),
    "matryoshka": case(BatchTopK(4), replace(AUXILIARY, matryoshka=(0.1, 0.6, 1))),
    "relu": case(ReLU(), replace(AUXILIARY, penalty=L1(0.5)), unit_norm=False),
    "p-annealing": case(ReLU(), replace(AUXILIARY, penalty=Power(0.5, start=0.2))),
    "tied": case(ReLU(), replace(AUXILIARY, penalty=L1(0.5)), tied=True),
    "jumprelu": case(JumpReLU(0.5, 1.8), replace(AUXILIARY, target_l0=3)),
    "jumprelu 2025": case(JumpReLU(0.5, 1.8, True), replace(AUXILIARY, penalty=Tanh(2.0, pre_activation=0.1))),
    "gated": case(Gated()),
    "skip transcoder": case(
        TopK(4), skip=True, stream=PairStream(TensorStream(X), TensorStream(Y)), initial="independent"
    ),
    "crosscoder": case(
        BatchTopK(4), stream=JoinedStream((TensorStream(X), TensorStream(Y))), parts=(12, 10), initial="data"
    ),
    "resampling": case(TopK(4), resampling=Resampling(at=(0.5,), n_tokens=300)),
    "resampling of jumprelu": case(JumpReLU(0.5, 1.8), resampling=Resampling(at=(0.5,), n_tokens=300)),
}  # fmt: skip


def followed(how: Case, mesh: Mesh) -> dict[str, Tensor]:
    """Every step's losses and active features, and the state at the end, of all ranks together."""
    options = AutoencoderOptions(n_features=N_FEATURES, sparsifier=how.sparsifier, parts=how.parts)
    run = begin(how.stream, options, how.training, None, Origin("", ""), mesh)
    with torch.no_grad():
        run.dictionary.encoder_bias[mesh.features.part(torch.arange(N_FEATURES)) < how.favoured] += 3
    found: dict[str, list[Tensor]] = {"metrics": [], "active": [], "coded": []}
    for step, batch in enumerate(islice(how.stream.batches(BATCH, seed=3), STEPS)):
        if how.training.resampling and step == STEPS // 2:
            resample(run, *sampled(how.stream, how.training, step))
        both = batch if isinstance(batch, tuple) else (batch,)
        outcome = run.advance(*(mesh.data.part(each) for each in both))
        found["metrics"].append(torch.tensor(list(outcome.metrics().values())))
        for name, codes in (("active", outcome.coding.kept()), ("coded", outcome.coding.codes)):
            dense = codes.dense(run.dictionary.n_features) if isinstance(codes, ActiveCodes) else codes
            found[name].append(mesh.data.gather(mesh.features.gather(dense.detach() > 0, dim=1)))
    end = {name: tensor.detach().contiguous() for name, tensor in whole(run.tensors(), mesh).items()}
    return {name: torch.stack(each) for name, each in found.items()} | end


LONG = TrainOptions(
    n_tokens=40 * BATCH, batch=BATCH, learning_rate=3e-3, dead_after_tokens=31, objective=AUXILIARY
)
OPTIONS = AutoencoderOptions(n_features=N_FEATURES, sparsifier=BatchTopK(4))
STOPPED_AT = 15


class Interrupted(TensorStream):
    """A stream in which an interrupt arrives when a batch is asked for."""

    def batches(self, size: int, *, seed: int, start: int = 0) -> Iterator[Tensor]:
        for number, batch in enumerate(super().batches(size, seed=seed, start=start)):
            if number == STOPPED_AT:
                signal.raise_signal(signal.SIGINT)
            yield batch


def stopped(out: Path, mesh: Mesh, stream: Stream) -> bool:
    """Whether a run was interrupted."""
    try:
        train(stream, OPTIONS, LONG, out=out, mesh=mesh)
    except KeyboardInterrupt:
        return True
    return False


def exactly() -> None:
    """Compute in float64, so that what differs by more than rounding is a defect."""
    coding.halves_are_fast = step_of_run.halves_are_fast = lambda device: False
    torch.set_default_dtype(torch.float64)


def rank(number: int, world: int, out: Path, shapes: tuple[str, ...]) -> None:
    """One process of ``world``: every case on every shape, and whole runs."""
    dist.init_process_group("gloo", init_method=f"file://{out}/ranks {world}", rank=number, world_size=world)
    with suppress(WrongUse):
        Mesh.over(world, 3)
        raise AssertionError("no grid of so many ranks was refused")
    for shape in shapes:
        mesh = Mesh.over(*map(int, shape.split("x")))
        for name, how in CASES.items():
            found = followed(how, mesh)
            if mesh.first:
                save_file(found, out / f"{shape} {name}.safetensors")
        largest(mesh, out / f"{shape} largest.safetensors")
        seen: list[int] = []
        train(
            TensorStream(X), OPTIONS, LONG, out=out / f"run by {shape}", mesh=mesh,
            progress=lambda done, total, seen=seen: seen.append(done),
        )  # fmt: skip
        assert bool(seen) == mesh.first
        if mesh.first:
            save_file({"first": torch.tensor(seen[0])}, out / f"{shape} progress.safetensors")
        stream = Interrupted(X) if number == world - 1 else TensorStream(X)
        assert stopped(out / f"stopped by {shape}", mesh, stream)
    dist.destroy_process_group()


def largest(mesh: Mesh, out: Path) -> None:
    """Candidates with many equal ones, and which were taken."""
    generator = torch.Generator().manual_seed(mesh.every.rank)
    given = torch.randint(0, 4, (50, 5), generator=generator).double()
    kept = mesh.every.largest(given, 7)
    given, kept = (mesh.every.gather(each, dim=1) for each in (given, kept))
    if mesh.first:
        save_file({"given": given, "kept": kept}, out)


def together(out: Path, *shapes: str) -> None:
    """As many processes as the shapes need, from one that has imported everything."""
    world = prod(map(int, shapes[0].split("x")))
    fork = multiprocessing.get_context("fork")
    ranks = [fork.Process(target=rank, args=(number, world, out, shapes)) for number in range(world)]
    for each in ranks:
        each.start()
    while None in (codes := [each.exitcode for each in ranks]) and not any(codes):
        time.sleep(0.05)
    for each in ranks:
        each.kill() if any(codes) else each.join()
    assert not any(codes), codes


if __name__ == "__main__":
    exactly()
    begin(TensorStream(X), OPTIONS, LONG, None, Origin("", ""))
    together(Path(sys.argv[1]), *sys.argv[2:])
