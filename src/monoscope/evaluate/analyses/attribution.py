"""Attribution of an answer to features, against actually switching each of them off."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from monoscope.activations.rows import TokenRows
from monoscope.dictionaries import SparseAutoencoder
from monoscope.errors import WrongUse
from monoscope.evaluate.analyses.base import ANALYSES, Check, Material, Progress, unwatched
from monoscope.evaluate.analyses.copies import in_float32
from monoscope.evaluate.analyses.pairwise import pearson
from monoscope.evaluate.analyses.resampled import resampled
from monoscope.evaluate.faithfulness import LOGITS_AT_ONCE
from monoscope.evaluate.intervals import IntervalOptions
from monoscope.intervene.gradient import gradient_at
from monoscope.intervene.steer import on_device, placed
from monoscope.models import LanguageModel, Site
from monoscope.models.hooks import edit

FORMULAS = {
    "effect": "what is explained at the prompt's end: logit of the token that follows minus the largest other logit",
    "attribution": "f_i(t) (d_i . gradient of the effect with respect to x at token t)",
    "ablation": "effect minus the effect with x_t replaced by x_t - f_i(t) d_i: f_i = 0 there, the error term kept",
    "r": "Pearson r with ablation over (feature, token) pairs that are active in a prompt; mean over prompts",
    "r pooled": "the same over the pairs of all prompts together",
    "overlap": "pairs among both the 10 largest and the 10 of largest ablation effect; mean over prompts",
}
TOP = 10
"""Pairs whose overlap is told."""
KEPT = 1500
"""Pairs that are kept for the figure, over all prompts."""


@dataclass(frozen=True)
class Pairs:
    """Features active in one prompt, each at one of its tokens."""

    token: Int[np.ndarray, " pair"]
    """Which token of the prompt."""
    feature: Int[np.ndarray, " pair"]
    """Which feature."""
    activation: Float[np.ndarray, " pair"]
    """``f_i(t)``."""
    attribution: Float[np.ndarray, " pair"]
    """The first-order estimate."""
    ablation: Float[np.ndarray, " pair"]
    """What switching it off there takes away."""

    def r(self, by: Float[np.ndarray, " pair"]) -> float:
        """Pearson's r of a ranking with ablation."""
        return pearson(by, self.ablation)

    def overlap(self, by: Float[np.ndarray, " pair"]) -> int:
        """How many of the largest by a ranking are among those of largest ablation effect."""
        return len(np.intersect1d(np.argsort(-by, kind="stable")[:TOP], self.strongest))

    @property
    def strongest(self) -> Int[np.ndarray, " top"]:
        """The pairs of largest ablation effect, largest first."""
        return np.argsort(-self.ablation, kind="stable")[:TOP]


