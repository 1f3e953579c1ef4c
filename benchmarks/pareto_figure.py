"""Curves of L0 against what is lost: read between their points, compared, drawn.

    python benchmarks/pareto_figure.py pareto.json pareto.svg

draws again what ``pareto.py`` wrote.
"""

import json
import sys
from collections.abc import Callable, Sequence
from math import exp, log, sqrt
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from hardware import row

Points = list[dict[str, Any]]
"""Trainings of one curve, of one or several seeds."""

LOST: dict[str, Callable[[dict[str, Any]], float]] = {
    "FVU": lambda point: point["fvu"],
    "CE lost": lambda point: max(1 - point["ce_recovered_mean"], 1e-4),
}
"""What is compared, the less the better: variance not explained, and cross-entropy not recovered against mean
ablation, below a ten-thousandth all alike."""
BEYOND = 1.15
"""Factor of L0 by which a curve is read beyond its last point."""
FAR = 8
"""Factor from the nearest price that was tried to the next, at most."""
T = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)
"""97.5 % quantiles of Student's t, from one degree of freedom on."""


def unexplained_at(curve: Sequence[tuple[float, float]], l0: float) -> float | None:
    """What a curve of (L0, loss) loses at an L0; None where it does not reach.

    Straight between neighbours in the logarithms of both. A curve that bends upwards there, as losses do over the
    plain logarithm of L0, would be read too high by a chord, which would be unfair to whoever it belongs to.
    """
    points = sorted((log(max(x, 1e-3)), log(y)) for x, y in curve)
    wanted = log(l0)
    if not points[0][0] - log(BEYOND) <= wanted <= points[-1][0] + log(BEYOND):
        return None
    after = next((place for place, point in enumerate(points) if point[0] >= wanted), len(points) - 1)
    pair = points[max(0, after - 1) :][:2]
    (x0, y0), (x1, y1) = pair[0], pair[-1]
    if x1 - x0 < 1e-6:
        return exp(min(y0, y1))
    return exp(y0 + (y1 - y0) * (wanted - x0) / (x1 - x0))


def aimed(tried: Sequence[tuple[float, float]], level: float) -> float:
    """The price at which L0 should be ``level``, by the logarithms of (price, L0) that were tried around or near it."""
    points = sorted((log(max(l0, 1e-3) / level), log(price)) for price, l0 in tried)
    below, above = [point for point in points if point[0] < 0], [point for point in points if point[0] >= 0]
    pair = [below[-1], above[0]] if below and above else sorted(points, key=lambda point: abs(point[0]))[:2]
    (offset, price), (other, other_price) = (
        min(pair, key=lambda point: abs(point[0])),
        max(pair, key=lambda point: abs(point[0])),
    )
    slope = -1.0 if offset == other else (other_price - price) / (other - offset)
    step = -offset * (slope if slope < 0 else -1.0)
    return exp(price + min(log(FAR), max(-log(FAR), step)))


def interval(values: Sequence[float]) -> list[float] | None:
    """[low, high] around the mean, of 95 % confidence, by Student's t; None for a single value."""
    if len(values) < 2:
        return None
    half = T[len(values) - 2] * stdev(values) / sqrt(len(values))
    return [mean(values) - half, mean(values) + half]


def compared(ours: Points, theirs: Points, lost: Callable[[dict[str, Any]], float]) -> list[dict[str, Any]]:
    """At each L0 of ours what both lose, and their ratio: its mean and interval over seeds, in logarithms."""
    found = []
    for k in sorted({point["k"] for point in ours}):
        mine = {point["seed"]: point for point in ours if point["k"] == k}
        read = {}
        for seed, point in mine.items():
            curve = [(each["l0"], lost(each)) for each in theirs if each["seed"] == seed]
            read[seed] = unexplained_at(curve, point["l0"]) if curve else None
        entry: dict[str, Any] = {"l0": mean(point["l0"] for point in mine.values())}
        logs = [log(lost(mine[seed]) / value) for seed, value in read.items() if value is not None]
        if len(logs) < len(mine):
            found.append(entry | {"ratio": None})
            continue
        around = interval(logs)
        entry["ours"] = exp(mean(log(lost(point)) for point in mine.values()))
        entry |= {"ratio": exp(mean(logs)), "theirs": entry["ours"] / exp(mean(logs))}
        found.append(entry | {"interval": around and [exp(bound) for bound in around]})
    return found


def rows_of(curves: list[dict[str, Any]], our_name: str, levels: Sequence[int]) -> list[dict[str, Any]]:
    """One row for each variant of a peer and each thing that is lost: the worst of the ratios at our L0s.

    ``reached`` is True where ours is on or below at every L0 that the peer reaches; ``margin`` is what is left to 1.
    The last rows put the best of all our variants beside the best of all of every peer.
    """
    mine = {
        curve["variant"]: curve for curve in curves if curve["contestant"] == our_name and curve["points"]
    }
    peers = [curve for curve in curves if curve["contestant"] != our_name]
    rows = []
    for curve in peers:
        for name, lost in LOST.items():
            what = f"{curve['variant']}: {name}, in that of {curve['contestant']}"
            if curve["variant"] not in mine or not curve["points"]:
                rows.append({"what": what, "ours": "nothing to compare", "why": curve.get("error")})
                continue
            what += f" ({curve['setting']})"
            found = compared(mine[curve["variant"]]["points"], curve["points"], lost)
            rows.append(worst(what, found) | {"setting_of_ours": mine[curve["variant"]]["setting"]})
    for name, lost in LOST.items():
        found = envelopes(list(mine.values()), peers, lost, levels)
        rows.append(worst(f"best of all variants: {name}, in that of any peer's", found))
    return rows


