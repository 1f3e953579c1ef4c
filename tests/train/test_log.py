"""The log of a run."""

from pathlib import Path

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