@ANALYSES.register("attribution")
@dataclass(frozen=True, kw_only=True)
class Attribution:
    """Attribution and ablation: does the gradient say which features made the model answer as it did?

    Prompts are beginnings of held-out rows, drawn by seed; what is explained is the logit of the token that does
    follow, against the model's strongest other. Each feature that is active at a token is switched off there, and
    nothing else, and the model is run again. That effect is compared with its first-order estimate, and with the
    feature's activation, which is what one would go by without a gradient.

    Reference: Templeton et al. 2024 (Scaling Monosemanticity), "Features as computational intermediates": r = .81 for
    attribution, .12 for activation; 8 and 3 of the 10 strongest are the same.
    """

    name: ClassVar[str]

    n_prompts: int = 40
    """Prompts."""
    length: int = 32
    """Tokens of a prompt."""
    n_pairs: int = 512
    """Pairs of a prompt that are switched off, at most; drawn where more are active."""
    seed: int = 0
    """Seed of prompts, pairs and intervals."""

    def __call__(self, material: Material, progress: Progress = unwatched) -> dict[str, Any]:
        """Attribute, switch off, compare."""
        lm = in_float32(material.lm)
        site = placed(lm, material.dictionary, None)
        dictionary = on_device(material.dictionary, lm.device)
        if dictionary.output_bias is not None:
            raise WrongUse(
                "a transcoder's features do not write where they read", "give a dictionary that reconstructs"
            )
        rows = material.heldout.rows
        records, found = [], []
        chosen = self.prompts(rows)
        for number, row in enumerate(chosen):
            tokens = torch.as_tensor(rows.tokens[row, : self.length + 1].astype(np.int64))
            usable = torch.from_numpy(np.array(rows.usable[row, : self.length]))
            answer, rival, effect, pairs = self.explain(lm, dictionary, site, tokens, usable)
            if len(pairs.token) >= TOP:
                found.append(pairs)
                texts = lm.token_strings([answer, rival])
                records.append(record(lm, tokens[:-1], texts, effect, pairs))
            progress(number + 1, len(chosen))
        return {
            "formulas": FORMULAS,
            "n_prompts": len(records),
            "n_pairs": sum(len(pairs.token) for pairs in found),
            "length": self.length,
            **means(records),
            "r_pooled": pooled(found, lambda pairs: pairs.attribution),
            "r_activation_pooled": pooled(found, lambda pairs: pairs.activation),
            "prompts": records,
            "points": points(found, self.seed),
            "checks": [check.to_json() for check in checks(records, IntervalOptions(seed=self.seed))],
        }

    def prompts(self, rows: TokenRows) -> Int[np.ndarray, " prompt"]:
        """Rows whose beginnings are text throughout, but for a beginning-of-text token."""
        whole = (
            np.flatnonzero(rows.usable[:, 1 : self.length + 1].all(1)) if rows.context > self.length else []
        )
        generator = np.random.default_rng(self.seed)
        return generator.permutation(np.asarray(whole, np.int64))[: self.n_prompts]

    def explain(
        self,
        lm: LanguageModel,
        dictionary: SparseAutoencoder,
        site: Site,
        tokens: Int[Tensor, " token"],
        usable: Bool[Tensor, " prompt"],
    ) -> tuple[int, int, float, Pairs]:
        """The token that follows, the strongest other, the effect, and what each active pair has to do with it."""
        prompt, answer = tokens[:-1].to(lm.device), int(tokens[-1])
        found = gradient_at(lm, site, prompt, lambda logits: against_the_strongest(logits, answer))
        rival = rival_of(found.logits, answer)
        codes = dictionary.sparse_encode(found.x)
        token, slot = (codes.values * usable.to(found.x.device)[:, None] > 0).nonzero(as_tuple=True)
        if len(token) > self.n_pairs:
            generator = torch.Generator().manual_seed(self.seed)
            kept = torch.randperm(len(token), generator=generator)[: self.n_pairs].sort().values
            token, slot = token[kept.to(token.device)], slot[kept.to(token.device)]
        feature, activation = codes.indices[token, slot], codes.values[token, slot]
        moves = activation[:, None] * dictionary.directions[feature]
        attribution = (moves * found.slope[token]).sum(1)
        left = ablated_effects(lm, site, prompt, token, moves, answer, rival)
        columns = (token, feature, activation, attribution, found.value - left)
        return answer, rival, found.value, Pairs(*(column.cpu().numpy() for column in columns))


def against_the_strongest(logits: Float[Tensor, " vocabulary"], answer: int) -> Float[Tensor, ""]:
    """What is explained: the answer's logit minus the largest other."""
    return logits[answer] - logits[rival_of(logits, answer)]


def rival_of(logits: Float[Tensor, " vocabulary"], answer: int) -> int:
    """The token of the largest logit besides the answer."""
    others = logits.detach().clone()
    others[answer] = -torch.inf
    return int(others.argmax())


