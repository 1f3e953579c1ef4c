"""Features against proxies: does one feature stand for a context, and does it bring that context about."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch

from monoscope.evaluate.analyses.base import ANALYSES, Material, Progress, unwatched
from monoscope.evaluate.analyses.proxies_activity import activity
from monoscope.evaluate.analyses.proxies_checks import checks
from monoscope.evaluate.analyses.proxies_contexts import (
    Context,
    chosen,
    clearer_kind,
    common,
    likely_contexts,
    planted_contexts,
    typical_tokens,
)
from monoscope.evaluate.analyses.proxies_effects import (
    Trials,
    held,
    held_controls,
    logit_auc,
    switched_off,
    writes_residual,
)
from monoscope.evaluate.faithfulness import spread_rows
from monoscope.evaluate.intervals import IntervalOptions
from monoscope.intervene.steer import on_device, placed
from monoscope.models import Site

FORMULAS = {
    "likelihood ratio": "a token is in the context where max over strings s of tokens that end there of "
    "log P(s | context) / P(s) > 0; P(s) = product of token frequencies; DNA: 1/4 a letter of ACGT, 2 tokens or more; "
    "base64: 1/64 a character; any other character 1e-10; scripts by Bayes, from their Unicode blocks",
    "planted": "a token is in the context where the corpus itself is tagged so (mention or passage, whichever a "
    "feature goes with better on calibration text)",
    "r": "Pearson r over held-out tokens of the activation with being in the context; feature and neuron are those of "
    "largest r, and |r|, on calibration text",
    "precision": "share of a feature's active tokens that are in the context; top half and tenths: of its active "
    "tokens, by activation",
    "weighted precision": "share of the whole activation that lies in the context",
    "recall": "share of the context's tokens on which the feature is active",
    "rise of loss": "mean of -log p(next token) with x' = x - f_i d_i at every token, minus the same as it is",
    "P(context tokens)": "probability, at tokens outside the context, of the tokens of which half the occurrences are "
    "in it; pinned: x' = x + (max f_i - f_i) d_i at every token",
    "logit AUC": "chance that such a token has a larger logit weight d_i . W_U, straight past all later "
    "blocks, than another token",
}


@ANALYSES.register("proxies")
@dataclass(frozen=True, kw_only=True)
class Proxies:
    """Features and contexts: is there a feature for Arabic, Hebrew, DNA, base64, and for every planted concept?

    Contexts are told by likelihood ratios, which need no tags, and by the tags of a planted corpus, which are the
    truth. The best feature and the best neuron of each are chosen on training text and judged on text kept apart: how
    specific and how sensitive its activity is; what is lost in the context and elsewhere when it is switched off; how
    much likelier the context's tokens are when it is held at its largest; and whether it writes them straight to the
    logits. Switching and holding are done to the running model, the dictionary's error kept.

    Reference: Bricken et al. 2023 (Towards Monosemanticity), "Detailed Investigations of Individual Features".
    """

    name: ClassVar[str]

    n_tokens: int = 330_000
    """Tokens of calibration and of held-out text, at most."""
    minimum: int = 50
    """Tokens of each text that a context must have; others are named and left out."""
    n_concepts: int = 100
    """Planted concepts, at most; the most frequent."""
    n_rows_inside: int = 6
    """Rows with the context on which its feature is switched off."""
    n_rows: int = 12
    """Rows of all kinds on which the cost elsewhere is measured, and features are held at their largest."""
    n_controls: int = 8
    """Other alive features that are held at their largest too."""
    typical: int = 5
    """Occurrences in the context that make a token one of its tokens."""
    seed: int = 0
    """Seed of controls and intervals."""

    def __call__(self, material: Material, progress: Progress = unwatched) -> dict[str, Any]:
        """Find the contexts, choose, measure, intervene."""
        neuron_site = str(Site(Site.parse(material.dictionary.site).block, "mlp_hidden"))
        likely, missing = common(likely_contexts(material), material, self.n_tokens, self.minimum)
        planted, scarce = common(planted_contexts(material), material, self.n_tokens, self.minimum)
        picked = list(chosen([*likely, *planted], material, neuron_site, self.n_tokens))
        concepts = sorted(
            clearer_kind(picked[len(likely) :]), key=lambda each: (-int(each.calibration.sum()), each.name)
        )
        contexts = [*picked[: len(likely)], *sorted(concepts[: self.n_concepts], key=lambda each: each.name)]
        records = [described(each) for each in contexts]
        if contexts:
            seen = activity(contexts, material, neuron_site, self.n_tokens, IntervalOptions(seed=self.seed))
            done = self.effects(contexts, material, progress)
            records = [a | b | c for a, b, c in zip(records, seen, done, strict=True)]
        return {
            "formulas": FORMULAS,
            "n_tokens": self.n_tokens,
            "n_contexts": len(likely),
            "n_planted": len(contexts) - len(likely),
            "missing": missing,
            "scarce": scarce,
            "contexts": records,
            "checks": [check.to_json() for check in checks(records)],
        }

    def effects(
        self, contexts: Sequence[Context], material: Material, progress: Progress
    ) -> list[dict[str, Any]]:
        """What each context's feature does."""
        lm, rows = material.lm, material.heldout.rows
        placed(lm, material.dictionary, None)
        done, total = 0, 1 + self.n_controls + 4 * len(contexts)

        def advance() -> None:
            nonlocal done
            done += 1
            progress(done, total)

        tokens = np.stack(
            [
                typical_tokens(each, material.calibration.rows, lm.vocabulary_size, self.typical)
                for each in contexts
            ],
            axis=1,
        )
        trials = Trials(
            lm=lm,
            dictionary=on_device(material.dictionary, lm.device),
            rows=rows,
            tokens=torch.from_numpy(tokens).float().to(lm.device),
            spread=spread_rows(rows, self.n_rows * rows.context)[: self.n_rows],
            n_inside=self.n_rows_inside,
            advance=advance,
        )
        clean = trials.run(trials.spread, {}, slice(None))
        largest = trials.dictionary.max_activation
        alive = material.index.random_alive(trials.dictionary.n_features, self.seed)
        controls = [feature for feature in alive if float(largest[feature]) > 0][: self.n_controls]
        p_controls = held_controls(trials, controls, contexts)
        found = []
        for column, each in enumerate(contexts):
            auc = self.auc(lm, trials, each.feature, controls, tokens[:, column])
            found.append(
                {"n_typical": int(tokens[:, column].sum()), "p_controls": p_controls[column]}
                | switched_off(trials, column, each, clean, self.seed)
                | held(trials, column, each, clean)
                | auc
            )
        return found

    def auc(
        self, lm: Any, trials: Trials, feature: int, controls: Sequence[int], members: Any
    ) -> dict[str, Any]:
        """How well logit weights tell the context's tokens, for its feature and for others."""
        if not writes_residual(trials.dictionary.site):
            return {"logit_auc": None, "logit_auc_controls": None}
        found = logit_auc(lm, trials.dictionary.directions[[feature, *controls]], members)
        if found is None:
            return {"logit_auc": None, "logit_auc_controls": None}
        others = float(np.median(found[1:])) if len(found) > 1 else None
        return {"logit_auc": float(found[0]), "logit_auc_controls": others}


def described(context: Context) -> dict[str, Any]:
    """A context and what was chosen for it, as JSON."""
    return {
        "context": context.name,
        "by": context.by,
        "planted": context.planted,
        "feature": context.feature,
        "calibration_r": context.feature_r,
        "neuron": context.neuron,
        "calibration_neuron_r": context.neuron_r,
    }
