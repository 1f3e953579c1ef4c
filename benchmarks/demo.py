"""The demonstration against the clock, and its dictionary against what a good one must reach.

    python benchmarks/demo.py > demo.json

Runs ``monoscope demo`` from nothing in a new folder, watching for the first picture on its page.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from hardware import row, write


def watched(page: Path, began: float, seen: dict[str, float], over: threading.Event) -> None:
    """Note when the page first holds a picture: the glimpse."""
    while not over.is_set():
        if (page.parent / "glimpse.json").is_file() and page.is_file():
            seen["first picture"] = time.monotonic() - began
            return
        time.sleep(0.2)


def timed_demo(out: Path) -> tuple[dict, float, float]:
    """The demonstration's result, its seconds, and the seconds to the first picture."""
    began, seen, over = time.monotonic(), {}, threading.Event()
    watcher = threading.Thread(target=watched, args=(out / "report.html", began, seen, over))
    watcher.start()
    command = [sys.executable, "-m", "monoscope", "demo", "--no-open", "--json", "--out", str(out)]
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, check=True)
    finally:
        over.set()
        watcher.join()
    return json.loads(done.stdout), time.monotonic() - began, seen["first picture"]


def main() -> None:
    """Run, compare, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, help="keep the run here; by default it is thrown away")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        result, seconds, first = timed_demo(arguments.out or Path(place) / "demo")
    metrics, recovery = result["evaluation"]["metrics"], result["evaluation"]["recovery"]
    rows = [
        row("seconds to the report", seconds, "<= 300"),
        row("seconds to the first picture", first, "<= 60"),
        row("features active on a token", metrics["l0"], "<= 32"),
        row("variance explained", metrics["fve"], ">= 0.8"),
        row("cross-entropy recovered against mean ablation", metrics["ce_recovered_mean"], ">= 0.9"),
        row("share of planted concepts with a feature of F1 >= 0.7", recovery["share_recovered"], ">= 0.75"),
    ]
    beside = [
        {"what": f"the same share, best of {name}", "ours": round(recovery[f"share_{name}"], 4)}
        for name in ("neurons", "pca", "random")
        if f"share_{name}" in recovery
    ]
    write(rows + beside, stages=result["stages"])


if __name__ == "__main__":
    main()
