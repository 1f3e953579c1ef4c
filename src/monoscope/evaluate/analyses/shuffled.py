"""The control of shuffled weights: does the pipeline find meaning in a model that has learnt nothing?"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from monoscope.dictionaries import AutoencoderOptions, SparseAutoencoder
from monoscope.errors import WrongUse
from monoscope.evaluate.analyses.base import ANALYSES, Check, Material, Progress, unwatched
from monoscope.evaluate.analyses.copies import with_shuffled_weights
from monoscope.evaluate.analyses.proxies_effects import writes_residual
from monoscope.evaluate.analyses.readings import read_together, run_together
from monoscope.evaluate.analyses.resampled import resampled
from monoscope.evaluate.analyses.shuffled_score import company, scores, summary
from monoscope.evaluate.intervals import IntervalOptions
from monoscope.evaluate.stream import Activations
from monoscope.models import LanguageModel
from monoscope.train import TensorStream, TrainOptions, train

FORMULAS = {
    "shuffled": "every weight matrix of the model, embeddings included, with its entries in random order",
    "score": "of 100 tokens, 50 of ranks 10 to 60 by a feature's logit weights and 50 of lower rank: share of right "
    "answers when the 50 of largest lift after the feature's activity are said to be its own; .5 by chance",
    "lift": "(activation before the token + m p) / ((all activation + m) p), p the token's frequency, m the mean "
    "activation where active; held-out text",
    "unseen": "share of a feature's 50 tokens that never follow its activity in the text",
    "another's": "the same tokens judged by another feature's activity: what frequency alone makes of the score",
    "single-token": "features of which more than half the activation lies on one token",
}
Readings = Iterator[tuple[Int[np.ndarray, " batch"], Float[Tensor, "batch d_model"]]]
"""Flat positions and activations, some tokens at a time."""


@dataclass(frozen=True)
class Variant:
    """A model and a dictionary of it."""

    lm: LanguageModel
    """The model."""
    dictionary: SparseAutoencoder
    """The dictionary."""
    shuffled: bool = False
    """Whether the model is the shuffled one."""


@ANALYSES.register("shuffled")
@dataclass(frozen=True, kw_only=True)
class Shuffled:
    """Shuffled weights: features of a model that has learnt nothing, judged by what they write.

    The weights of a copy of the model are shuffled within each matrix, and a small dictionary is learnt on its
    activations, with the run's sparsifier; another of the same size on the model as it is. Activations of a shuffled
    model still look interpretable, since single tokens are told apart; what its features write does not go with where
    they fire. The run's own dictionary stands beside both.

    Reference: Bricken et al. 2023 (Towards Monosemanticity): the features of a randomized transformer score at chance
    on their logits (medians .74 features, .53 neurons, .50 randomized).
    """

    name: ClassVar[str]

    n_features: int = 1024
    """Features of the two small dictionaries, at most those of the run's."""
    n_tokens: int = 200_000
    """Tokens of calibration text that they learn from."""
    n_training: int = 1_000_000
    """Training tokens: those come round again."""
    n_judged: int = 300
    """Features of each dictionary that are scored, at most; drawn where there are more."""
    n_heldout: int = 330_000
    """Held-out tokens that tell where features are active."""
    minimum_active: int = 50
    """Tokens on which a feature must be active to be scored."""
    seed: int = 0
    """Seed of the shuffle, of training, of what is drawn, and of intervals."""

    def __call__(self, material: Material, progress: Progress = unwatched) -> dict[str, Any]:
        """Shuffle, learn, score."""
        lm, own = material.lm, material.dictionary
        if not writes_residual(own.site) or own.output_bias is not None:
            raise WrongUse(
                f"features of {own.site} have no logit weights", "give a dictionary of the residual stream"
            )
        broken = with_shuffled_weights(lm, self.seed)
        variants: dict[str, Variant] = {"own": Variant(lm, own)}
        for name, model, is_shuffled in (("real", lm, False), ("shuffled", broken, True)):
            progress(len(variants) - 1, 5)
            learnt = self.learnt(model, material.calibration, own, is_shuffled)
            variants[name] = Variant(model, learnt, is_shuffled)
        found = {}
        for number, (name, variant) in enumerate(variants.items()):
            found[name] = self.judged(variant, material.heldout, own.site)
            progress(3 + number, 5)
        return {
            "formulas": FORMULAS,
            "n_tokens": self.n_tokens,
            "n_training": self.n_training,
            "n_features": variants["real"].dictionary.n_features,
            **{f"score_{name}": each["mean"] for name, each in found.items()},
            **{f"single_token_{name}": each["single_token"] for name, each in found.items()},
            "variants": found,
            "checks": [check.to_json() for check in self.checks(found)],
        }

    def readings(
        self, lm: LanguageModel, store: Activations, site: str, n_tokens: int, shuffled: bool
    ) -> Readings:
        """A store's text as a model reads it; the shuffled one has to be run."""
        read = run_together(lm, store.rows, [site], n_tokens) if shuffled else None
        for positions, x in read or read_together(lm, store, [site], n_tokens):
            yield positions, x[site]

    def learnt(
        self, lm: LanguageModel, store: Activations, like: SparseAutoencoder, shuffled: bool
    ) -> SparseAutoencoder:
        """A small dictionary of a model's activations."""
        x = torch.cat([each for _, each in self.readings(lm, store, like.site, self.n_tokens, shuffled)])
        options = AutoencoderOptions(
            n_features=min(self.n_features, like.n_features), sparsifier=like.options.sparsifier
        )
        training = TrainOptions(n_tokens=self.n_training, seed=self.seed)
        return train(TensorStream(x), options, training, site=like.site)

    def judged(self, variant: Variant, store: Activations, site: str) -> dict[str, Any]:
        """Scores of some of a dictionary's features that fire often enough."""
        lm, dictionary = variant.lm, variant.dictionary.to("cpu")
        order = np.random.default_rng(self.seed).permutation(dictionary.n_features)
        # Some of those drawn do not fire often enough.
        drawn = torch.from_numpy(np.sort(order[: 3 * self.n_judged]))
        read = self.readings(lm, store, site, self.n_heldout, variant.shuffled)
        seen = company(dictionary, read, store.rows, drawn, lm.vocabulary_size)
        kept = (seen.n_active >= self.minimum_active).nonzero()[:, 0][: self.n_judged]
        judged = scores(lm, dictionary.directions[drawn[kept]], seen.lift()[kept], self.seed)
        shares = seen.largest_token_share()[kept].numpy()
        return {
            **summary(judged.own),
            "anothers": summary(judged.others),
            "unseen": float(judged.unseen.mean()) if len(kept) else None,
            "n_scored": len(kept),
            "single_token": float((shares > 0.5).mean()) if len(kept) else None,
            "fve": seen.fve,
            "features": drawn[kept].tolist(),
        }

    def checks(self, found: Mapping[str, Mapping[str, Any]]) -> list[Check]:
        """A2.6: at chance where nothing was learnt, and well above it where something was."""
        real, shuffled = (np.array(found[name]["scores"]) for name in ("real", "shuffled"))
        whats = (
            "score by logits of features of the shuffled model, mean",
            "score of features of the model, learnt at the same settings, minus that",
        )
        targets = (">= 0.45 and <= 0.55", ">= 0.15")
        if not len(real) or not len(shuffled):
            why = f"no feature was active on {self.minimum_active} of {self.n_heldout:,} tokens"
            return [
                Check(name="A2.6", what=what, figure=None, target=target, holds=None, why=why)
                for what, target in zip(whats, targets, strict=True)
            ]
        options = IntervalOptions(seed=self.seed)
        chance, gap = float(shuffled.mean()), float(real.mean() - shuffled.mean())
        bounds = (
            resampled(lambda each: float(each.mean()), [shuffled], options),
            resampled(lambda a, b: float(a.mean() - b.mean()), [real, shuffled], options),
        )
        beside = (
            f"; {found['real']['unseen']:.0%} of the tokens asked about never follow the feature in this text, and of "
            f"those the judge knows nothing; the run's own dictionary scores {found['own']['mean'] or 0:.3f}"
        )
        return [
            Check(
                name="A2.6",
                what=what,
                figure=figure,
                target=target,
                holds=holds,
                why=f"{low:.3f} to {high:.3f} (95 %, over features){said}",
            )
            for what, figure, target, holds, (low, high), said in zip(
                whats,
                (chance, gap),
                targets,
                (0.45 <= chance <= 0.55, gap >= 0.15),
                bounds,
                ("", beside),
                strict=True,
            )
        ]
