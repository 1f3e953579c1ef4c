"""Exports of an index of many features: time, memory, sizes, and what a browser asks for to show one feature.

    python benchmarks/export.py --features 100000 --out /tmp/site > export.json
    python benchmarks/export.py --features 1000000 --format neuronpedia --out /tmp/neuronpedia > export.json

No model and no index is needed: records are made as they are asked for, of the size that real ones have (24 examples
of 25 tokens, 12 tokens, 24 logit weights, 8 neighbours), with words as frequent as in a language (Zipf's law).
The time to make them is measured apart. Requests are counted in a real Chromium, where Playwright and Chromium are
installed; the files come from disk, in parts as it asks for them.
"""

import argparse
import resource
import shutil
import sys
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
from hardware import row, write

from monoscope.explore.export import write_circuit_tracer, write_neuronpedia, write_site
from monoscope.manifest import Manifest

WRITERS = {"site": write_site, "neuronpedia": write_neuronpedia, "circuit-tracer": write_circuit_tracer}
WORDS, WINDOWS, WINDOW = 40_000, 20_000, 25
HOST = "http://export.test/"


class Record:
    """A record that is a dictionary already."""

    def __init__(self, content: dict[str, Any]) -> None:
        self._content = content

    def to_json(self) -> dict[str, Any]:
        return self._content


