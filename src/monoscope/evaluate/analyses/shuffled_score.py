"""A score of features by their logit weights: do the tokens that a feature raises follow the text it is active on?"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from monoscope.activations.rows import TokenRows
from monoscope.dictionaries import SparseAutoencoder
from monoscope.features import logit_weights
from monoscope.models import LanguageModel

RANKS = (10, 60)
"""Ranks of the tokens that are asked about, by logit weight; the first ten would be too easy."""


@dataclass(frozen=True)
class Company:
    """What some features keep company with in a text."""

    here: Float[Tensor, "feature vocabulary"]
    """Activation of each feature on each token."""
    following: Float[Tensor, "feature vocabulary"]
    """Activation of each feature before each token."""
    n_active: Int[Tensor, " feature"]
    """Tokens on which each is active."""
    frequency: Float[Tensor, " vocabulary"]
    """``p(t)`` of the tokens that follow: (count + 1) / (tokens + vocabulary)."""
    fve: float
    """Fraction of variance that the dictionary explains."""

    def lift(self) -> Float[Tensor, "feature vocabulary"]:
        """How much likelier each token follows the feature than it is: ``(C + m p) / ((F + m) p)``.

        ``C`` is the activation before the token, ``F`` all of it and ``m`` its mean where it is active: one
        occurrence as everywhere is added, so that a token that was never seen there counts little, not nothing.
        """
        total = self.following.sum(1, keepdim=True)
        one = total / self.n_active.clamp_min(1)[:, None]
        expected = (total + one) * self.frequency
        return (self.following + one * self.frequency) / expected.clamp_min(1e-30)

    def largest_token_share(self) -> Float[Tensor, " feature"]:
        """Share of a feature's activation that lies on one token: near 1 for features of single tokens."""
        return self.here.max(1).values / self.here.sum(1).clamp_min(1e-30)


@torch.no_grad()
def company(
    dictionary: SparseAutoencoder,
    readings: Iterable[tuple[Int[np.ndarray, " _"], Float[Tensor, "_ d_model"]]],
    rows: TokenRows,
    features: Int[Tensor, " feature"],
    vocabulary_size: int,
) -> Company:
    """Look at a text once: flat positions and activations of its tokens."""
    tokens = torch.from_numpy(rows.tokens.reshape(-1).astype(np.int64))
    usable = torch.from_numpy(np.array(rows.usable.reshape(-1)))
    here, following = torch.zeros(2, len(features), vocabulary_size)
    n_active, counts = torch.zeros(len(features), dtype=torch.int64), torch.zeros(vocabulary_size)
    moments = [torch.zeros(dictionary.d_model, dtype=torch.float64) for _ in range(3)]
    n = 0
    for positions, x in readings:
        codes = dictionary.sparse_encode(x)
        chosen, place = codes.select(features), torch.from_numpy(positions)
        after = (place + 1).clamp_max(len(tokens) - 1)
        followed = ((place + 1) % rows.context != 0) & usable[after]
        here.index_add_(1, tokens[place], chosen.T)
        following.index_add_(1, tokens[after[followed]], chosen[followed].T)
        n_active += (chosen[followed] > 0).sum(0)
        counts += torch.bincount(tokens[after[followed]], minlength=vocabulary_size)[:vocabulary_size]
        errors = x - dictionary.decode(codes)
        for sums, values in zip(moments, (errors.square(), x.square(), x), strict=True):
            sums += values.double().sum(0)
        n += len(x)
    spread = moments[1] - moments[2].square() / max(n, 1)
    frequency = (counts + 1) / (counts.sum() + vocabulary_size)
    return Company(here, following, n_active, frequency, float(1 - moments[0].sum() / spread.sum()))


@dataclass(frozen=True)
class Scores:
    """How some features were judged."""

    own: Float[np.ndarray, " feature"]
    """Share of right answers."""
    others: Float[np.ndarray, " feature"]
    """The same when another feature's activity judges its tokens."""
    unseen: Float[np.ndarray, " feature"]
    """Share of its fifty tokens that never follow its activity in this text: the judge knows nothing of them."""


@torch.no_grad()
def scores(
    lm: LanguageModel,
    directions: Float[Tensor, "feature d_model"],
    lift: Float[Tensor, "feature vocabulary"],
    seed: int,
) -> Scores:
    """How well the text tells the tokens that each feature writes.

    A hundred tokens: those of ranks 10 to 60 by logit weight, and fifty drawn from the lower ones. The judge says of
    fifty that they could follow, those that do follow the feature's activity most by lift, ties drawn; the score is
    the share of right answers, .5 by chance. Bricken et al. 2023 ("Automated interpretability - logits") ask a language
    model with an explanation of the feature; here the text itself is asked.
    """
    generator = np.random.default_rng(seed)
    weights = logit_weights(
        directions.to(lm.device), lm.unembedding(), lm.final_norm_weight(), lm.final_norm_centres
    ).cpu()
    ordinary = np.setdiff1d(np.arange(weights.shape[1]), list(lm.special_ids))
    order = ordinary[(-weights.numpy()[:, ordinary]).argsort(axis=1, kind="stable")]
    first, last = RANKS
    own, others, unseen = [], [], []
    for number, ranked in enumerate(order):
        drawn = generator.permutation(ranked[last:])[: last - first]
        asked = np.concatenate([ranked[first:last], drawn])
        other = (number + 1 + int(generator.integers(max(1, len(order) - 1)))) % len(order)
        for judged, by in ((own, number), (others, other)):
            judged.append(right(lift[by, torch.from_numpy(asked)].numpy(), generator))
        known = lift[number, torch.from_numpy(ranked[first:last].copy())] > lift[number].min() * (1 + 1e-6)
        unseen.append(1 - float(known.float().mean()))
    return Scores(np.array(own), np.array(others), np.array(unseen))


def right(lift: Float[np.ndarray, " asked"], generator: np.random.Generator) -> float:
    """Share of right answers; the first half of the tokens are those of the feature."""
    half = len(lift) // 2
    mixed = generator.permutation(len(lift))
    yes = mixed[np.argsort(-lift[mixed], kind="stable")[:half]]
    return float((yes < half).mean())


def summary(values: Sequence[float] | Float[np.ndarray, " feature"]) -> dict[str, Any]:
    """Mean and values of some scores."""
    each = np.asarray(values, np.float64)
    return {"mean": float(each.mean()) if len(each) else None, "scores": each.round(4).tolist()}
