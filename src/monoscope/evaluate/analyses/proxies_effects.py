"""What a context's feature does: switched off, held at its largest, and straight to the logits."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from monoscope.activations.rows import TokenRows
from monoscope.dictionaries import SparseAutoencoder
from monoscope.evaluate.analyses.proxies_contexts import Context
from monoscope.evaluate.analyses.resampled import resampled
from monoscope.evaluate.faithfulness import log_probabilities, row_batches
from monoscope.evaluate.intervals import IntervalOptions
from monoscope.features import logit_weights
from monoscope.intervene import Ablate, Clamp, Edit, steer
from monoscope.models import LanguageModel, Site

WRITES = ("resid_pre", "attn_out", "resid_mid", "mlp_out", "resid_post")
"""Kinds of site whose activations are, or are added to, the residual stream."""


@dataclass(frozen=True)
class Predictions:
    """Every prediction that some rows make of a usable token at a usable token."""

    position: Int[np.ndarray, " prediction"]
    """Flat position at which it is made."""
    loss: Float[np.ndarray, " prediction"]
    """``-log p(next token)``, in nats."""
    mass: Float[np.ndarray, "prediction context"]
    """Probability given to each context's tokens."""


@dataclass(frozen=True)
class Trials:
    """The runs that effects are measured by."""

    lm: LanguageModel
    """The model."""
    dictionary: SparseAutoencoder
    """The dictionary."""
    rows: TokenRows
    """Held-out text."""
    tokens: Float[Tensor, "vocabulary context"]
    """1 where a token is one of the context's."""
    spread: Int[np.ndarray, " row"]
    """Rows of all kinds of text, on which the cost elsewhere and the clamp are measured."""
    n_inside: int
    """Rows with the context, on which switching off is measured."""
    advance: Callable[[], None]
    """Called after each run."""

    @torch.no_grad()
    def run(self, rows: Int[np.ndarray, " row"], edits: Mapping[int, Edit], columns: slice) -> Predictions:
        """Predictions under edits; probabilities of the contexts in ``columns``."""
        positions, losses, masses = [], [], []
        first = 0
        wanted = self.tokens[:, columns]
        for tokens, usable in row_batches(self.lm, self.rows, rows):
            with steer(self.lm, self.dictionary, edits) if edits else nullcontext():
                predicted = log_probabilities(self.lm, tokens)
            made = usable[:, :-1] & usable[:, 1:]
            losses.append(-predicted.gather(-1, tokens[:, 1:, None])[..., 0][made].cpu().numpy())
            masses.append((predicted.exp()[made] @ wanted).cpu().numpy())
            row, token = (each.cpu().numpy() for each in made.nonzero(as_tuple=True))
            positions.append(rows[first + row] * self.rows.context + token)
            first += len(tokens)
        self.advance()
        return Predictions(np.concatenate(positions), np.concatenate(losses), np.concatenate(masses))

    def rows_with(self, context: Context) -> Int[np.ndarray, " row"]:
        """Rows in which the context is, evenly spaced over the text."""
        having = np.flatnonzero(context.heldout.reshape(len(self.rows.tokens), -1).any(1))
        picked = np.linspace(0, len(having) - 1, min(self.n_inside, len(having))).round().astype(np.int64)
        return having[picked]


def switched_off(
    trials: Trials, column: int, context: Context, clean: Predictions, seed: int
) -> dict[str, Any]:
    """Loss in the context and elsewhere when its feature is off at every token, the error term kept.

    Predictions made at a token of the context count as in it. Elsewhere are the other predictions on rows of all kinds.
    """
    here, edits = slice(column, column + 1), {context.feature: Ablate()}
    rows = trials.rows_with(context)
    before, after = trials.run(rows, {}, here), trials.run(rows, edits, here)
    inside = context.heldout[before.position]
    rise = (after.loss - before.loss)[inside]
    elsewhere = ~context.heldout[clean.position]
    cost = (trials.run(trials.spread, edits, here).loss - clean.loss)[elsewhere]
    by_row = row_sums(rise, before.position[inside] // trials.rows.context)
    options = IntervalOptions(seed=seed)
    return {
        "ce_inside": mean(before.loss[inside]),
        "ce_rise_inside": mean(rise),
        "ce_rise_inside_interval": resampled(
            lambda sums: sums[:, 0].sum() / sums[:, 1].sum(), [by_row], options
        ),
        "ce_rise_elsewhere": mean(cost),
        "n_predictions_inside": int(inside.sum()),
    }


def held(trials: Trials, column: int, context: Context, clean: Predictions) -> dict[str, Any]:
    """Probability of the context's tokens elsewhere, as it is and with its feature at its largest at every token."""
    if not float(trials.dictionary.max_activation[context.feature]) > 0:
        return {"p_clean": None, "p_pinned": None}
    elsewhere = ~context.heldout[clean.position]
    pinned = trials.run(trials.spread, {context.feature: Clamp(1)}, slice(column, column + 1))
    return {
        "p_clean": mean(clean.mass[elsewhere, column]),
        "p_pinned": mean(pinned.mass[elsewhere, 0]),
    }


def held_controls(trials: Trials, controls: Sequence[int], contexts: Sequence[Context]) -> list[float | None]:
    """For each context the median, over other features held at their largest, of its tokens' probability elsewhere."""
    masses = []
    for feature in controls:
        pinned = trials.run(trials.spread, {feature: Clamp(1)}, slice(None))
        masses.append(
            [
                mean(pinned.mass[~each.heldout[pinned.position], column])
                for column, each in enumerate(contexts)
            ]
        )
    return [None] * len(contexts) if not masses else np.median(np.array(masses, float), axis=0).tolist()


def logit_auc(
    lm: LanguageModel, directions: Float[Tensor, "some d_model"], members: Bool[np.ndarray, " vocabulary"]
) -> Float[np.ndarray, " some"] | None:
    """Chance that a token of the context has a larger logit weight than another token.

    None where the context has no token of its own.
    """
    ordinary = np.ones(lm.vocabulary_size, bool)
    ordinary[[number for number in lm.special_ids if number < len(ordinary)]] = False
    inside, outside = members & ordinary, ~members & ordinary
    if not inside.any() or not outside.any():
        return None
    weights = logit_weights(directions, lm.unembedding(), lm.final_norm_weight(), lm.final_norm_centres)
    ranks = weights.cpu().numpy()[:, ordinary].argsort(axis=1).argsort(axis=1)[:, inside[ordinary]] + 1.0
    n, m = int(inside.sum()), int(outside.sum())
    return (ranks.sum(1) - n * (n + 1) / 2) / (n * m)


def writes_residual(site: str) -> bool:
    """Whether directions of a site add to the residual stream, so that they have logit weights."""
    return Site.parse(site).kind in WRITES


def row_sums(values: Float[np.ndarray, " _"], rows: Int[np.ndarray, " _"]) -> Float[np.ndarray, "row 2"]:
    """Sum and count of each row's values."""
    names, place = np.unique(rows, return_inverse=True)
    return np.stack(
        [np.bincount(place, weights, len(names)) for weights in (values, np.ones(len(values)))], axis=1
    )


def mean(values: Float[np.ndarray, " _"]) -> float | None:
    """The mean; None of nothing."""
    return float(values.mean(dtype=np.float64)) if len(values) else None