def worst(what: str, found: list[dict[str, Any]]) -> dict[str, Any]:
    """The row of the L0 at which ours does worst."""
    both = [entry for entry in found if entry["ratio"] is not None]
    if not both:
        return {"what": what, "ours": "no L0 in common", "at": found}
    ratio = max(entry["ratio"] for entry in both)
    return row(what, ratio, "<= 1.0") | {"margin": round(1 - ratio, 4), "at": found}


def envelopes(
    ours: list[dict[str, Any]],
    peers: list[dict[str, Any]],
    lost: Callable[[dict[str, Any]], float],
    levels: Sequence[int],
) -> list[dict[str, Any]]:
    """At each L0 the least that any of our curves loses, and any of theirs; which they are is said."""
    found = []
    for level in levels:
        sides = []
        for curves in (ours, peers):
            least = [each for each in (at_level(curve, lost, level) for curve in curves) if each is not None]
            sides.append(min(least, default=None))
        mine, theirs = sides
        entry: dict[str, Any] = {"l0": level, "ratio": mine[0] / theirs[0] if mine and theirs else None}
        for name, side in (("ours", mine), ("theirs", theirs)):
            entry |= {name: side and side[0], f"{name}_by": side and side[1]}
        found.append(entry)
    return found


def at_level(
    curve: dict[str, Any], lost: Callable[[dict[str, Any]], float], level: float
) -> tuple[float, str] | None:
    """What a curve loses at an L0, the geometric mean over seeds, and whose it is; None if a seed is not there."""
    seeds = {point["seed"] for point in curve["points"]}
    by_seed = [
        unexplained_at([(each["l0"], lost(each)) for each in curve["points"] if each["seed"] == seed], level)
        for seed in seeds
    ]
    values = [value for value in by_seed if value is not None]
    if not values or len(values) < len(seeds):
        return None
    return exp(mean(map(log, values))), f"{curve['contestant']} {curve['variant']}"


def drawn(curves: list[dict[str, Any]], path: Path) -> None:
    """One column for each variant, FVU above and cross-entropy recovered below; bars are intervals over seeds."""
    try:
        from matplotlib import pyplot
    except ImportError:
        sys.exit("a figure needs matplotlib: install it, or leave --figure out")
    pyplot.rcParams["svg.fonttype"] = "none"
    names = list(dict.fromkeys(curve["contestant"] for curve in curves))
    variants = list(dict.fromkeys(curve["variant"] for curve in curves))
    across = min(5, len(variants))
    down = -(-len(variants) // across)
    size = (3.1 * across, 5.2 * down)
    figure, axes = pyplot.subplots(2 * down, across, figsize=size, squeeze=False, layout="constrained")
    for place in range(across * down):
        pair = [axes[2 * (place // across) + panel][place % across] for panel in (0, 1)]
        if place >= len(variants):
            for panel in pair:
                panel.set_axis_off()
            continue
        pair[0].set_title(variants[place])
        for panel, key, label in zip(
            pair, ("fvu", "ce_recovered_mean"), ("FVU", "CE recovered"), strict=True
        ):
            for curve in curves:
                if curve["variant"] == variants[place] and curve["points"]:
                    line(panel, curve, key, names.index(curve["contestant"]))
            panel.set_xscale("log")
            panel.set_xlabel("L0")
            panel.set_ylabel(label)
            panel.xaxis.set_major_formatter("{x:g}")
            panel.xaxis.set_minor_formatter("")
            panel.grid(alpha=0.3)
        pair[0].set_yscale("log")
        pair[0].yaxis.set_minor_formatter("{x:.2g}")
        pair[0].yaxis.set_major_formatter("{x:.2g}")
    handles = [pyplot.Line2D([], [], color=f"C{n}", marker="o", label=name) for n, name in enumerate(names)]
    figure.legend(handles=handles, loc="outside upper center", ncols=len(names), frameon=False)
    figure.savefig(path)
    pyplot.close(figure)


def line(panel: Any, curve: dict[str, Any], key: str, colour: int) -> None:
    """One curve: means over seeds, joined, with their intervals."""
    together: dict[tuple[Any, Any], Points] = {}
    for point in curve["points"]:
        together.setdefault((point["k"], point["coefficient"]), []).append(point)
    xs, ys, bars = [], [], []
    for points in sorted(together.values(), key=lambda each: mean(point["l0"] for point in each)):
        values = [point[key] for point in points]
        xs.append(mean(point["l0"] for point in points))
        ys.append(mean(values))
        around = interval(values)
        bars.append(0.0 if around is None else (around[1] - around[0]) / 2)
    panel.errorbar(xs, ys, yerr=bars, color=f"C{colour}", marker="o", markersize=3, capsize=2)


if __name__ == "__main__":
    drawn(json.loads(Path(sys.argv[1]).read_text())["curves"], Path(sys.argv[2]))
