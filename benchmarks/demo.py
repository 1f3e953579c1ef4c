"""The demonstration against the clock, and its dictionary against what a good one must reach.

    python benchmarks/demo.py > demo.json

Runs ``monoscope demo`` from nothing in a new folder, watching for the first picture on its page; and once for a person
at a terminal, until the explorer answers.
"""

import argparse
import json
import os
import pty
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
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


def seconds_to_the_explorer(folder: Path) -> float:
    """Seconds until a person's browser is sent to the explorer of a new demonstration, and it answers."""
    browser, sent = folder / "browser", folder / "sent"
    browser.write_text(f'#!/bin/sh\necho "$1" > {sent}.part && mv {sent}.part {sent}\n')
    browser.chmod(0o755)
    command = [sys.executable, "-m", "monoscope", "demo", "--out", str(folder / "demo")]
    terminal, person = pty.openpty()
    environment = os.environ | {"BROWSER": str(browser), "DISPLAY": os.environ.get("DISPLAY", ":0")}
    began = time.monotonic()
    with subprocess.Popen(
        command, stdin=person, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment
    ) as process:
        try:
            while not sent.exists():
                assert process.poll() is None, "the demonstration ended before it opened anything"
                time.sleep(0.05)
            address, token = sent.read_text().strip().split("#token=")
            asking = urllib.request.Request(f"{address}api/run", headers={"Authorization": f"Bearer {token}"})
            with urllib.request.urlopen(asking, timeout=60) as answer:
                assert json.load(answer)["status"] in ("running", "stopped")
            return time.monotonic() - began
        finally:
            process.send_signal(signal.SIGINT)
            process.wait()
            os.close(terminal)
            os.close(person)


def main() -> None:
    """Run, compare, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, help="keep the run here; by default it is thrown away")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        opened = seconds_to_the_explorer(Path(place))
        result, seconds, first = timed_demo(arguments.out or Path(place) / "whole")
    metrics, recovery = result["evaluation"]["metrics"], result["evaluation"]["recovery"]
    rows = [
        row("seconds to the explorer", opened, "<= 60"),
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
