"""The pictures of the explorer: a run is served, and each of its screens is used and looked at with Chromium.

python docs/images/explorer.py --run runs/demo --feature 272 --text "They drove over the Golden Gate Bridge at sunset."

It fails where the page complains, and leaves a control vector called joy with a run that has none.
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
        flags = ["--no-sandbox", "--enable-unsafe-swiftshader"]
        browser = playwright.chromium.launch(executable_path=which("chromium"), args=flags)
        page = browser.new_page(viewport={"width": 1120, "height": 800}, color_scheme="light", locale="en")
        complaints: list[str] = []
        page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        try:
            page.goto(said.removeprefix("the page: ").strip())
            page.wait_for_selector("h1")
            for screen in (home, tour, features, feature, lens, steer, vectors):
                screen(page, asked)
                page.wait_for_load_state("networkidle")
                page.screenshot(
                    path=asked.out / f"explorer_{screen.__name__}.png", full_page=screen is not home
                )
        finally:
            browser.close()
            server.terminate()
    if complaints:
        sys.exit("\n".join(complaints))


def visit(page: Page, place: str) -> None:
    """Go to another place of the page."""
    page.goto(page.url.split("#")[0] + place)


def home(page: Page, asked: argparse.Namespace) -> None:
    """What the run is."""
    visit(page, "#/")
    page.wait_for_selector(".start, .facts")


def tour(page: Page, asked: argparse.Namespace) -> None:
    """The tour, once its toy has learnt."""
    visit(page, "#/tour")
    page.wait_for_selector(".tour-step")
    page.wait_for_timeout(6000)


def features(page: Page, asked: argparse.Namespace) -> None:
    """The table."""
    visit(page, "#/features?sort=-density")
    page.wait_for_selector(".grid .c-description")


def feature(page: Page, asked: argparse.Namespace) -> None:
    """A card."""
    visit(page, f"#/feature/{asked.feature}")
    page.wait_for_selector(f"text=Feature {asked.feature}")


def lens(page: Page, asked: argparse.Namespace) -> None:
    """What fires on a text."""
    visit(page, "#/lens")
    page.fill("textarea", asked.text)
    page.wait_for_selector("text=token by token")


def steer(page: Page, asked: argparse.Namespace) -> None:
    """Two texts, the feature turned up in one."""
    visit(page, f"#/steer?feature={asked.feature}")
    page.fill("textarea", asked.prompt)
    page.get_by_role("button", name="Write", exact=True).click()
    page.wait_for_selector("text=nats on average", timeout=60_000)


def vectors(page: Page, asked: argparse.Namespace) -> None:
    """A control vector, learnt where there is none, and two texts."""
    visit(page, "#/vectors")
    page.wait_for_selector("form.panel")
    learn = page.get_by_role("button", name="Learn joy against sadness")
    if learn.count():
        learn.click()
    else:
        page.locator(".vector-list a").last.click()
    page.wait_for_selector("text=Which layer", timeout=120_000)
    page.get_by_role("button", name="Write", exact=True).click()
    page.wait_for_selector(".along >> nth=1", timeout=60_000)


if __name__ == "__main__":
    main()
