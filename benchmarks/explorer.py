"""How fast the explorer's page is, in a real Chromium.

    python benchmarks/explorer.py --run RUN > explorer.json

First paint and the pages of features are those of the run itself, served by ``monoscope serve`` in a process of its
own. The long table, its search and the map are those of an index of made-up features, written by the same code and
served by the same routes; its points are drawn by lot. Frames are timed from one animation frame to the next while the
table scrolls by 40 pixels a frame, or the map is zoomed: a screen of 60 Hz gives 16.7 ms where nothing is late. Errors
are what the browser's console says; requests to other hosts are counted.
"""

import argparse
import gzip
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from shutil import which
from typing import Any

import numpy as np
import torch
import uvicorn
from fastapi import FastAPI
from hardware import row, write
from playwright.sync_api import Browser, Page, sync_playwright
from synthetic_index import synthetic_index

from monoscope.commands.exploring import explored
from monoscope.commands.open_run import OpenRun
from monoscope.commands.progress import Reporter
from monoscope.explore.api import add_exploring, add_page
from monoscope.explore.api.page import bundle
from monoscope.features import FeatureIndex
from monoscope.features.map import FeatureMap

VISITS, CARDS, FRAMES = 5, 40, 180
QUERIES = ("bridge", "golden", "river stone", "castle", "old market", "rain", "letter garden", "stone bridge")
"""What is typed: words that the made-up features' descriptions have."""

OPEN_CARD = """async feature => {
  const began = performance.now();
  location.hash = `#/feature/${feature}`;
  const title = () => document.querySelector(".feature h1 .which")?.textContent ?? "";
  const drawn = () => title().includes(feature) && document.querySelector(".feature .columns");
  while (!drawn()) await new Promise(requestAnimationFrame);
  await new Promise(requestAnimationFrame);
  return performance.now() - began;
}"""
TYPE = """async query => {
  const box = document.querySelector("[data-search]");
  const said = place => document.querySelector(place)?.textContent;
  const first = () => said(".grid .body .c-description") + said(".found [role=status]");
  const before = first();
  const began = performance.now();
  box.value = query;
  box.dispatchEvent(new Event("input", { bubbles: true }));
  while (first() === before && performance.now() - began < 5000) await new Promise(requestAnimationFrame);
  await new Promise(requestAnimationFrame);
  return performance.now() - began;
}"""
FRAME_TIMES = """async ([frames, what]) => {
  const grid = document.querySelector(".grid"), map = document.querySelector(".map");
  const box = map?.getBoundingClientRect();
  const act = {
    scroll: () => (grid.scrollTop += 40),
    zoom: frame => map.dispatchEvent(new WheelEvent("wheel", {
      deltaY: frame % 120 < 60 ? -40 : 40, clientX: box.left + 200, clientY: box.top + 150, cancelable: true,
    })),
  }[what];
  const times = [];
  let last = await new Promise(requestAnimationFrame);
  for (let frame = 0; frame < frames; frame += 1) {
    act(frame);
    const now = await new Promise(requestAnimationFrame);
    times.push(now - last);
    last = now;
  }
  return times;
}"""


class Watched:
    """Pages of one browser, and what they complain of."""

    def __init__(self, browser: Browser, address: str) -> None:
        self.browser, self.address = browser, address
        self.complaints: list[str] = []
        self.strangers: list[str] = []

    @contextmanager
    def page(self) -> Iterator[Page]:
        """A page in a context of its own: nothing is kept from the one before."""
        context = self.browser.new_context(viewport={"width": 1280, "height": 900})
        page = context.new_page()
        page.on("console", self._said)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", self._seen)
        yield page
        context.close()

    def _said(self, message: Any) -> None:
        # A driver's words on its own speed are no errors.
        if message.type == "error":
            self.complaints.append(message.text)

    def _seen(self, request: Any) -> None:
        if not request.url.startswith((self.address.split("#")[0], "data:", "blob:")):
            self.strangers.append(request.url)


@contextmanager
def served(run: Path) -> Iterator[str]:
    """A run behind ``monoscope serve``; its page's address."""
    words = [sys.executable, "-m", "monoscope", "serve", str(run), "--port", "0", "--no-open"]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        said = next(line for line in server.stderr if line.startswith("the page: "))
        try:
            yield said.removeprefix("the page: ").strip()
        finally:
            server.terminate()


