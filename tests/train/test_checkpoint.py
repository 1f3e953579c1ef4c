"""Checkpoints: all or nothing, and interrupts between steps."""

import signal
import threading
from pathlib import Path

import pytest
import torch

from monoscope.errors import BrokenInput
from monoscope.train.checkpoint import interruption_awaited, read_checkpoint, write_checkpoint


def test_tensors_and_record_come_back(tmp_path: Path) -> None:
    path = tmp_path / "run" / "checkpoint.safetensors"
    assert read_checkpoint(path) is None
    tensors = {"a": torch.randn(3, 2).T, "n": torch.tensor(7)}
    write_checkpoint(path, {"a": torch.zeros(1)}, {"step": 1})
    write_checkpoint(path, tensors, {"step": 2, "name": "Zoë"})
    found = read_checkpoint(path)
    assert found is not None
    assert found[1] == {"step": 2, "name": "Zoë"}
    assert all(torch.equal(found[0][name], tensor) for name, tensor in tensors.items())
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_write_that_fails_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.safetensors"
    write_checkpoint(path, {"a": torch.ones(2)}, {"step": 1})
    with pytest.raises(TypeError):
        write_checkpoint(path, {"a": torch.zeros(2)}, {"step": object()})
    found = read_checkpoint(path)
    assert found is not None
    assert found[1] == {"step": 1}
    assert found[0]["a"].tolist() == [1, 1]


def test_a_damaged_checkpoint_is_said_to_be(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.safetensors"
    path.write_bytes(b"\x10")
    with pytest.raises(BrokenInput, match="no readable checkpoint"):
        read_checkpoint(path)


def test_an_interrupt_waits_and_a_second_one_does_not() -> None:
    before = signal.getsignal(signal.SIGINT)
    with interruption_awaited() as interrupted:
        assert not interrupted()
        signal.raise_signal(signal.SIGINT)
        assert interrupted()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_in_another_thread_signals_are_left_alone() -> None:
    seen = []

    def work() -> None:
        with interruption_awaited() as interrupted:
            seen.append(interrupted())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [False]
