"""What all contestants of the Pareto benchmark stand on: a model, its activations, and the measure of a dictionary."""

import sys
import tempfile
from argparse import Namespace
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import peer_train
import torch
from train_step import transcribed

from monoscope.activations import ActivationStore, HarvestOptions, harvest
from monoscope.dictionaries import SparseAutoencoder
from monoscope.dictionaries.folding import folded
from monoscope.dictionaries.scaling import Scaling
from monoscope.evaluate import faithfulness, reconstruction
from monoscope.evaluate.faithfulness import FaithfulnessSums, ce_recovered_mean, kl, spread_rows
from monoscope.evaluate.intervals import totals
from monoscope.intervene.splice import ablated, spliced
from monoscope.manifest import content_hash
from monoscope.models import load_model

TOLERANCE = 1e-3
"""Share by which the FVU of weights that came back may differ from that of the contestant's own reconstruction."""
HELD_OUT, PREDICTED = 32_768, 8_192
"""Held-out tokens that are reconstructed, and those that the model predicts."""


class Failed(Exception):
    """A training that gave nothing to compare; the message is the last word of its process."""


class Ground:
    """What all contestants stand on: a model, its activations, and how a dictionary of them is measured."""

    def __init__(self, asked: Namespace, folder: Path) -> None:
        self.lm = load_model(asked.model)
        self.site = str(self.lm.resolve(asked.layer))
        self.training = self.harvested(asked, folder / "training", "training", asked.tokens)
        self.heldout = self.harvested(asked, folder / "heldout", "heldout", HELD_OUT)
        self.rows = spread_rows(self.heldout.rows, PREDICTED)
        self.one_at_a_time = Lock()
        self.hash = content_hash(self.training.hash, self.heldout.hash)
        sample = self.training.sample(self.site, 65_536, 0)
        mean = self.training.statistics(self.site).mean
        factor = (sample.shape[1] / float((sample - mean).square().sum(1).mean())) ** 0.5
        self.scaling = Scaling(mean, factor)
        self.activations = self.prepared(folder / "activations.npy")

    def harvested(self, asked: Namespace, out: Path, split: Any, n_tokens: int) -> ActivationStore:
        """One side of the corpus at the site."""
        print(f"harvesting {n_tokens:,} {split} tokens at {self.site}", file=sys.stderr)
        options = HarvestOptions(n_tokens=n_tokens)
        return harvest(self.lm, asked.corpus, site=self.site, out=out, options=options, split=split)

    def prepared(self, path: Path) -> Path:
        """All training activations, scaled, and behind them held-out ones for the contestants' own figures."""
        n_train, d_model = self.training.n_tokens, self.training.d_model(self.site)
        held = min(peer_train.HELD_OUT, n_train // 9)
        with tempfile.TemporaryDirectory(dir=path.parent) as place:
            unfinished = Path(place) / path.name
            file = np.lib.format.open_memmap(unfinished, "w+", np.float32, (n_train + held, d_model))
            start = 0
            for _, x in self.training.sequential(self.site):
                file[start : start + len(x)] = self.scaling.apply(x).numpy()
                start += len(x)
            file[start:] = self.scaling.apply(self.heldout.sample(self.site, held, 0)).numpy()
            file.flush()
            unfinished.replace(path)
        return path

    @cached_property
    def references(self) -> dict[str, Any]:
        """Losses of the untouched model, and with zero and the mean in the place of the activation."""
        mean = self.scaling.centre
        kinds = {
            "zero": lambda usable: ablated(self.lm, self.site, "zero", where=usable),
            "mean": lambda usable: ablated(self.lm, self.site, "mean", mean=mean, where=usable),
        }
        return faithfulness.measure(self.lm, self.heldout.rows, self.rows, kinds)[1]

    def measured(self, weights: Path, own_fvu: float) -> dict[str, float]:
        """FVU, L0, dead share, cross-entropy recovered and divergence of the weights that a contestant left.

        Raises:
            Failed: they do not give the FVU that the contestant's own reconstruction has.
        """
        dictionary = transcribed(weights)
        apart = abs(self.prepared_fvu(dictionary) / own_fvu - 1)
        if not apart <= TOLERANCE:
            raise Failed(f"the FVU of its weights is {apart:.2%} off that of its own reconstruction")
        dictionary = folded(dictionary, self.scaling)
        with self.one_at_a_time:
            kept = reconstruction.measure(dictionary, self.heldout, site=self.site, n_tokens=HELD_OUT)
            splice = {"spliced": lambda usable: spliced(self.lm, dictionary, where=usable, site=self.site)}
            tokens, losses = faithfulness.measure(self.lm, self.heldout.rows, self.rows, splice)
            known = self.references
        names = {"clean": known["clean"], "zero": known["zero"], "mean": known["mean"]}
        ran = FaithfulnessSums(
            tokens=tokens,
            spliced=losses["spliced"].cross_entropy,
            divergence=losses["spliced"].divergence,
            **{name: each.cross_entropy for name, each in names.items()},
        )
        found = {name: whole(kept.sums, reconstruction.METRICS[name]) for name in ("fvu", "l0", "shrinkage")}
        found |= {"ce_recovered_mean": whole(ran, ce_recovered_mean), "kl": whole(ran, kl)}
        return found | {"dead_share": reconstruction.dead_share(kept.fired), "transcription_error": apart}

    def prepared_fvu(self, dictionary: SparseAutoencoder) -> float:
        """FVU on the rows that contestants hold out."""
        x = torch.cat(list(peer_train.Activations(self.activations).held()))
        left = torch.cat([rows - dictionary(rows) for rows in x.split(1024)])
        return float(left.double().square().sum() / (x - x.mean(0)).double().square().sum())


def whole(sums: Any, metric: Callable[[Any], Any]) -> float:
    """A metric over all rows of text."""
    n_rows = len(sums.tokens)
    return float(metric(totals(sums, np.ones((1, n_rows))))[0])