@contextmanager
def made_up(run: Path, n_features: int, folder: Path) -> Iterator[str]:
    """The same routes in front of an index of made-up features; the page's address."""
    synthetic_index(folder / "features", n_features)
    index = FeatureIndex.open(folder / "features")
    plane = 2 * torch.rand(n_features, 2, generator=torch.Generator().manual_seed(0)) - 1
    drawn = FeatureMap(torch.arange(n_features), plane.float())
    app = FastAPI()
    known = explored(OpenRun.at(run, Reporter()), dict)
    add_exploring(app, replace(known, index=lambda: index, labels=lambda index: None, map=lambda: drawn))
    add_page(app)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        thread.join(0.05)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/"
    server.should_exit = True
    thread.join()


def first_paints(watched: Watched) -> list[float]:
    """Milliseconds to the first contentful paint of the page, each time as on a first visit."""
    times = []
    for _ in range(VISITS):
        with watched.page() as page:
            page.goto(watched.address)
            page.wait_for_selector("h1")
            entry = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
            times.append(page.evaluate(entry))
    return times


def cards(watched: Watched, index: FeatureIndex) -> list[float]:
    """Milliseconds from going to a feature to its card being drawn."""
    chosen = np.random.default_rng(0).choice(index.alive, CARDS, replace=False).tolist()
    with watched.page() as page:
        page.goto(watched.address)
        page.wait_for_selector("h1")
        return [page.evaluate(OPEN_CARD, feature) for feature in chosen]


def table_and_map(watched: Watched) -> tuple[list[float], list[float], list[float]]:
    """Milliseconds of searches while typing; and of frames of the scrolled table and of the zoomed map."""
    with watched.page() as page:
        page.goto(f"{watched.address}#/features")
        page.wait_for_selector(".grid .body .c-description")
        scrolled = page.evaluate(FRAME_TIMES, [FRAMES, "scroll"])
        searches = [page.evaluate(TYPE, query) for query in QUERIES]
        page.locator("[data-map]").click()
        page.wait_for_selector(".map + p")
        page.wait_for_timeout(500)
        return searches, scrolled, page.evaluate(FRAME_TIMES, [FRAMES, "zoom"])


def rows_of(what: str, times: list[float], target: str = "") -> list[dict[str, Any]]:
    """Median and 95th percentile of some milliseconds."""
    middle, late = np.percentile(times, [50, 95]).tolist()
    return [row(f"{what}, median, ms", middle, target), row(f"{what}, p95, ms", late)]


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--run", type=Path, required=True, help="a complete run")
    parser.add_argument(
        "--features", type=int, default=200_000, help="made-up features of the table and the map"
    )
    asked = parser.parse_args()
    size = sum(len(gzip.compress(file, 9)) for file in bundle().values())
    rows = [row("the page's files, compressed, KB", size / 1000, "<= 300")]
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        flags = ["--no-sandbox", "--enable-unsafe-swiftshader"]
        browser = playwright.chromium.launch(executable_path=which("chromium"), args=flags)
        with served(asked.run) as address:
            own = Watched(browser, address)
            rows += rows_of("first contentful paint", first_paints(own), "<= 1000")
            rows += rows_of(
                "to a feature's card", cards(own, FeatureIndex.open(asked.run / "features")), "<= 100"
            )
        with made_up(asked.run, asked.features, Path(folder)) as address:
            wide = Watched(browser, address)
            searches, scrolled, zoomed = table_and_map(wide)
        rows += rows_of(f"a keystroke to results among {asked.features:,} features", searches, "<= 100")
        rows += rows_of(f"a frame of the scrolled table of {asked.features:,}", scrolled, "<= 20")
        rows += rows_of(f"a frame of the zoomed map of {asked.features:,} points", zoomed, "<= 20")
        browser.close()
    rows.append(row("errors in the console", len(own.complaints) + len(wide.complaints), "<= 0"))
    rows.append(row("requests to other hosts", len(own.strangers) + len(wide.strangers), "<= 0"))
    write(rows, complaints=own.complaints + wide.complaints)


if __name__ == "__main__":
    main()
