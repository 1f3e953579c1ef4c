"""The run's numbers, one JSON object a line: ``metrics.jsonl``."""

import json
from collections.abc import Mapping
from pathlib import Path

from monoscope.manifest import full_disk_is_said


class MetricsLog:
    """Appends to a file of JSON lines; with no path it keeps nothing."""

    def __init__(self, path: Path | None) -> None:
        self.path = path

    def write(self, record: Mapping[str, float]) -> None:
        """Append one line.

        Raises:
            OutOfSpace: the disk is full.
        """
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
