"""Features against neurons: is a feature something that the model has a neuron for."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from monoscope.dictionaries import SparseAutoencoder
from monoscope.dictionaries.baselines import random_directions
from monoscope.evaluate.analyses.base import ANALYSES, Check, Material, Progress, unwatched
from monoscope.evaluate.analyses.pairwise import Pairwise, row_wise
from monoscope.evaluate.analyses.readings import read_together
from monoscope.evaluate.analyses.resampled import resampled
from monoscope.evaluate.intervals import IntervalOptions
from monoscope.models import Site

FORMULAS = {
    "max |r|": "largest |Pearson r| of a feature's activation with a neuron's, over held-out tokens, inactive ones "
    "included",
    "split-half r": "Pearson r, over neurons, of a feature's correlations with them on even rows of the text and on "
    "odd rows: how well those correlations are measured",
    "random directions": "as many random unit directions, as sparse (TopK at the dictionary's L0), read from the same "
    "activations",
}
SAMPLE = 32_768
"""Activations that the scale of random directions is fitted on."""


@dataclass(frozen=True)
class Nearest:
    """How the features of one dictionary go with neurons."""

    active: Int[np.ndarray, "half=2 feature"]
    """Tokens of even and odd rows on which each is active."""
    strongest: Float[np.ndarray, " feature"]
    """Largest |r| with a neuron."""
    neuron: Int[np.ndarray, " feature"]
    """Which neuron that is, counted through all blocks."""
    split_half: Float[np.ndarray, " feature"]
    """Agreement of the two halves."""


@ANALYSES.register("neurons")
@dataclass(frozen=True, kw_only=True)
class Neurons:
    """Features and neurons: how near the nearest neuron comes to each feature.

    For every alive feature the largest |Pearson r| of its activation with any neuron's. A small one could also mean
    that correlations are measured badly, so the same feature's correlations with all neurons are measured on two
    halves of the text and compared: the split-half r is what a neuron could reach if it were the feature. Random
    directions, as many and as sparse, show what is reached without learning.

    Reference: Templeton et al. 2024 (Scaling Monosemanticity), "Features vs. neurons": 82 % of the features have no
    neuron of an earlier layer with r above .3.
    """

    name: ClassVar[str]

    n_tokens: int = 100_000
    """Held-out tokens."""
    n_features: int = 4096
    """Alive features, at most; drawn where there are more."""
    earlier: bool = True
    """Neurons of all blocks up to the site's, as in the paper; otherwise of its own block alone."""
    near: float = 0.3
    """The correlation that the share of features is told for."""
    minimum_active: int = 20
    """Tokens of each half on which a feature must be active to be judged."""
    seed: int = 0
    """Seed of the features drawn, of random directions, and of intervals."""

    def __call__(self, material: Material, progress: Progress = unwatched) -> dict[str, Any]:
        """Correlate them."""
        dictionary = material.dictionary
        block = Site.parse(dictionary.site).block
        sites = [f"blocks.{number}.mlp_hidden" for number in range(0 if self.earlier else block, block + 1)]
        features = np.sort(material.index.random_alive(self.n_features, self.seed)).astype(np.int64)
        k = max(1, round(float(np.sum(material.index.statistics()["density"]))))
        found, random = self.nearest(
            material, sites, [(dictionary, features), self.random(material, k)], progress
        )
        judged = (found.active >= self.minimum_active).all(0)
        own = np.stack([found.strongest, found.split_half], axis=1)[judged]
        lost = random.strongest[(random.active >= self.minimum_active).all(0)]
        widths = np.array([material.lm.width(site) for site in sites])
        return {
            "formulas": FORMULAS,
            "n_tokens": self.n_tokens,
            "n_neurons": int(widths.sum()),
            "sites": sites,
            "n_features": int(judged.sum()),
            "n_scarce": int((~judged).sum()),
            "near": self.near,
            "share_near": float((own[:, 0] <= self.near).mean()) if len(own) else None,
            "share_near_random": float((lost <= self.near).mean()) if len(lost) else None,
            "median_max_r": middle(own[:, 0]),
            "median_split_half": middle(own[:, 1]),
            "median_max_r_random": middle(lost),
            "features": features[judged].tolist(),
            "max_r": own[:, 0].round(4).tolist(),
            "split_half": own[:, 1].round(4).tolist(),
            "nearest": addresses(found.neuron[judged], sites, widths),
            "max_r_random": lost.round(4).tolist(),
            "checks": [self.check(own).to_json()],
        }

    def random(self, material: Material, k: int) -> tuple[SparseAutoencoder, Int[np.ndarray, " feature"]]:
        """Random directions at the dictionary's L0, and which of them are looked at."""
        dictionary, store = material.dictionary, material.calibration
        sample = store.sample(dictionary.site, SAMPLE, self.seed)
        made = random_directions(dictionary.n_features, sample.mean(0), sample, k, seed=self.seed)
        drawn = np.random.default_rng(self.seed).permutation(dictionary.n_features)[: self.n_features]
        return made, np.sort(drawn)

    @torch.no_grad()
    def nearest(
        self,
        material: Material,
        sites: list[str],
        dictionaries: list[tuple[SparseAutoencoder, Int[np.ndarray, " feature"]]],
        progress: Progress,
    ) -> list[Nearest]:
        """How the chosen features of each dictionary go with the neurons of the sites."""
        lm, store, site = material.lm, material.heldout, material.dictionary.site
        n_neurons = sum(lm.width(each) for each in sites)
        halves = [[Pairwise(len(chosen), n_neurons) for _ in range(2)] for _, chosen in dictionaries]
        active = [np.zeros((2, len(chosen)), np.int64) for _, chosen in dictionaries]
        done, total = 0, min(self.n_tokens, store.n_tokens)
        for positions, x in read_together(lm, store, [site, *sites], self.n_tokens):
            neurons = torch.cat([x[each] for each in sites], dim=1)
            odd = torch.from_numpy(positions // store.rows.context % 2 == 1)
            for number, (dictionary, chosen) in enumerate(dictionaries):
                codes = codes_of(dictionary, x[site], chosen)
                for half, here in enumerate((~odd, odd)):
                    halves[number][half].see(codes[here], neurons[here])
                    active[number][half] += (codes[here] > 0).sum(0).numpy()
            done += len(positions)
            progress(done, total)
        return [summed(even, odd, counts) for (even, odd), counts in zip(halves, active, strict=True)]

    def check(self, own: Float[np.ndarray, "feature 2"]) -> Check:
        """A1.5: neurons come clearly less near than the feature itself, which is measured well."""
        what = "median over features of the largest |r| with a neuron, against the median split-half r"
        target = "< the median split-half r, which is >= 0.9"
        if not len(own):
            why = f"no feature was active on {self.minimum_active} tokens of each half"
            return Check(name="A1.5", what=what, figure=None, target=target, holds=None, why=why)
        low, high = resampled(
            lambda each: float(np.median(each[:, 1] - each[:, 0])), [own], IntervalOptions(seed=self.seed)
        )
        nearest, itself = np.median(own, axis=0)
        why = (
            f"split-half r {itself:.3f}; it exceeds max |r| by {low:.3f} to {high:.3f} (95 %, over features); "
            f"{(own[:, 0] <= self.near).mean():.0%} of features have max |r| <= {self.near}"
        )
        holds = bool(itself >= 0.9 and low is not None and low > 0)
        return Check(name="A1.5", what=what, figure=float(nearest), target=target, holds=holds, why=why)


def codes_of(
    dictionary: SparseAutoencoder, x: Float[Tensor, "batch d_model"], chosen: Int[np.ndarray, " feature"]
) -> Float[Tensor, "batch feature"]:
    """Activations of the chosen features, on the CPU."""
    codes = dictionary.sparse_encode(x.to(dictionary.bias.device))
    return codes.select(torch.from_numpy(chosen).to(codes.indices.device)).cpu()


def summed(even: Pairwise, odd: Pairwise, active: Int[np.ndarray, "half=2 feature"]) -> Nearest:
    """What two halves of the text say."""
    whole = np.abs((even + odd).r())
    return Nearest(active, whole.max(1), whole.argmax(1), row_wise(even.r(), odd.r()))


def middle(values: Float[np.ndarray, " _"]) -> float | None:
    """The median; None of nothing."""
    return float(np.median(values)) if len(values) else None


def addresses(
    neurons: Int[np.ndarray, " feature"], sites: list[str], widths: Int[np.ndarray, " site"]
) -> list[str]:
    """``SITE#NUMBER`` of neurons that are counted through all sites."""
    ends = widths.cumsum()
    which = np.searchsorted(ends, neurons, side="right")
    within = neurons - (ends - widths)[which]
    return [f"{sites[site]}#{number}" for site, number in zip(which, within, strict=True)]
