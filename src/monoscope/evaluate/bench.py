"""Everything that a report measures, one part at a time."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from jaxtyping import Bool
from torch import Tensor

from monoscope.dictionaries import SparseAutoencoder
from monoscope.dictionaries.baselines import (
    independent_components,
    neurons,
    principal_components,
    random_directions,
)
from monoscope.evaluate import faithfulness, reconstruction
from monoscope.evaluate.faithfulness import FaithfulnessSums, Replacement, spread_rows
from monoscope.evaluate.intervals import IntervalOptions
from monoscope.evaluate.reconstruction import Reconstruction
from monoscope.evaluate.recovery import RecoveryOptions, candidate_groups, recovery
from monoscope.evaluate.stream import Activations, Advance
from monoscope.evaluate.tags import Tags
from monoscope.intervene.splice import ablated, spliced
from monoscope.models import LanguageModel, Site

SAMPLE = 32_768
"""Activations that a baseline's scale is fitted on, and the covariance where the store has none."""


@dataclass(frozen=True, kw_only=True)
class EvaluateOptions:
    """How much text is looked at, and what is drawn from it."""

    n_tokens: int = 400_000
    """Held-out tokens for reconstruction and recovery, at most."""
    n_faithfulness_tokens: int = 40_000
    """Held-out tokens on which the model is run under every condition; about, since rows are run whole."""
    recovery: RecoveryOptions = field(default_factory=RecoveryOptions)
    """What counts as recovering a concept."""
    intervals: IntervalOptions = field(default_factory=IntervalOptions)
    """How intervals are drawn."""
    seed: int = 0
    """Seed of the random baseline and of the samples that baselines are fitted on."""


def neuron_site(site: str) -> str:
    """The hidden units of the MLP in a site's block."""
    return str(Site(Site.parse(site).block, "mlp_hidden"))


@dataclass(frozen=True)
class Bench:
    """Everything that is measured, and how much of it."""

    lm: LanguageModel
    dictionary: SparseAutoencoder
    heldout: Activations
    calibration: Activations | None
    site: str
    options: EvaluateOptions

    @property
    def fitting(self) -> Activations:
        """What baselines are fitted on."""
        return self.heldout if self.calibration is None else self.calibration

    @property
    def tagged(self) -> bool:
        """Whether concept recovery can be measured."""
        return self.calibration is not None and bool(self.heldout.rows.concepts)

    def tokens_to_read(self) -> int:
        """Tokens of all passes, about: the whole of what progress counts."""
        heldout = min(self.options.n_tokens, self.heldout.n_tokens)
        total = 5 * heldout + 8 * self.options.n_faithfulness_tokens
        if self.tagged and self.calibration is not None:
            chosen_on = min(self.options.recovery.n_calibration_tokens, self.calibration.n_tokens)
            total += 5 * (heldout + chosen_on)
        return total

    def reconstruct(self, dictionary: SparseAutoencoder, advance: Advance) -> Reconstruction:
        """A dictionary's sums over held-out activations."""
        return reconstruction.measure(
            dictionary, self.heldout, site=self.site, n_tokens=self.options.n_tokens, advance=advance
        )

    def baselines(self, k: int) -> dict[str, SparseAutoencoder]:
        """What the dictionary is compared with, at its L0: neurons, components of two kinds, random directions."""
        store, named = self.fitting, {"site": self.site, "model_hash": self.lm.hash}
        sample = store.sample(self.site, SAMPLE, self.options.seed)
        moments = store.statistics(self.site)
        # Sites that are very wide come without a covariance.
        covariance = sample.T.cov(correction=0) if moments.covariance is None else moments.covariance
        return {
            "neurons": neurons(moments.mean, k, **named),
            "pca": principal_components(moments.mean, covariance, k, **named),
            "ica": independent_components(
                sample, k, seed=self.options.seed, site=self.site, model_hash=self.lm.hash
            ),
            "random": random_directions(
                self.dictionary.n_features, moments.mean, sample, k, seed=self.options.seed, **named
            ),
        }

    def run_model(
        self, dictionaries: Mapping[str, SparseAutoencoder], advance: Advance
    ) -> dict[str, FaithfulnessSums]:
        """The model's losses on held-out rows with each dictionary in turn in the place of its activation."""
        mean = torch.as_tensor(self.fitting.statistics(self.site).mean, dtype=torch.float32)
        replacements: dict[str, Replacement] = {
            "zero": lambda usable: ablated(self.lm, self.site, "zero", where=usable),
            "mean": lambda usable: ablated(self.lm, self.site, "mean", mean=mean, where=usable),
            **{name: partial(self._spliced, dictionary) for name, dictionary in dictionaries.items()},
        }
        rows = spread_rows(self.heldout.rows, self.options.n_faithfulness_tokens)
        tokens, losses = faithfulness.measure(self.lm, self.heldout.rows, rows, replacements, advance=advance)
        return {
            name: FaithfulnessSums(
                tokens=tokens,
                clean=losses["clean"].cross_entropy,
                spliced=losses[name].cross_entropy,
                zero=losses["zero"].cross_entropy,
                mean=losses["mean"].cross_entropy,
                divergence=losses[name].divergence,
            )
            for name in dictionaries
        }

    def recover(self, baselines: Mapping[str, SparseAutoencoder], advance: Advance) -> dict[str, Any] | None:
        """Concept recovery beside its baselines; None for text without tags, or with nothing to choose on."""
        if self.calibration is None or not self.tagged:
            return None
        groups = candidate_groups(
            self.dictionary,
            baselines["random"],
            baselines["pca"].directions[: self.dictionary.d_model].T,
            site=self.site,
            neuron_site=neuron_site(self.site),
            seed=self.options.seed,
        )
        return recovery(
            groups,
            (self.heldout, Tags.of(self.heldout.rows, self.options.n_tokens)),
            (self.calibration, Tags.of(self.calibration.rows, self.options.recovery.n_calibration_tokens)),
            options=self.options.recovery,
            interval_options=self.options.intervals,
            advance=advance,
        )

    def _spliced(
        self, dictionary: SparseAutoencoder, usable: Bool[Tensor, "batch token"]
    ) -> AbstractContextManager[None]:
        return spliced(self.lm, dictionary, where=usable, site=self.site)
