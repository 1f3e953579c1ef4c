"""The log of a run."""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from monoscope.errors import MissingInput, UnknownName
from monoscope.train import log as module
from monoscope.train.log import MetricsLog, read_metrics


def test_a_resumed_run_has_each_step_once(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    log = MetricsLog(path)
    for step in (50, 100, 150):
        log.write({"step": step, "fvu": 1 / step})
    with path.open("a") as file:
        file.write('{"step": 200, "f')
    log.rewind(100)
    log.write({"step": 150, "fvu": 0.25})
    assert [record["step"] for record in read_metrics(path)] == [50, 100, 150]
    assert read_metrics(path)[-1]["fvu"] == 0.25


def test_without_a_path_nothing_is_kept() -> None:
    log = MetricsLog(None)
    log.write({"step": 1})
    log.rewind(0)


def test_tensorboard_reads_what_it_was_told(tmp_path: Path) -> None:
    reading = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    log = MetricsLog(tmp_path / "metrics.jsonl")
    log.tell(["tensorboard"], "wide", tmp_path, 0)
    log.write({"step": 50, "fvu": 0.5})
    log.write({"step": 100, "fvu": 0.25})
    log.close()
    log.tell(["tensorboard"], "wide", tmp_path, 60)
    log.write({"step": 100, "fvu": 0.125})
    log.close()
    curves = reading.EventAccumulator(str(tmp_path / "tensorboard" / "wide"))
    curves.Reload()
    assert [(point.step, point.value) for point in curves.Scalars("fvu")] == [(50, 0.5), (100, 0.125)]


def test_weights_and_biases_is_told_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Any] = []
    run = SimpleNamespace(
        log=lambda numbers, step: told.append((step, numbers)), finish=lambda: told.append("finished")
    )
    monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace(init=lambda **how: told.append(how) or run))
    monkeypatch.setattr(module, "find_spec", lambda name: name)
    log = MetricsLog(None)
    log.tell(["wandb"], "wide", tmp_path / "runs", 0)
    log.write({"step": 50, "fvu": 0.5})
    log.close()
    assert told == [
        {
            "project": "monoscope",
            "name": "runs/wide",
            "dir": str(tmp_path / "runs"),
            "reinit": "create_new",
        },
        (50, {"fvu": 0.5}),
        "finished",
    ]


def test_a_mirror_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(MissingInput, match="tensorboard"):
        MetricsLog(None).tell(["tensorboard"], "wide", tmp_path, 0)
    with pytest.raises(UnknownName, match="'tensorbord' is no mirror"):
        MetricsLog(None).tell(["tensorbord"], "wide", tmp_path, 0)
