"""Where an interrupted training run goes on from."""

import json
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from monoscope.errors import BrokenInput
from monoscope.manifest import full_disk_is_said


def write_checkpoint(path: Path, tensors: Mapping[str, Tensor], record: Mapping[str, Any]) -> None:
    """Write tensors and a JSON record as one file, all or nothing: a reader finds the old one or the new one.

    Raises:
        OutOfSpace: the disk is full; the old checkpoint stays.
    """
    part = path.with_suffix(".part")
    with full_disk_is_said(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        save_file(contiguous, part, metadata={"record": json.dumps(record)})
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.replace(path)


def read_checkpoint(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """The tensors and the record of the last checkpoint; None where there is none.

    Raises:
        BrokenInput: the file is there and cannot be read.
    """
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            names = list(file.keys())
            # Copied: a tensor that lies where its file has it may be summed in another order than one in memory.
            tensors = {name: file.get_tensor(name).clone() for name in names}
            return tensors, json.loads(file.metadata()["record"])
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        hint = f"delete {path.parent} to begin anew"
        raise BrokenInput(f"{path} is no readable checkpoint: {error}", hint) from error


@contextmanager
def interruption_awaited() -> Iterator[Callable[[], bool]]:
    """Within the block an interrupt (Ctrl-C) only makes the yielded function true: no step is cut in two.

    A second interrupt is an ordinary ``KeyboardInterrupt``. Outside the main thread, where no interrupt can
    arrive, nothing changes.
    """
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set
        return
    before = signal.getsignal(signal.SIGINT)

    def ask(number: int, frame: Any) -> None:
        asked.set()
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, ask)
    try:
        yield asked.is_set
    finally:
        signal.signal(signal.SIGINT, before)