@torch.no_grad()
def ablated_effects(
    lm: LanguageModel,
    site: Site,
    prompt: Int[Tensor, " token"],
    token: Int[Tensor, " pair"],
    moves: Float[Tensor, "pair d_model"],
    answer: int,
    rival: int,
) -> Float[Tensor, " pair"]:
    """What is explained when, of each pair, its part ``f_i d_i`` alone is taken out of the activation at its token."""
    at_once = max(1, LOGITS_AT_ONCE // (len(prompt) * lm.vocabulary_size))
    effects = [moves.new_zeros(0)]
    for here, taken in zip(token.split(at_once), moves.split(at_once), strict=True):
        change = moves.new_zeros(len(here), len(prompt), moves.shape[1])
        change[torch.arange(len(here)), here] = taken
        with edit(lm, {site: lambda x, change=change: x - change.to(x.dtype)}):
            logits = lm.forward(prompt.expand(len(here), -1))[:, -1]
        effects.append(logits[:, answer] - logits[:, rival])
    return torch.cat(effects)


def record(
    lm: LanguageModel, prompt: Int[Tensor, " token"], texts: list[str], effect: float, pairs: Pairs
) -> dict[str, Any]:
    """One prompt as JSON."""
    return {
        "prompt": lm.decode(prompt),
        "answer": texts[0],
        "rival": texts[1],
        "effect": effect,
        "n_pairs": len(pairs.token),
        "r_attribution": pairs.r(pairs.attribution),
        "r_activation": pairs.r(pairs.activation),
        "r_activation_of_size": pearson(pairs.activation, np.abs(pairs.ablation)),
        "overlap_attribution": pairs.overlap(pairs.attribution),
        "overlap_activation": pairs.overlap(pairs.activation),
        "strongest": [
            {"token": int(pairs.token[pair]), "feature": int(pairs.feature[pair])}
            | {"ablation": float(pairs.ablation[pair]), "attribution": float(pairs.attribution[pair])}
            for pair in pairs.strongest
        ],
    }


MEASURED = (
    "r_attribution",
    "r_activation",
    "r_activation_of_size",
    "overlap_attribution",
    "overlap_activation",
)
"""What each prompt's record measures."""


def means(records: Sequence[dict[str, Any]]) -> dict[str, float | None]:
    """Means over prompts."""
    return {name: float(np.mean([each[name] for each in records])) if records else None for name in MEASURED}


def pooled(found: Sequence[Pairs], ranking: Callable[[Pairs], Float[np.ndarray, " pair"]]) -> float | None:
    """Pearson's r of a ranking with ablation over the pairs of all prompts."""
    if not found:
        return None
    return pearson(
        np.concatenate([ranking(pairs) for pairs in found]), np.concatenate([each.ablation for each in found])
    )


def points(found: Sequence[Pairs], seed: int) -> dict[str, list[float]]:
    """Some pairs of all prompts, drawn evenly."""
    columns = {
        name: np.concatenate([np.empty(0), *(getattr(pairs, name) for pairs in found)])
        for name in ("activation", "attribution", "ablation")
    }
    drawn = np.random.default_rng(seed).permutation(len(columns["ablation"]))[:KEPT]
    return {name: [float(f"{value:.4g}") for value in column[drawn]] for name, column in columns.items()}


def checks(records: Sequence[dict[str, Any]], options: IntervalOptions) -> list[Check]:
    """A1.3: attribution goes with ablation, and far better than activation does."""
    what = (
        "Pearson r of attribution with ablation, mean over prompts",
        "that r minus the r of activation with ablation",
    )
    targets = (">= 0.7, over 20 prompts or more", ">= 0.3")
    if len(records) < 20:
        why = (
            f"{len(records)} prompts had {TOP} active pairs or more: give a longer text or a larger n_prompts"
        )
        return [
            Check(name="A1.3", what=each, figure=None, target=target, holds=None, why=why)
            for each, target in zip(what, targets, strict=True)
        ]
    r, other = (np.array([each[name] for each in records]) for name in MEASURED[:2])
    found = []
    for each, target, values, least in zip(what, targets, (r, r - other), (0.7, 0.3), strict=True):
        low, high = resampled(lambda some: float(some.mean()), [values], options)
        figure = float(values.mean())
        why = f"{low:.3f} to {high:.3f} (95 %, over {len(values)} prompts)"
        found.append(
            Check(name="A1.3", what=each, figure=figure, target=target, holds=figure >= least, why=why)
        )
    return found
