"""Every screen of the explorer on a real run behind a real server: the script that makes the README's pictures."""

import os
import subprocess
import sys
from pathlib import Path
from shutil import which

import pytest

from monoscope.commands.run_folder import RunFolder, read_record

SCRIPT = Path(__file__).parents[2] / "docs" / "images" / "explorer.py"
SCREENS = ("home", "tour", "features", "feature", "lens", "steer", "vectors")


@pytest.mark.skipif(
    which("chromium") is None and not os.environ.get("MONOSCOPE_REQUIRE_CHROMIUM"),
    reason="needs Chromium on the path",
)
@pytest.mark.timeout(240)
def test_every_screen_works_on_a_run(run_copy: RunFolder, tmp_path: Path) -> None:
    """Pictures are kept where MONOSCOPE_SCREENS says."""
    out = Path(os.environ.get("MONOSCOPE_SCREENS") or tmp_path / "screens").resolve()
    out.mkdir(parents=True, exist_ok=True)
    shown = read_record(run_copy.showcase / "showcase.json")["feature"]
    words = ["--run", run_copy.path, "--feature", shown, "--text", "the old bridge", "--prompt", "the old"]
    done = subprocess.run(
        [sys.executable, SCRIPT, *map(str, words), "--out", out], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    for screen in SCREENS:
        picture = (out / f"explorer_{screen}.png").read_bytes()
        assert picture.startswith(b"\x89PNG")
        assert len(picture) > 10_000
    assert (run_copy.vectors / "joy" / "pairs.jsonl").is_file()
