"""The feature index: what it costs to make, beside harvest and encoding alone and beside sae-dashboard, and how fast
an index of a million features answers.

    python benchmarks/index.py --run RUN > index.json                    # a run that has its dictionary
    python benchmarks/index.py --run RUN --no-peer --tokens 500000 > index.json
    python benchmarks/index.py --synthetic 1000000 > synthetic.json

Built: the activations of the run's text are harvested and indexed, all features, in one process; and harvested and only
encoded in another. Peak memory is that of the indexing process. sae-dashboard runs in an environment of its own (see
``peer_environments.py``) on as many features of the same dictionary and as many tokens as it is given; its rate is
features x tokens a minute, ours too. It reads models of TransformerLens: it gets one of the built-in model's shape and
the same number of tokens, with random weights, and the dictionary as it is. That changes nothing of its work but what
it finds.

Synthetic: rows as a dictionary of that many features would have them, written by the same code, in blocks. Pages are
read with nothing of the files in memory: their pages are dropped (``posix_fadvise``, DONTNEED) before every read.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from hardware import row, write
from peer_environments import ENVIRONMENTS, NotInstalled, environment
from synthetic_index import synthetic_index

from monoscope.features import FeatureIndex

PAGES = 300
"""Pages of random features that are read."""
QUERIES = ("bridge", "golden bridge", "river stone", "the", "castle", "old market", "rain", "letter garden")
"""What descriptions are searched for: words that many descriptions have, alone and together."""


def drop(folder: Path) -> None:
    """Forget what is in memory of a folder's files."""
    for path in folder.iterdir():
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def page_times(folder: Path, *, cold: bool) -> list[float]:
    """Milliseconds to read the records of random features, each from a cold or a warm cache."""
    index = FeatureIndex.open(folder)
    index.record(0)
    times = []
    for feature in np.random.default_rng(1).integers(0, index.n_features, PAGES).tolist():
        if cold:
            # SQLite's own cache goes with its connection. One page has been served: the vocabulary is read once.
            index = FeatureIndex.open(folder)
            index.record(0)
            drop(folder)
        else:
            index.record(feature)
        began = time.perf_counter()
        index.record(feature)
        times.append(1000 * (time.perf_counter() - began))
    return times


def search_times(folder: Path) -> dict[str, float]:
    """Milliseconds of a search of descriptions, the fastest of three."""
    index = FeatureIndex.open(folder)
    found = {}
    for query in QUERIES:
        times = []
        for _ in range(3):
            began = time.perf_counter()
            index.by_description(query)
            times.append(1000 * (time.perf_counter() - began))
        found[query] = round(min(times), 2)
    return found


def synthetic(n_features: int, folder: Path) -> None:
    """An index of made-up features: size, pages, searches."""
    began, place = time.perf_counter(), folder / "features"
    synthetic_index(place, n_features)
    seconds = time.perf_counter() - began
    size = sum(path.stat().st_size for path in place.iterdir() if path.is_file())
    cold, warm = page_times(place, cold=True), page_times(place, cold=False)
    searches = search_times(place)
    million = n_features / 1e6
    what = f"{n_features:,} features: "
    rows = [
        row(what + "GB for a million", size / 1e9 / million, "<= 6"),
        row(what + "a page, cold, ms, p50", float(np.percentile(cold, 50)), "<= 1"),
        row(what + "a page, cold, ms, p95", float(np.percentile(cold, 95)), "<= 10"),
        row(what + "a page, warm, ms, p50", float(np.percentile(warm, 50)), "<= 1"),
        row(what + "a page, warm, ms, p95", float(np.percentile(warm, 95)), "<= 10"),
        row(what + "a search of descriptions, ms, slowest", max(searches.values()), "<= 50"),
        row(what + "seconds to write", seconds),
        row(what + "peak memory to write, MiB", peak_memory() / 2**20),
    ]
    write(rows, searches=searches, bytes={path.name: path.stat().st_size for path in place.iterdir()})


def peak_memory() -> int:
    """Bytes this process held at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def contestant(what: str, asked: argparse.Namespace) -> dict[str, Any]:
    """Harvest and ``index`` or ``encode`` in a process of its own."""
    command = [sys.executable, __file__, "--run", str(asked.run), "--as", what]
    command += ["--tokens", str(asked.tokens)] if asked.tokens else []
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def harvest_and(what: str, asked: argparse.Namespace) -> dict[str, Any]:
    """Harvest the run's text, then index all features or only encode; seconds of each, by clock and processor."""
    import torch

    from monoscope.activations import harvest
    from monoscope.commands import index as made
    from monoscope.commands.open_run import OpenRun
    from monoscope.commands.progress import Reporter

    run = OpenRun.at(asked.run, Reporter())
    n_tokens = asked.tokens or run.recipe.harvest.n_tokens
    options = replace(run.recipe.harvest, n_tokens=n_tokens)
    lm, dictionary, corpus = run.lm, run.model_dictionary, run.corpus
    seconds: dict[str, float] = {}
    clocks = [time.perf_counter(), time.process_time()]

    def lap(name: str) -> None:
        now = [time.perf_counter(), time.process_time()]
        seconds[name], seconds[f"{name}_processor"] = (
            new - old for new, old in zip(now, clocks, strict=True)
        )
        clocks[:] = now

    with tempfile.TemporaryDirectory() as folder:
        store = harvest(lm, corpus, site=str(run.site), out=Path(folder) / "acts", options=options)
        lap("harvest")
        before = peak_memory()
        if what == "encode":
            for _, x in store.sequential(run.site, 4096):
                with torch.no_grad():
                    dictionary.sparse_encode(x)
        else:
            made.index(lm, dictionary, store, out=Path(folder) / "features", options=run.recipe.index)
        lap(what)
        return seconds | {
            "n_tokens": store.n_tokens,
            "n_features": dictionary.n_features,
            "peak_memory": peak_memory(),
            "peak_memory_before": before,
        }


