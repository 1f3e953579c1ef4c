"""The run's numbers, one JSON object a line: ``metrics.jsonl``; and whoever else is told of them."""

import json
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar, Protocol

from monoscope.errors import MissingInput
from monoscope.manifest import full_disk_is_said
from monoscope.registry import Registry


class Mirror(Protocol):
    """Somebody who is told every line of a log, made with the run's name, a folder and the step it goes on from."""

    name: ClassVar[str]

    def __init__(self, run: str, folder: Path, step: int) -> None: ...

    def write(self, step: int, numbers: Mapping[str, float]) -> None:
        """Take one line."""
        ...

    def close(self) -> None:
        """The run has ended."""
        ...


MIRRORS: Registry[Mirror] = Registry("mirror of the log")
"""Name on the command line -> class."""


@MIRRORS.register("tensorboard")
class TensorBoard(Mirror):
    """Event files in ``tensorboard/RUN`` of the folder, for ``tensorboard --logdir``."""

    def __init__(self, run: str, folder: Path, step: int) -> None:
        installed("tensorboard")
        from torch.utils.tensorboard import SummaryWriter

        # Steps that a stopped run logged after its last checkpoint come again.
        self.writer = SummaryWriter(str(folder / "tensorboard" / run), purge_step=step)

    def write(self, step: int, numbers: Mapping[str, float]) -> None:
        """One point on each curve."""
        for name, number in numbers.items():
            self.writer.add_scalar(name, number, step)

    def close(self) -> None:
        """Write what is left."""
        self.writer.close()


@MIRRORS.register("wandb")
class WeightsAndBiases(Mirror):
    """A run of the project ``monoscope``; where it goes is for its own settings to say (``WANDB_MODE``)."""

    def __init__(self, run: str, folder: Path, step: int) -> None:
        installed("wandb")
        import wandb

        # Dictionaries that are learnt together are runs at the same time.
        name = f"{folder.name}/{run}"
        self.run = wandb.init(project="monoscope", name=name, dir=str(folder), reinit="create_new")

    def write(self, step: int, numbers: Mapping[str, float]) -> None:
        """One point on each curve."""
        self.run.log(dict(numbers), step=step)

    def close(self) -> None:
        """Say that the run has ended."""
        self.run.finish()


def installed(package: str) -> None:
    """Refuse a mirror whose package is not there.

    Raises:
        MissingInput: it is not.
    """
    if find_spec(package) is None:
        raise MissingInput(
            f"the log cannot be told to {package}: the package is not installed",
            f"pip install 'monoscope[{package}]'",
        )


class MetricsLog:
    """Appends to a file of JSON lines, and tells its mirrors; with no path it keeps nothing."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.mirrors: list[Mirror] = []

    def tell(self, names: Sequence[str], run: str, folder: Path, step: int) -> None:
        """From now on tell these mirrors too.

        Raises:
            UnknownName: there is no such mirror.
            MissingInput: its package is not installed.
        """
        self.mirrors = [MIRRORS[name](run, folder, step) for name in names]

    def close(self) -> None:
        """The run has ended, or was stopped."""
        for mirror in self.mirrors:
            mirror.close()
        self.mirrors = []

    def write(self, record: Mapping[str, float]) -> None:
        """Append one line.

        Raises:
            OutOfSpace: the disk is full.
        """
        for mirror in self.mirrors:
            numbers = {name: number for name, number in record.items() if name != "step"}
            mirror.write(int(record["step"]), numbers)
        if self.path is not None:
            with full_disk_is_said(self.path), self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(record) + "\n")

    def rewind(self, step: int) -> None:
        """Drop the lines of later steps, and a last line cut short: a resumed run says them again."""
        if self.path is None or not self.path.is_file():
            return
        lines = [
            line
            for line in self.path.read_text(encoding="utf-8").splitlines(keepends=True)
            if line.endswith("\n")
        ]
        kept = [line for line in lines if json.loads(line)["step"] <= step]
        self.path.write_text("".join(kept), encoding="utf-8")


def read_metrics(path: Path) -> list[dict[str, float]]:
    """The records of a log."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