class Synthetic:
    """Reads like an index; a record follows from its number."""

    def __init__(self, n_features: int, n_examples: int = 24) -> None:
        generator = np.random.default_rng(0)
        self.n_features = n_features
        self._n_examples = n_examples
        letters = np.array(list("etaoinshrdlucmfwypvbgk"))
        self._words = ["".join(generator.choice(letters, generator.integers(2, 11))) for _ in range(WORDS)]
        frequency = 1 / np.arange(1, WORDS + 1)
        self._frequency = np.cumsum(frequency / frequency.sum())
        drawn = self._draw(generator, WINDOWS * WINDOW).reshape(WINDOWS, WINDOW)
        self._windows = [[" " + self._words[word] for word in window] for window in drawn]
        self._density = (10 ** generator.normal(-3, 0.7, n_features)).astype(np.float64)
        self._largest = generator.gamma(6, 3, n_features)
        content = {
            "address": "synthetic/blocks.12.resid_post/large",
            "n_tokens": 10**8,
            "n_alive": n_features,
            "context": 256,
        }
        self.manifest = Manifest(kind="features", hash="0" * 16, options={"intervals": 4}, content=content)

    def _draw(self, generator: np.random.Generator, count: int) -> np.ndarray:
        return np.searchsorted(self._frequency, generator.random(count))

    def statistics(self) -> dict[str, np.ndarray]:
        return {
            "density": self._density,
            "max_activation": self._largest,
            "n_active": self._density * 10**8,
        }

    def record(self, feature: int) -> Record:
        generator = np.random.default_rng(feature)
        largest, density = float(self._largest[feature]), float(self._density[feature])
        words = [self._words[word] for word in self._draw(generator, 36)]
        kinds = ["top"] * 12 + [f"interval {part}" for part in (4, 3, 2, 1) for _ in range(3)]
        windows = generator.integers(0, WINDOWS, self._n_examples).tolist()
        values = (generator.random((self._n_examples, 3)) * largest).tolist()
        return Record(
            {
                "feature": feature,
                "address": f"{self.manifest.content['address']}#{feature}",
                "description": f"near {words[0]}, {words[1]}, {words[2]}; {words[3]}, {words[4]}, {words[5]} "
                f"({feature % 97} % of activation); promotes {words[12]}, {words[13]}, {words[14]}",
                "density": density,
                "n_active": int(density * 10**8),
                "max_activation": largest,
                "mean_activation": largest / 3,
                "histogram": {
                    "edges": [np.log10(largest) - 2.25 + each / 8 for each in range(19)],
                    "counts": generator.integers(1, 10**5, 18).tolist(),
                },
                "examples": [
                    self._example(*each) for each in zip(kinds, windows, values, strict=False)
                ],
                "tokens": [
                    {"token": place, "text": " " + word, "count": 99, "share": 0.3 / (1 + place), "lift": 25.5}
                    for place, word in enumerate(words[3:15])
                ],
                **{
                    name: [
                        {"token": place, "text": " " + word, "weight": sign * (1 - place / 13)}
                        for place, word in enumerate(words[first : first + 12])
                    ]
                    for name, sign, first in (("promoted", 1, 12), ("suppressed", -1, 24))
                },
                "neighbours": [
                    {"feature": (feature * 31 + each) % self.n_features, "cosine": 0.7 / (1 + each)}
                    for each in range(8)
                ],
            }
        )  # fmt: skip

    def _example(self, kind: str, window: int, values: list[float]) -> dict[str, Any]:
        start = window * WINDOW
        return {
            "kind": kind,
            "position": start + 16,
            "document": window // 10,
            "start": start,
            "tokens": self._windows[window],
            "activations": [*[0.0] * 14, values[0], 0.0, values[1], values[2], *[0.0] * 7],
            "peak": values[1],
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--features", type=int, default=100_000)
    parser.add_argument("--format", choices=WRITERS, default="site")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument(
        "--examples", type=int, default=24, help="of a feature, at most 24: fewer are made sooner"
    )
    arguments = parser.parse_args()
    shutil.rmtree(arguments.out, ignore_errors=True)
    arguments.out.mkdir(parents=True)
    index = Synthetic(arguments.features, arguments.examples)
    sample = min(2000, arguments.features)
    began = monotonic()
    for feature in range(sample):
        index.record(feature).to_json()
    making = (monotonic() - began) / sample
    before = peak_memory()
    began = monotonic()
    WRITERS[arguments.format](index, arguments.out, told)
    seconds = monotonic() - began
    rows = [
        row(f"{arguments.format}, {arguments.features:,} features: seconds", seconds),
        row("of these making the records", making * arguments.features),
        row("export, microseconds a feature", 1e6 * (seconds / arguments.features - making)),
        row("memory, MiB more at the peak than before", (peak_memory() - before) / 2**20),
        *sizes(arguments.out),
    ]
    if arguments.format == "site":
        rows += browsed(arguments.out, arguments.features, index)
    write(rows, features=arguments.features, examples=arguments.examples, format=arguments.format)


def told(done: int, total: int) -> None:
    if done % 20_000 < 64:
        print(f"{done:,} of {total:,}, {peak_memory() / 2**20:,.0f} MiB", file=sys.stderr)


def peak_memory() -> int:
    """Bytes, as Linux counts them."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def sizes(folder: Path) -> list[dict[str, Any]]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    rows = [row("files", len(files)), row("MB", sum(path.stat().st_size for path in files) / 1e6)]
    for place in sorted({path.parent for path in files}):
        inside = [path.stat().st_size for path in place.iterdir() if path.is_file()]
        rows.append(row(f"MB in {place.relative_to(folder)}, {len(inside)} files", sum(inside) / 1e6))
    return rows


def browsed(folder: Path, n_features: int, index: Synthetic) -> list[dict[str, Any]]:
    """Requests and kilobytes of some visits, the page itself not counted."""
    with suppress(ImportError):
        from playwright.sync_api import sync_playwright

        program = shutil.which("chromium") or shutil.which("chromium-browser")
        if program:
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
                return [
                    each
                    for name, address in visits(n_features, index)
                    for each in visited(browser, folder, name, address)
                ]
    print("no Chromium or no Playwright: requests are not counted", file=sys.stderr)
    return []


def visits(n_features: int, index: Synthetic) -> list[tuple[str, str]]:
    common, rarer, rare = (index._words[place] for place in (20, 2000, 10_000))
    return [
        ("open the page", "#/"),
        ("open a feature", f"#/feature/{n_features * 3 // 4}"),
        (f"search a rare word ({rare})", f"#/search/{rare}"),
        (f"search a common word ({common})", f"#/search/{common}"),
        (f"search two words ({common} {rarer})", f"#/search/{common}%20{rarer}"),
    ]


def visited(browser: Any, folder: Path, name: str, address: str) -> list[dict[str, Any]]:
    page = browser.new_page()
    asked: list[int] = []

    def answer(route: Any) -> None:
        path = folder / (route.request.url.removeprefix(HOST).split("?")[0] or "index.html")
        wanted = route.request.headers.get("range")
        body = path.read_bytes()
        if wanted:
            first, last = (int(each) for each in wanted.removeprefix("bytes=").split("-"))
            body = body[first : last + 1]
        if path.name != "index.html":
            asked.append(len(body))
        kind = "text/html" if path.suffix == ".html" else "application/octet-stream"
        route.fulfill(status=206 if wanted else 200, body=body, content_type=kind)

    page.route("**/*", answer)
    began = monotonic()
    page.goto(HOST + address)
    page.wait_for_selector("#card > *")
    seconds = monotonic() - began
    found = page.locator("#found").inner_text()
    page.close()
    what = f"{name} [{found}]"
    return [
        row(f"{what}: requests", len(asked)),
        row(f"{what}: kB", sum(asked) / 1e3),
        row(f"{what}: seconds", seconds),
    ]


if __name__ == "__main__":
    main()
