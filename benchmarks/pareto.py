"""Every variant of ours beside those of the peers: what a dictionary of so many active features leaves unexplained.

    python benchmarks/pareto.py --out runs/pareto --figure pareto.svg > pareto.json
    python benchmarks/pareto.py --quick > pareto.json
    python benchmarks/pareto.py --only topk gated --peers sae-lens --out runs/pareto > pareto.json

A model is harvested once. All contestants get the same activations, centred and scaled to ``E|x|^2 = d_model`` as
the peers' documentation advises, in the same order, each in a process of its own (``peer_train.py``). Each trains at
its library's defaults and again at every ``--learning-rates`` in the common setting of ``peer_adapters.py``; of these
the one with the least FVU at the same L0 counts, ours and theirs alike, judged on the first seed. Our price of
activity turns itself until L0 is reached; peers' coefficients are found by trial on the first seed.

FVU, L0, dead share and cross-entropy recovered are measured here, for all by the same code, on held-out text, with
the weights that came back; only after these gave the FVU of the contestant's own reconstruction.

With ``--out`` every training is kept as one JSON file and not done again: an interrupted benchmark goes on, and
contestants, seeds and settings can be added.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from argparse import Namespace
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from itertools import product
from math import inf, log
from pathlib import Path
from time import monotonic
from typing import Any

import peer_train
from hardware import write
from pareto_figure import aimed, drawn, rows_of, unexplained_at
from pareto_ground import Failed, Ground
from peer_environments import ENVIRONMENTS, PEERS, NotInstalled, environment

import monoscope
from monoscope.manifest import content_hash

OURS = "monoscope"
VARIANTS = {
    "sae-lens": ("topk", "batchtopk", "matryoshka", "april", "jumprelu", "tanh", "gated"),
    "dictionary-learning": (
        "topk", "batchtopk", "matryoshka", "relu", "april", "p_anneal", "jumprelu", "gated"
    ),
    "eai-sparsify": ("topk", "multi_topk"),
    "overcomplete": ("topk", "batchtopk", "relu", "jumprelu"),
}  # fmt: skip
"""What each peer trains. Matching pursuit, of sae-lens and overcomplete, is not linear in what it reads."""
PRICES = {"relu": 1.5, "april": 1.5, "p_anneal": 1.5, "gated": 1.5, "jumprelu": 0.15, "tanh": 10.0}
"""The first coefficient tried of each variant, against the summed squared error."""
TARGETED = (("dictionary-learning", "jumprelu"), ("overcomplete", "jumprelu"))
"""Peers' variants that are told an L0, and come near it or not."""
OPTIONS = {"dictionary-learning": {"normalize_activations": "true"}}
"""Options of a peer's own that its documentation advises for all its variants."""
TRIALS, CLOSE = 4, 1.15
"""Coefficients tried for each L0, at most, and the factor from it that is near enough."""


QUICK: dict[str, Any] = {"features": 512, "tokens": 300_000, "seeds": 1, "levels": [16, 32]}
QUICK |= {"only": ["topk", "relu"], "peers": ["eai-sparsify", "dictionary-learning"]}
"""What is asked for where nothing else is said."""


@dataclass(frozen=True, kw_only=True)
class Training:
    """What tells one training from another on the same activations."""

    contestant: str
    variant: str
    seed: int
    k: int | None = None
    coefficient: float | None = None
    learning_rate: float | None = None

    def name(self) -> str:
        """What it is called in messages and files."""
        price = f"k{self.k}" if self.coefficient is None else f"c{self.coefficient:.4g}"
        return f"{self.contestant}.{self.variant}.{price}.{setting_name(self.learning_rate)}.seed{self.seed}"

    def arguments(self) -> list[str]:
        """The same for ``peer_train.py``."""
        told = {name: value for name, value in asdict(self).items() if name != "contestant"}
        given = {name.replace("_", "-"): value for name, value in told.items() if value is not None}
        options = [f"{name}={value}" for name, value in OPTIONS.get(self.contestant, {}).items()]
        return [
            *(text for name, value in given.items() for text in (f"--{name}", str(value))),
            *(text for option in options for text in ("--option", option)),
        ]


def setting_name(learning_rate: float | None) -> str:
    """``default``, or ``common`` with its learning rate."""
    return "default" if learning_rate is None else f"common at {learning_rate:g}"


