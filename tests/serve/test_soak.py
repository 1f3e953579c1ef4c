"""Memory under load does not grow."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_memory_does_not_grow_under_load(tiny_model_folder: Callable[[str], Path]) -> None:
    program = Path(__file__).with_name("soak.py")
    words = [sys.executable, str(program), str(tiny_model_folder("llama")), "300"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=800)
    assert done.returncode == 0, done.stderr
    held = json.loads(done.stdout)
    # What 300 requests leave behind: a third of a kilobyte for each would be seen.
    assert held[3] - held[2] < 100_000, held