def built(asked: argparse.Namespace) -> None:
    """What it costs to index a run."""
    alone, ours = (contestant(what, asked) for what in ("encode", "index"))
    rows = []
    for clock, name in (("", "seconds"), ("_processor", "processor seconds")):
        floor = alone[f"harvest{clock}"] + alone[f"encode{clock}"]
        target = "<= 1.3" if not clock else ""
        taken = ours[f"harvest{clock}"] + ours[f"index{clock}"]
        rows.append(row(f"harvest and index, in harvest and encode alone, {name}", taken / floor, target))
        pass_alone = alone[f"harvest{clock}"] + ours[f"index{clock}"]
        rows.append(row(f"the same with one harvest for both, {name}", pass_alone / floor))
    work = ours["n_features"] * ours["n_tokens"]
    rate = 60 * work / (ours["harvest"] + ours["index"])
    rows.append(row("features x tokens a minute, harvest included", rate))
    rows.append(row("peak memory of harvest and index, MiB", ours["peak_memory"] / 2**20))
    more: dict[str, Any] = {"encode": alone, "index": ours}
    if asked.peer:
        more["sae-dashboard"] = theirs = dashboard(asked)
        if "error" not in theirs:
            rows.append(row("features x tokens a minute of sae-dashboard", theirs["rate"]))
            rows.append(row("ours, in those of sae-dashboard", rate / theirs["rate"], ">= 10"))
    write(rows, **more)


def dashboard(asked: argparse.Namespace) -> dict[str, Any]:
    """What sae-dashboard does in a minute."""
    from safetensors.torch import save_file

    from monoscope.commands.open_run import OpenRun
    from monoscope.commands.progress import Reporter

    run = OpenRun.at(asked.run, Reporter())
    dictionary, lm = run.model_dictionary, run.lm
    shape = {
        "d_model": dictionary.decoder.shape[1],
        "n_features": dictionary.n_features,
        "k": getattr(dictionary.options.sparsifier, "k", 32),
        "vocabulary": lm.vocabulary_size,
        "blocks": lm.n_blocks,
        "block": run.site.block,
        "context": run.recipe.harvest.context,
    }
    shape |= {"features": asked.peer_features, "tokens": asked.peer_tokens}
    try:
        python = environment("sae-dashboard", asked.environments)
    except NotInstalled as error:
        return {"error": str(error)}
    with tempfile.TemporaryDirectory() as folder:
        names = ("encoder", "encoder_bias", "decoder", "bias")
        tensors = {name: getattr(dictionary, name).detach().contiguous() for name in names}
        save_file(tensors, Path(folder) / "dictionary.safetensors")
        (Path(folder) / "shape.json").write_text(json.dumps(shape))
        command = [str(python), str(Path(__file__).with_name("peer_dashboard.py")), folder]
        done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        return {"error": (done.stderr.strip().splitlines() or ["no word"])[-1]}
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--run", type=Path, help="folder of a run with its dictionary")
    parser.add_argument("--tokens", type=int, help="tokens that are indexed; by default the run's")
    parser.add_argument("--no-peer", dest="peer", action="store_false", help="without sae-dashboard")
    parser.add_argument("--peer-features", type=int, default=128)
    parser.add_argument("--peer-tokens", type=int, default=131_072)
    parser.add_argument("--environments", type=Path, default=ENVIRONMENTS, metavar="FOLDER")
    parser.add_argument("--synthetic", type=int, metavar="FEATURES", help="an index of made-up features")
    parser.add_argument("--folder", type=Path, help="where the made-up index is written")
    parser.add_argument("--as", dest="contestant", choices=("encode", "index"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.contestant:
        print(json.dumps(harvest_and(asked.contestant, asked)))
    elif asked.synthetic:
        with tempfile.TemporaryDirectory(dir=asked.folder) as folder:
            synthetic(asked.synthetic, Path(folder))
    elif asked.run:
        built(asked)
    else:
        parser.error("give --run or --synthetic")


if __name__ == "__main__":
    main()