class Workshop:
    """Trains, measures and remembers."""

    def __init__(self, asked: Namespace, ground: Ground, folder: Path) -> None:
        self.asked, self.ground, self.folder = asked, ground, folder / "trainings"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.began, self.stopped = monotonic(), False
        package = Path(monoscope.__file__).parent
        parts = sorted(path for part in ("train", "dictionaries") for path in (package / part).rglob("*.py"))
        self.code = content_hash(*parts)

    def identity(self, training: Training) -> dict[str, Any]:
        """All that the record of a training depends on."""
        which = self.code if training.contestant == OURS else PEERS[training.contestant].version
        shared = {name: getattr(self.asked, name) for name in ("features", "tokens", "batch")}
        return {**asdict(training), **shared, "version": which, "data": self.ground.hash}

    def record(self, training: Training) -> dict[str, Any]:
        """What came of a training; from its file where it is there.

        Raises:
            Failed: nothing came of it.
            NotInstalled: the peer cannot be had.
        """
        identity = self.identity(training)
        mark = content_hash(json.dumps(identity, sort_keys=True))[:8]
        path = self.folder / f"{training.name().replace(' ', '-')}.{mark}.json"
        if path.is_file():
            return json.loads(path.read_text())
        if self.stopped:
            raise KeyboardInterrupt
        with tempfile.TemporaryDirectory(dir=self.folder) as place:
            weights = Path(place) / "weights.npz"
            told = self.trained(training, weights)
            measured = self.ground.measured(weights, told["own_fvu"])
            record = {"identity": identity, **asdict(training), "told": told, **measured}
            unfinished = Path(place) / path.name
            unfinished.write_text(json.dumps(record))
            unfinished.replace(path)
        figures = " ".join(f"{name} {record[name]:.4g}" for name in ("l0", "fvu", "ce_recovered_mean"))
        print(f"{monotonic() - self.began:6.0f} s  {training.name():<64} {figures}", file=sys.stderr)
        return record

    def trained(self, training: Training, weights: Path) -> dict[str, Any]:
        """Train in a process of its own; what it says of itself.

        Raises:
            Failed, NotInstalled: as :meth:`record`.
        """
        asked, here, ours = self.asked, Path(__file__), training.contestant == OURS
        python = sys.executable if ours else environment(training.contestant, asked.environments)
        program = here.with_name("train_step.py" if ours else "peer_train.py")
        shared = {"activations": self.ground.activations, "features": asked.features, "out": weights}
        shared |= {"batch": asked.batch, "tokens": asked.tokens}
        given = [text for name, value in shared.items() for text in (f"--{name}", str(value))]
        command = [python, program, training.contestant, *training.arguments(), *given, "--json"]
        threads = str(max(1, (os.cpu_count() or 1) // asked.jobs))
        around = os.environ | {"OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads}
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True, env=around)
        if done.returncode:
            raise Failed((done.stderr.strip().splitlines() or ["no word"])[-1])
        told = json.loads(done.stdout.splitlines()[-1])
        return {name: value for name, value in told.items() if name != "seconds"}


def curve(workshop: Workshop, contestant: str, variant: str) -> dict[str, Any]:
    """One variant of a contestant at every L0 and seed, in the setting that is best at the middle L0 on seed 0."""
    asked = workshop.asked
    middle = sorted(asked.levels)[len(asked.levels) // 2]
    levels = [middle, *(level for level in asked.levels if level != middle)]
    entry: dict[str, Any] = {"contestant": contestant, "variant": variant, "points": [], "settings": {}}
    merits: dict[float | None, float] = {}
    for rate in (*(() if asked.without_defaults else (None,)), *asked.learning_rates):
        base = {"contestant": contestant, "variant": variant, "learning_rate": rate}
        try:
            points = first_seed(workshop, base, [middle])
        except (Failed, NotInstalled) as error:
            entry["settings"][setting_name(rate)] = {"error": str(error)}
            print(f"{contestant} {variant}, {setting_name(rate)}: {error}", file=sys.stderr)
            continue
        found = unexplained_at([(point["l0"], point["fvu"]) for point in points], middle)
        merits[rate] = inf if found is None else found
        tried = [[point["l0"], point["fvu"]] for point in points]
        entry["settings"][setting_name(rate)] = {"l0_and_fvu": tried, "fvu_at_middle_l0": found}
    if not merits:
        return entry | {"error": "it could be trained in no setting"}
    best = min(merits, key=lambda rate: merits[rate])
    entry["setting"] = setting_name(best)
    try:
        points = first_seed(workshop, base | {"learning_rate": best}, levels)
        chosen = [nearest(points, level) for level in asked.levels] if points[0]["coefficient"] else points
        prices = sorted({(point["k"] or 0, point["coefficient"] or 0.0) for point in chosen})
        for seed, (k, coefficient) in product(range(asked.seeds), prices):
            again = Training(
                **base | {"learning_rate": best, "seed": seed}, k=k or None, coefficient=coefficient or None
            )
            entry["points"].append(workshop.record(again))
    except Failed as error:
        return entry | {"points": [], "error": str(error)}
    return entry


def first_seed(workshop: Workshop, base: dict[str, Any], levels: Sequence[int]) -> list[dict[str, Any]]:
    """Trainings of seed 0 for these L0s: one told each of them, or those at the coefficients that were tried."""
    contestant, variant = base["contestant"], base["variant"]
    if contestant == OURS or variant not in PRICES or (contestant, variant) in TARGETED:
        return [workshop.record(Training(**base, k=level, seed=0)) for level in levels]
    tried: list[dict[str, Any]] = []
    price = PRICES[variant]
    for level in levels:
        for _ in range(TRIALS):
            if tried and 1 / CLOSE < nearest(tried, level)["l0"] / level < CLOSE:
                break
            if tried:
                price = aimed([(point["coefficient"], point["l0"]) for point in tried], level)
            tried.append(workshop.record(Training(**base, coefficient=float(f"{price:.4g}"), seed=0)))
    return tried


def nearest(points: list[dict[str, Any]], level: float) -> dict[str, Any]:
    """The training whose L0 is nearest to a level, by its logarithm."""
    return min(points, key=lambda point: abs(log(max(point["l0"], 1e-3) / level)))


def main() -> None:
    """Harvest, let everyone train, compare, write."""
    asked = arguments()
    kept = tempfile.TemporaryDirectory() if asked.out is None else nullcontext(asked.out)
    with kept as place:
        folder = Path(place)
        folder.mkdir(parents=True, exist_ok=True)
        workshop = Workshop(asked, Ground(asked, folder), folder)
        mine = peer_train.VARIANTS if asked.only is None else asked.only
        entries = [(OURS, variant) for variant in mine]
        entries += [(peer, each) for peer in asked.peers for each in VARIANTS[peer] if each in mine]
        with ThreadPoolExecutor(asked.jobs) as pool:
            try:
                curves = list(pool.map(lambda entry: curve(workshop, *entry), entries))
            finally:
                workshop.stopped = True
        workshop.ground.activations.unlink()
    if asked.figure:
        drawn(curves, asked.figure)
    told = {
        name: value for name, value in vars(asked).items() if name not in ("out", "figure", "environments")
    }
    write(rows_of(curves, OURS, asked.levels), asked=told, site=workshop.ground.site, curves=curves)


def arguments() -> Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="small, to see that all of it runs")
    parser.add_argument("--model", default="builtin", help="builtin or a folder")
    parser.add_argument("--corpus", default="builtin", help="builtin, a file or a folder")
    parser.add_argument(
        "--layer", default="blocks.2.resid_post", help="the site, as monoscope harvest takes it"
    )
    parser.add_argument("--only", nargs="+", choices=peer_train.VARIANTS, metavar="VARIANT")
    parser.add_argument(
        "--peers", nargs="*", choices=peer_train.ADAPTERS, default=list(peer_train.ADAPTERS), metavar="PEER"
    )
    parser.add_argument("--levels", nargs="+", type=int, default=[8, 16, 32], metavar="L0")
    parser.add_argument("--learning-rates", nargs="*", type=float, default=[2e-3], metavar="RATE",
                        help="of the common setting, each tried beside the defaults")  # fmt: skip
    parser.add_argument("--without-defaults", action="store_true",
                        help="the common setting alone: defaults of most peers are for far longer runs")  # fmt: skip
    parser.add_argument("--features", type=int, default=1024)
    parser.add_argument("--tokens", type=int, default=500_000)
    parser.add_argument("--batch", type=int, default=1024)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=2, help="trainings at a time, which share the cores")
    parser.add_argument(
        "--out", type=Path, metavar="FOLDER", help="keep every training here and go on from it"
    )
    parser.add_argument("--figure", type=Path, metavar="FILE", help="draw the curves; needs matplotlib")
    parser.add_argument("--environments", type=Path, default=ENVIRONMENTS, metavar="FOLDER")
    asked = parser.parse_args()
    if asked.quick:
        parser.set_defaults(**QUICK)
        asked = parser.parse_args()
    return asked


if __name__ == "__main__":
    main()
