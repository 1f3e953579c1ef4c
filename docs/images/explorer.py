"""The pictures of the explorer: a run is served, and its screens are looked at with Chromium.

python docs/images/explorer.py --run runs/demo --feature 272 --text "They drove over the Golden Gate Bridge at sunset."
"""

import argparse
import subprocess
import sys
from pathlib import Path
from shutil import which

from playwright.sync_api import Page, sync_playwright

HERE = Path(__file__).parent


def main() -> None:
    """Serve, look, stop."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--run", type=Path, required=True, help="a complete run")
    parser.add_argument("--feature", type=int, required=True, help="shown on its card, and turned up")
    parser.add_argument("--text", required=True, help="looked at through the lens")
    parser.add_argument("--prompt", default="One evening Lucy and her father drove to")
    parser.add_argument("--out", type=Path, default=HERE, help="where they lie; the README shows one of them")
    asked = parser.parse_args()
    words = [sys.executable, "-m", "monoscope", "serve", str(asked.run), "--port", "0", "--no-open"]
    with (
        subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as server,
        sync_playwright() as playwright,
    ):
        assert server.stderr is not None
        said = next(line for line in server.stderr if line.startswith("the page: "))
        browser = playwright.chromium.launch(executable_path=which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1120, "height": 800}, color_scheme="light", locale="en")
        page.goto(said.removeprefix("the page: ").strip())
        page.wait_for_selector("h1")
        try:
            look(page, asked)
        finally:
            browser.close()
            server.terminate()


def look(page: Page, asked: argparse.Namespace) -> None:
    """Home, a feature, the lens, and two texts."""
    page.wait_for_load_state("networkidle")
    page.screenshot(path=asked.out / "explorer_home.png")
    page.goto(page.url.split("#")[0] + f"#/feature/{asked.feature}")
    page.wait_for_selector(f"text=Feature {asked.feature}")
    page.wait_for_load_state("networkidle")
    page.screenshot(path=asked.out / "explorer_feature.png")
    page.goto(page.url.split("#")[0] + "#/lens")
    page.fill("textarea", asked.text)
    page.wait_for_selector("text=token by token")
    page.wait_for_load_state("networkidle")
    page.screenshot(path=asked.out / "explorer_lens.png", full_page=True)
    page.goto(page.url.split("#")[0] + f"#/steer?feature={asked.feature}")
    page.fill("textarea", asked.prompt)
    page.get_by_role("button", name="Write").click()
    page.wait_for_selector("text=nats on average", timeout=60_000)
    page.screenshot(path=asked.out / "explorer_steer.png", full_page=True)


if __name__ == "__main__":
    main()
