"""What a benchmark ran on, and how its rows are written."""

import json
import os
import platform
import sys
from pathlib import Path
from typing import Any

import torch


def hardware() -> dict[str, Any]:
    """The machine, as far as it matters for a figure."""
    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "torch_threads": torch.get_num_threads(),
        "amx": bool(torch.cpu._is_amx_tile_supported()),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "python": platform.python_version(),
        "torch": torch.__version__,
    }


def processor() -> str:
    """The processor's name, where the system tells it."""
    told = Path("/proc/cpuinfo")
    lines = told.read_text().splitlines() if told.is_file() else []
    return next(
        (line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine()
    )


def write(rows: list[dict[str, Any]], **more: Any) -> None:
    """Print the result as one JSON object on stdout, and its rows as a table on stderr."""
    for row in rows:
        reached = {True: "reached", False: "NOT reached", None: ""}[row.get("reached")]
        print(
            f"{row['what']:<72} {row['ours']!s:>12}   {row.get('target', ''):<12} {reached}", file=sys.stderr
        )
    print(json.dumps({"hardware": hardware(), "rows": rows, **more}, ensure_ascii=False))


def row(what: str, ours: float, target: str = "") -> dict[str, Any]:
    """A figure beside what it must reach, ``">= 0.8"`` or ``"<= 300"``; without a target it stands alone."""
    if not target:
        return {"what": what, "ours": round(ours, 4)}
    sign, bound = target.split()
    reached = ours >= float(bound) if sign == ">=" else ours <= float(bound)
    return {"what": what, "ours": round(ours, 4), "target": target, "reached": bool(reached)}
