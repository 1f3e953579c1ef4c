"""Where an unfinished run is kept, and which run it is."""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from monoscope.dictionaries.autoencoder import AutoencoderOptions, SparseAutoencoder
from monoscope.dictionaries.files import save
from monoscope.errors import MismatchedArtefact, MissingInput, WrongUse
from monoscope.manifest import SCHEMA, flattened, full_disk_is_said
from monoscope.train.begin import Origin
from monoscope.train.checkpoint import read_checkpoint, write_checkpoint
from monoscope.train.log import MetricsLog
from monoscope.train.mesh import ALONE, Mesh
from monoscope.train.options import TrainOptions
from monoscope.train.run import Run
from monoscope.train.sharding import parts, whole

CHANGEABLE = {"checkpoint_every_seconds": None, "mirrors": None}
"""Options of training that a run may change on its way: they move no number."""
CHECKPOINT = "checkpoint.safetensors"
"""The file that an interrupted run goes on from."""
SAID = 4
"""Differences between two runs that a refusal names, at most."""


def identity(
    options: AutoencoderOptions,
    training: TrainOptions,
    parents: Mapping[str, str],
    origin: Origin,
    d_model: int,
) -> dict[str, Any]:
    """What must be equal for a checkpoint to be gone on from, as JSON gives it back."""
    everything = {
        "schema": SCHEMA,
        "dictionary": options.to_record(),
        "training": training.to_record() | CHANGEABLE,
        "parents": dict(parents),
        "site": origin.site,
        "model": origin.model_hash,
        "d_model": d_model,
    }
    return json.loads(json.dumps(everything))


def differences(there: Any, asked: dict[str, Any]) -> str:
    """In which values two identities differ: ``training.seed is 9 there and 0 here``; the first few of them."""
    both = flattened(there or {}), flattened(asked)
    names = [name for name in both[0] | both[1] if both[0].get(name) != both[1].get(name)]
    told = [f"{name} is {both[0].get(name)!r} there and {both[1].get(name)!r} here" for name in names[:SAID]]
    return ", ".join(told) + (f", and {len(names) - SAID} more" if len(names) > SAID else "")


def training_folder(out: Path) -> Path:
    """The hidden folder beside a dictionary that is being learnt: its checkpoint and its log."""
    return out.with_name(f".{out.name}.training")


class Workplace:
    """The hidden folder beside ``out`` for a run's checkpoint and log; without ``out`` nothing is kept.

    Of several processes all read and the first alone writes: whole tensors, as one process does.
    """

    def __init__(self, out: Path | None, identity: dict[str, Any], mesh: Mesh = ALONE) -> None:
        self.mesh = mesh
        self.out = None if out is None else Path(out)
        self.identity = identity
        self.folder = None if self.out is None else training_folder(self.out)
        said = None if self.folder is None or not mesh.first else self.folder / "metrics.jsonl"
        self.log = MetricsLog(said)

    def resume(
        self, options: AutoencoderOptions, training: TrainOptions, origin: Origin, device: torch.device
    ) -> Run | None:
        """The run that was interrupted here, on the device; None, and an empty folder, where there was none.

        Raises:
            MismatchedArtefact: it was another run; nothing of it is lost.
            MissingInput: only some of the processes see it.
        """
        if self.folder is None:
            return None
        found = read_checkpoint(self.folder / CHECKPOINT)
        seen, unseen = self.mesh.agree(found is not None, found is None)
        if seen and unseen:
            raise MissingInput(
                f"not every process finds the checkpoint in {self.folder}",
                "give all of them the same folder, on a disk that they share",
            )
        if found is None:
            if self.mesh.first:
                shutil.rmtree(self.folder, ignore_errors=True)
                with full_disk_is_said(self.folder):
                    self.folder.mkdir(parents=True)
            return None
        there = found[1].get("identity")
        if there != self.identity:
            raise MismatchedArtefact(
                f"{self.folder} holds a checkpoint of another run: {differences(there, self.identity)}",
                "ask for the same again to go on with it, give another folder, or delete it to begin anew",
            )
        tensors = {name: tensor.to(device) for name, tensor in parts(found[0], self.mesh).items()}
        run = Run.resumed(
            options, training, tensors, found[1],
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
            write_checkpoint(self.folder / CHECKPOINT, tensors, record)

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
            options={"training": training.to_record()},
            seeds={"training": training.seed},
            files=logs,
        )
        shutil.rmtree(self.folder)
