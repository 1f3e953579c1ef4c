"""Whether another dictionary, of another seed or of another model, finds the same features."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from monoscope.dictionaries.baselines import random_directions
from monoscope.errors import WrongUse
from monoscope.evaluate.analyses.activity import Codes, counterparts, encoded
from monoscope.evaluate.analyses.alignment import Reading, same_text
from monoscope.evaluate.analyses.base import ANALYSES, Check, Material, Progress, unwatched
from monoscope.evaluate.bench import neuron_site
from monoscope.evaluate.intervals import IntervalOptions, interval, resamples
from monoscope.evaluate.report import Meter
from monoscope.features import logit_weights
from monoscope.models import Site

FORMULAS = {
    "features": "highest Pearson r of a feature's activations with those of any feature of the other dictionary, over "
    "the tokens of the same held-out text; where tokenizers differ, over the places where a token of both ends",
    "neurons": "the same between the two models' MLP neurons, by size of r; for two dictionaries of one model, whose "
    "neurons are the same, of features with neurons",
    "random": "the same between random directions, as many and as sparse",
    "logit_weights": "Pearson r of the logit weights of a feature and of its counterpart, over the tokens that both "
    "vocabularies have",
    "attribution": "highest Pearson r where an activation counts times the logit weight of the token that comes next",
}
ADDED = ("resid_pre", "resid_mid", "resid_post", "attn_out", "mlp_out")
"""Kinds of sites whose directions are added to the residual stream, and so reach the logits directly."""


@dataclass(frozen=True)
class Side:
    """One dictionary with what it and its model had on the text."""

    run: Material
    reading: Reading
    codes: Codes
    """``[token, feature]``."""
    random: Codes
    """Codes of as many random directions."""
    neurons: Float[np.ndarray, "token neuron"]
    """Activations of the block's MLP."""

    @classmethod
    def of(cls, run: Material, reading: Reading, seed: int, advance: Callable[[int], None]) -> "Side":
        """Run the model on the text and encode what passes."""
        site, neurons = run.dictionary.site, neuron_site(run.dictionary.site)
        read = reading.activations(list(dict.fromkeys((site, neurons))), advance)
        x = read[site]
        codes = encoded(run.dictionary, x)
        k = max(1, round(codes.nnz / len(x)))
        drawn = random_directions(run.dictionary.n_features, x.mean(0), x, k, seed=seed, site=site)
        return cls(run, reading, codes, encoded(drawn, x), read[neurons].numpy())

    @property
    def reaches_logits(self) -> bool:
        """Whether directions are added to the residual stream."""
        return Site.parse(self.run.dictionary.site).kind in ADDED

    def weights(self, features: Int[np.ndarray, " some"]) -> Float[Tensor, "some vocabulary"]:
        """Logit weights of some features."""
        lm = self.run.lm
        directions = self.run.dictionary.directions[torch.from_numpy(features)]
        return logit_weights(
            directions, lm.unembedding(), lm.final_norm_weight(), lm.final_norm_centres
        ).cpu()

    def attributions(self) -> Codes:
        """Each activation times the feature's logit weight of the token that comes next; 0 where none does."""
        found, following = self.codes.tocoo(), self.reading.next_tokens
        values = np.zeros(found.nnz)
        order = np.argsort(found.col, kind="stable")
        for some in np.array_split(np.arange(self.codes.shape[1]), -(-self.codes.shape[1] // BLOCK)):
            here = order[slice(*np.searchsorted(found.col[order], [some[0], some[-1] + 1]))]
            here = here[following[found.row[here]] >= 0]
            weights = self.weights(some).numpy()
            values[here] = found.data[here] * weights[found.col[here] - some[0], following[found.row[here]]]
        found.data = values
        return type(self.codes)(found)


BLOCK = 256
"""Features whose logit weights are held at once."""


@ANALYSES.register("universality")
@dataclass(frozen=True, kw_only=True)
class Universality:
    """Whether other dictionaries find the same features, in other seeds and in other models.

    Every feature is given the feature of the other dictionary whose activations on the same text go with its own
    most. Beside it stands what neurons and random directions reach in its place.

    Reference: Bricken et al. 2023 (Towards Monosemanticity), "Universality".
    """

    name: ClassVar[str]

    n_tokens: int = 100_000
    """Tokens of held-out text that the models are run on; activations and neurons are held in memory."""
    minimum: int = 20
    """Tokens on which a feature must be active to be compared."""
    good: float = 0.6
    """Similarity from which a feature counts as found again."""
    intervals: IntervalOptions = field(default_factory=IntervalOptions)
    """How intervals over features are drawn."""
    seed: int = 0
    """Seed of the random directions."""

    def __call__(self, material: Material, progress: Progress = unwatched) -> dict[str, Any]:
        """Seek the counterparts.

        Raises:
            WrongUse: there is no other dictionary beside this one.
        """
        if not material.others:
            raise WrongUse(
                "universality compares dictionaries, and there is one",
                "name a run of another seed or model: --beside RUN",
            )
        meter = Meter(2 * len(material.others) * self.n_tokens, progress)
        compared = [self.compared(material, other, meter.advance) for other in material.others]
        meter.finish()
        return {
            "formulas": FORMULAS,
            "run": material.name,
            "n_features": material.dictionary.n_features,
            "good": self.good,
            "others": compared,
            "checks": [check.to_json() for each in compared for check in self.checks(each)],
        }

    def compared(self, material: Material, other: Material, advance: Callable[[int], None]) -> dict[str, Any]:
        """One dictionary beside another."""
        readings = same_text(material.lm, material.heldout.rows, other.lm, self.n_tokens)
        a, b = (
            Side.of(run, reading, self.seed + number, advance)
            for number, (run, reading) in enumerate(zip((material, other), readings, strict=True))
        )
        one_model = material.lm.hash == other.lm.hash
        r, partner = counterparts(a.codes, b.codes, minimum=self.minimum)
        units = a.codes if one_model else a.neurons
        neurons, _ = counterparts(units, b.neurons, minimum=self.minimum, signed=False)
        random, _ = counterparts(a.random, b.random, minimum=self.minimum)
        fit = np.isfinite(r)
        effects = self.effects(a, b, np.where(fit, partner, -1))
        return {
            "name": other.name,
            "kind": "seed" if one_model else "model",
            "model": other.lm.name,
            "same_tokenizer": material.lm.tokenizer_hash == other.lm.tokenizer_hash,
            "n_places": a.codes.shape[0],
            "n_features": other.dictionary.n_features,
            "compared": int(fit.sum()),
            "medians": {"features": median(r), "neurons": median(neurons), "random": median(random)}
            | {name: median(values) for name, values in effects.items()},
            "intervals": {"features": self.interval(r), "neurons": self.interval(neurons)},
            "found_share": float((r[fit] >= self.good).mean()) if fit.any() else None,
            "feature": np.flatnonzero(fit).tolist(),
            "counterpart": partner[fit].tolist(),
            "r": r[fit].round(4).tolist(),
            "neuron_r": defined(neurons),
            "random_r": defined(random),
        } | {f"{name}_r": defined(values) for name, values in effects.items()}

    def effects(
        self, a: Side, b: Side, partner: Int[np.ndarray, " feature"]
    ) -> dict[str, Float[np.ndarray, " feature"]]:
        """What features and counterparts do to the logits; nothing where directions do not reach them."""
        if not (a.reaches_logits and b.reaches_logits):
            return {}
        attribution, _ = counterparts(a.attributions(), b.attributions(), minimum=self.minimum)
        feature = np.flatnonzero(partner >= 0)
        attribution[partner < 0] = np.nan
        shuffled = np.random.default_rng(self.seed).permutation(partner[feature])
        return {
            "attribution": attribution,
            "logit_weights": logit_similarity(a, b, feature, partner[feature]),
            "logit_weights_random": logit_similarity(a, b, feature, shuffled),
        }

    def interval(self, values: Float[np.ndarray, " feature"]) -> list[float | None]:
        """Interval of the median, over features drawn again."""
        known = np.sort(values[np.isfinite(values)])
        if not len(known):
            return [None, None]
        weights = resamples(len(known), self.intervals).cumsum(1)
        return interval(known[(weights >= len(known) / 2).argmax(1)], self.intervals)

    def checks(self, found: dict[str, Any]) -> list[Check]:
        """A2.5."""
        features, neurons = found["medians"]["features"], found["medians"]["neurons"]
        against = "neurons of the other model" if found["kind"] == "model" else "features with neurons"
        beside = f"{found['kind']} {found['name']}"
        if features is None or neurons is None:
            why = f"no feature is active on {self.minimum} tokens"
            return [Check(name="A2.5", what=beside, figure=None, target="> 0", holds=None, why=why)]
        gap = features - neurons
        return [
            Check(
                name="A2.5",
                what=f"{beside}: median best r of features minus that of {against}",
                figure=gap,
                target="> 0",
                holds=gap > 0,
                why=f"{features:.3f} and {neurons:.3f}; random directions {found['medians']['random'] or 0:.3f}",
            ),
            Check(
                name="A2.5",
                what=f"{beside}: median best r of features",
                figure=features,
                target=f">= {self.good}",
                holds=features >= self.good,
                why=f"{found['found_share']:.0%} of {found['compared']:,} features reach it",
            ),
        ]


def logit_similarity(
    a: Side, b: Side, features: Int[np.ndarray, " pair"], others: Int[np.ndarray, " pair"]
) -> Float[np.ndarray, " pair"]:
    """Pearson r of the logit weights of pairs of features, over the tokens that both vocabularies have."""
    own, their = shared_vocabulary(a, b)
    similar = []
    for some in np.array_split(np.arange(len(features)), -(-len(features) // BLOCK) or 1):
        pairs = [a.weights(features[some])[:, own].double(), b.weights(others[some])[:, their].double()]
        centred = [each - each.mean(1, keepdim=True) for each in pairs]
        norms = (centred[0].norm(dim=1) * centred[1].norm(dim=1)).clamp(min=1e-12)
        similar.append((centred[0] * centred[1]).sum(1) / norms)
    return torch.cat(similar).numpy()


def shared_vocabulary(a: Side, b: Side) -> tuple[Int[Tensor, " token"], Int[Tensor, " token"]]:
    """The ids, in each vocabulary, of the tokens that both have by text."""
    if a.run.lm.tokenizer_hash == b.run.lm.tokenizer_hash:
        every = torch.arange(min(a.run.lm.vocabulary_size, b.run.lm.vocabulary_size))
        return every, every
    own, their = (
        {text: token for token, text in reversed(list(enumerate(side.run.lm.vocabulary_strings())))}
        for side in (a, b)
    )
    shared = sorted(own.keys() & their.keys())
    return torch.tensor([own[text] for text in shared]), torch.tensor([their[text] for text in shared])


def median(values: Float[np.ndarray, " unit"]) -> float | None:
    """The median of what is defined; None where nothing is."""
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) else None


def defined(values: Float[np.ndarray, " unit"]) -> list[float]:
    """What is defined, rounded."""
    return values[np.isfinite(values)].round(4).tolist()
