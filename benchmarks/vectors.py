"""Control vectors: what each method finds of a planted direction, and how well it tells two moods apart.

    python benchmarks/vectors.py > vectors.json

Planted: 1,600 pairs of width 64 whose differences are a direction of length 1, a nuisance across it of some standard
deviation, and a little noise; the cosine with the direction is the mean of the seeds. Moods: the built-in model reads
ordinary sentences, each after a mood that is said in one of two ways; accuracy is that of held-out sentences, at the
mean of the middle half of the blocks and at the best, beside that of random directions. *Other words* learns on moods
said in one way and is tried on the other way.
"""

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from random import Random
from typing import Any

import numpy as np
import torch
from hardware import row, write
from jaxtyping import Float
from torch import Tensor

from monoscope.models import LanguageModel, load_model
from monoscope.synthetic.world import write_document
from monoscope.vectors import METHODS, contrast_pairs, learn_vector
from monoscope.vectors.pairs import ContrastPair
from monoscope.vectors.reliability import accuracy
from monoscope.vectors.states import read_states

NUISANCES = (0.5, 1.0, 2.0, 4.0)
"""Standard deviations of the nuisance, the mean difference being 1."""
TARGETS = {"mean_difference": {*NUISANCES}, "pca": {0.5}, "pca_center": {0.5}}
"""Method -> nuisances at which it must reach a cosine of .95."""
MOODS = {
    "joy, sadness": (
        (
            "Joy is a happy feeling. Laughter is a sign of joy.",
            "Everyone laughed and hugged. A merry song began.",
        ),
        (
            "Sadness is a heavy feeling. Tears are a sign of sorrow.",
            "Everyone wept and parted. A sad song began.",
        ),
    ),
    "praise, complaint": (
        ("The film was superb and the acting was perfect.", "The staff were friendly and helpful."),
        ("The film was terrible and the acting was boring.", "The staff were rude and useless."),
    ),
}
"""Contrast -> two ways to say either side."""


def main() -> None:
    """Measure both."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--sentences", type=int, default=120)
    asked = parser.parse_args()
    rows = [planted_row(name, nuisance, asked.seeds) for name in METHODS for nuisance in NUISANCES]
    lm = load_model("builtin", device="cpu", dtype="float32")
    said = sentences(asked.sentences)
    for mood, (positive, negative) in MOODS.items():
        for name in METHODS:
            rows += mood_rows(lm, mood, name, contrast_pairs("{persona} {suffix}", positive, negative, said))
    write(rows)


def planted(nuisance: float, seed: int) -> tuple[Float[Tensor, " d_model"], tuple[Tensor, Tensor]]:
    """The direction, and both sides of pairs around it."""
    generator = torch.Generator().manual_seed(seed)
    axes = torch.linalg.qr(torch.randn(64, 2, generator=generator)).Q.T
    base = 3 * torch.randn(1600, 64, generator=generator)
    varying = nuisance * torch.randn(1600, 1, generator=generator) * axes[1]
    difference = axes[0] + varying + 0.05 * torch.randn(1600, 64, generator=generator)
    return axes[0], (base + difference / 2, base - difference / 2)


def planted_row(name: str, nuisance: float, seeds: int) -> dict[str, Any]:
    """The cosine of what a method finds with what was planted."""
    cosines = []
    for seed in range(seeds):
        direction, sides = planted(nuisance, seed)
        cosines.append(float(METHODS[name]()(*sides) @ direction))
    target = ">= 0.95" if nuisance in TARGETS.get(name, ()) else ""
    found = row(
        f"{name}: cosine with the planted direction, nuisance {nuisance}", float(np.mean(cosines)), target
    )
    return found | {"least": min(cosines), "most": max(cosines), "seeds": seeds}


def sentences(count: int) -> list[str]:
    """Different sentences of ordinary stories, about no mood."""
    random, found = Random("sentences of benchmarks/vectors.py"), {}
    while len(found) < count:
        text = write_document("", random).finish({}, {}, heldout=False).text
        found |= dict.fromkeys(f"{part.strip()}." for part in text.split(".") if 15 < len(part) < 80)
    return list(found)[:count]


def mood_rows(lm: LanguageModel, mood: str, name: str, pairs: Sequence[ContrastPair]) -> list[dict[str, Any]]:
    """Accuracy on sentences that were held out, and on another way to say the mood."""
    vector = learn_vector(lm, pairs, method=METHODS[name](), batch=32)
    best = vector.accuracy[vector.best_block]
    middle = float(np.mean([vector.accuracy[block].accuracy for block in vector.middle_half]))
    standard = name == "mean_difference"
    one, other = pairs[::2], pairs[1::2]
    narrow = learn_vector(lm, one, method=METHODS[name](), batch=32)
    states = read_states(
        lm, [text for pair in other for text in (pair.positive, pair.negative)], narrow.blocks, batch=32
    )
    across = {block: accuracy(x[::2] - x[1::2], narrow.directions[block]) for block, x in states.of.items()}
    return [
        row(f"{name}: {mood}: best block", best.accuracy, ">= 0.95" if standard else "")
        | {"block": vector.best_block, **asdict(best)},
        row(f"{name}: {mood}: random directions there", best.random),
        row(f"{name}: {mood}: middle half", middle, ">= 0.7" if standard else ""),
        row(
            f"{name}: {mood}: other words, middle half",
            float(np.mean([across[b] for b in vector.middle_half])),
        )
        | {"blocks": across},
    ]


if __name__ == "__main__":
    main()
