"""Harvests that were stopped, in every way, and end as if they had not been."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import pytest
import torch

from activations.stories import stories
from monoscope.activations import unfinished
from monoscope.activations.harvest import HarvestOptions, harvest
from monoscope.activations.statistics import Statistics
from monoscope.activations.store import ActivationStore
from monoscope.errors import BrokenInput, OutOfSpace
from monoscope.models.language_model import LanguageModel

SITES = ["blocks.0.mlp_hidden", "blocks.1.resid_post"]
OPTIONS = HarvestOptions(n_tokens=800, context=32, batch_rows=2)


@pytest.fixture(scope="module")
def whole(tiny_llama: LanguageModel, tmp_path_factory: pytest.TempPathFactory) -> ActivationStore:
    """What a harvest that nothing stopped gives."""
    out = tmp_path_factory.mktemp("whole") / "acts"
    return harvest(tiny_llama, stories(), sites=SITES, out=out, options=OPTIONS)


def part(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.part")


def stop_after(batches: int, error: BaseException) -> Callable[[int, int], None]:
    seen = []

    def progress(done: int, total: int) -> None:
        seen.append(done)
        if len(seen) == batches:
            raise error

    return progress


def resume(lm: LanguageModel, folder: Path) -> tuple[ActivationStore, list[int]]:
    """Call the same harvest again; the store, and the tokens done after each of its batches."""
    seen: list[int] = []
    store = harvest(
        lm,
        stories(),
        sites=SITES,
        out=folder,
        options=OPTIONS,
        progress=lambda done, total: seen.append(done),
    )
    return store, seen


def assert_equal(store: ActivationStore, whole: ActivationStore) -> None:
    assert store.hash == whole.hash
    assert not part(store.folder).exists()
    names = sorted(path.relative_to(whole.folder) for path in whole.folder.rglob("*") if path.is_file())
    assert names == sorted(
        path.relative_to(store.folder) for path in store.folder.rglob("*") if path.is_file()
    )
    for name in names:
        assert (store.folder / name).read_bytes() == (whole.folder / name).read_bytes(), name


def test_an_interrupted_harvest_goes_on_at_the_very_batch(
    tiny_llama: LanguageModel, whole: ActivationStore, tmp_path: Path
) -> None:
    folder = tmp_path / "acts"
    with pytest.raises(KeyboardInterrupt):
        harvest(
            tiny_llama,
            stories(),
            sites=SITES,
            out=folder,
            options=OPTIONS,
            progress=stop_after(5, KeyboardInterrupt()),
        )
    assert not folder.exists()
    assert json.loads((part(folder) / unfinished.STATE).read_text())["rows_done"] == 10
    store, seen = resume(tiny_llama, folder)
    assert len(seen) == -(-len(whole.rows.tokens) // 2) - 5
    assert_equal(store, whole)


@pytest.mark.parametrize(("seconds", "batches_kept"), [(0.0, 5), (1000.0, 0)])
def test_after_any_other_failure_it_goes_on_at_the_record(
    tiny_llama: LanguageModel,
    whole: ActivationStore,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    seconds: float,
    batches_kept: int,
) -> None:
    monkeypatch.setattr(unfinished, "COMMIT_SECONDS", seconds)
    folder = tmp_path / "acts"
    stop = stop_after(5, RuntimeError("power"))
    with pytest.raises(RuntimeError, match="power"):
        harvest(tiny_llama, stories(), sites=SITES, out=folder, options=OPTIONS, progress=stop)
    store, seen = resume(tiny_llama, folder)
    assert len(seen) == -(-len(whole.rows.tokens) // 2) - batches_kept
    assert_equal(store, whole)


def test_what_lies_behind_the_record_is_cut_off(
    tiny_llama: LanguageModel, whole: ActivationStore, tmp_path: Path
) -> None:
    folder = tmp_path / "acts"
    stop = stop_after(5, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        harvest(tiny_llama, stories(), sites=SITES, out=folder, options=OPTIONS, progress=stop)
    with (part(folder) / f"{SITES[1]}.bin").open("ab") as file:
        file.write(b"half a batch")
    assert_equal(resume(tiny_llama, folder)[0], whole)


def test_files_shorter_than_the_record_are_refused(tiny_llama: LanguageModel, tmp_path: Path) -> None:
    folder = tmp_path / "acts"
    stop = stop_after(5, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        harvest(tiny_llama, stories(), sites=SITES, out=folder, options=OPTIONS, progress=stop)
    data = part(folder) / f"{SITES[1]}.bin"
    data.write_bytes(data.read_bytes()[:-1])
    with pytest.raises(BrokenInput, match=r"has less than the \d+ bytes on record"):
        resume(tiny_llama, folder)


def test_other_options_start_over(tiny_llama: LanguageModel, whole: ActivationStore, tmp_path: Path) -> None:
    folder = tmp_path / "acts"
    other = HarvestOptions(n_tokens=700, context=32, batch_rows=2)
    with pytest.raises(KeyboardInterrupt):
        harvest(
            tiny_llama,
            stories(),
            sites=SITES,
            out=folder,
            options=other,
            progress=stop_after(5, KeyboardInterrupt()),
        )
    store, seen = resume(tiny_llama, folder)
    assert len(seen) == -(-len(whole.rows.tokens) // 2)
    assert_equal(store, whole)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_said_and_what_was_complete_is_kept(
    tiny_llama: LanguageModel,
    whole: ActivationStore,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    code: int,
) -> None:
    monkeypatch.setattr(unfinished, "COMMIT_SECONDS", 0.0)
    honest, count = unfinished.write, []

    def write(file: BinaryIO, value: torch.Tensor) -> None:
        count.append(1)
        if len(count) == 8:  # The second site of the fourth batch: the first one is there already.
            raise OSError(code, os.strerror(code))
        honest(file, value)

    monkeypatch.setattr(unfinished, "write", write)
    folder = tmp_path / "acts"
    with pytest.raises(OutOfSpace, match=r"the disk that holds .*acts is full") as error:
        harvest(tiny_llama, stories(), sites=SITES, out=folder, options=OPTIONS)
    assert "run the same command again" in error.value.hint
    assert not folder.exists()
    store, seen = resume(tiny_llama, folder)
    assert len(seen) == -(-len(whole.rows.tokens) // 2) - 3
    assert_equal(store, whole)


def test_a_failure_after_the_last_batch_does_not_run_the_model_again(
    tiny_llama: LanguageModel, whole: ActivationStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "acts"
    with monkeypatch.context() as patch:
        patch.setattr(Statistics, "measure", lambda blocks: (_ for _ in ()).throw(KeyboardInterrupt()))
        with pytest.raises(KeyboardInterrupt):
            harvest(tiny_llama, stories(), sites=SITES, out=folder, options=OPTIONS)
    assert not folder.exists()
    store, seen = resume(tiny_llama, folder)
    assert seen == []
    assert_equal(store, whole)


def test_a_broken_record_is_an_error(tiny_llama: LanguageModel, tmp_path: Path) -> None:
    folder = tmp_path / "acts"
    part(folder).mkdir()
    (part(folder) / unfinished.STATE).write_text('{"recipe": ', encoding="utf-8")
    with pytest.raises(BrokenInput, match=r"state\.json is broken") as error:
        resume(tiny_llama, folder)
    assert f"delete {part(folder)}" in error.value.hint


HARVEST = """
import sys, time
from activations.stories import stories
from monoscope.activations import unfinished
from monoscope.activations.harvest import HarvestOptions, harvest
from monoscope.models.language_model import load_model
unfinished.COMMIT_SECONDS = 0.0
lm = load_model(sys.argv[1], device="cpu", dtype="float32")
options = HarvestOptions(n_tokens=800, context=32, batch_rows=2)
harvest(lm, stories(), sites=sys.argv[3:], out=sys.argv[2], options=options, progress=lambda *_: time.sleep(0.1))
"""


def test_a_killed_process_leaves_nothing_half_written(
    tiny_llama: LanguageModel,
    tiny_model_folder: Callable[[str], Path],
    whole: ActivationStore,
    tmp_path: Path,
) -> None:
    folder = tmp_path / "acts"
    state = part(folder) / unfinished.STATE
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    process = subprocess.Popen(
        [sys.executable, "-c", HARVEST, tiny_model_folder("llama"), folder, *SITES], env=environment
    )
    try:
        deadline = time.monotonic() + 120
        while not (state.is_file() and json.loads(state.read_text())["rows_done"] >= 6):
            assert process.poll() is None, "the harvest ended by itself"
            assert time.monotonic() < deadline
            time.sleep(0.01)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert not folder.exists()
    store, seen = resume(tiny_llama, folder)
    assert 0 < len(seen) <= -(-len(whole.rows.tokens) // 2) - 3
    assert_equal(store, whole)
