"""The control of shuffled weights, and its score."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from evaluate.dictionaries import made
from evaluate.memory import MemoryStore, token_rows
from monoscope.dictionaries import AutoencoderOptions, ReLU, SparseAutoencoder, TopK
from monoscope.errors import WrongUse
from monoscope.evaluate.analyses import Shuffled
from monoscope.evaluate.analyses.shuffled_score import company, scores
from monoscope.features import logit_weights
from monoscope.models import LanguageModel

from .material import Parts

SITE = "blocks.1.resid_post"


def test_company_is_counted_within_rows_and_over_text_alone() -> None:
    """Feature 0 fires on token 5 alone, feature 1 everywhere; a row's last token is followed by nothing."""
    rows = token_rows(6, 8, {}, padding=2)
    tokens = rows.tokens.copy()
    tokens[0, 1:5] = [5, 9, 5, 11]
    tokens[0, 7] = 5
    rows = replace(rows, tokens=tokens)
    flat = torch.from_numpy(tokens.reshape(-1).astype(np.int64))
    x = torch.stack([2.0 * (flat == 5), torch.ones(len(flat))], dim=1)
    usable = np.flatnonzero(rows.usable.reshape(-1))
    seen = company(
        made(torch.eye(2), torch.zeros(2), ReLU(), ""),
        [(usable[start : start + 7], x[usable[start : start + 7]]) for start in range(0, len(usable), 7)],
        rows,
        torch.tensor([0, 1]),
        200,
    )
    on_five = float(2 * (flat[usable] == 5).sum())
    assert seen.here[0, 5] == on_five == seen.here[0].sum()
    assert seen.following[0, 9] >= 2
    assert seen.following[0, 11] >= 2
    pairs = rows.usable[:, :-1] & rows.usable[:, 1:]
    assert seen.following[1].sum() == pairs.sum()
    assert seen.following[0].sum() == 2 * (pairs & (tokens[:, :-1] == 5)).sum()
    assert seen.fve == pytest.approx(1)
    lift = seen.lift()
    assert lift[0, 9] > 5 * lift[0, 150]
    expected = (lift[1] * seen.frequency).sum()
    assert float(expected) == pytest.approx(1, abs=1e-4)


def test_tokens_that_follow_score_one_and_chance_scores_half(tiny_llama: LanguageModel) -> None:
    directions = torch.randn(200, tiny_llama.d_model, generator=torch.Generator().manual_seed(0))
    weights = logit_weights(
        directions, tiny_llama.unembedding(), tiny_llama.final_norm_weight(), tiny_llama.final_norm_centres
    )
    judged = scores(tiny_llama, directions, weights, seed=0)
    assert (judged.own == 1).all()
    assert judged.others.mean() == pytest.approx(0.5, abs=0.05)
    assert (judged.unseen == 0).all()
    nothing = scores(tiny_llama, directions, torch.ones_like(weights), seed=0)
    assert nothing.own.mean() == pytest.approx(0.5, abs=0.02)
    assert (nothing.unseen == 1).all()
    assert (scores(tiny_llama, directions, -weights, seed=0).own == 0).all()


def test_the_whole_control_runs_small(tiny_llama: LanguageModel) -> None:
    rows = token_rows(60, 24, {})
    (x,) = tiny_llama.activations(torch.from_numpy(rows.tokens.astype(np.int64)), [SITE]).values()
    store = MemoryStore(rows, {SITE: x.flatten(0, 1)})
    options = AutoencoderOptions(n_features=48, sparsifier=TopK(4))
    dictionary = SparseAutoencoder.initialise(32, options, seed=0, site=SITE)
    material = Parts(lm=tiny_llama, dictionary=dictionary, calibration=store, heldout=store)
    asked = Shuffled(
        n_features=24, n_tokens=800, n_training=20_000, n_heldout=1000, n_judged=20, minimum_active=5
    )
    before = tiny_llama.unembedding().clone()
    result = asked(material)
    assert json.loads(json.dumps(result)) == result
    assert result["n_features"] == 24
    assert set(result["variants"]) == {"own", "real", "shuffled"}
    assert 0 < result["variants"]["shuffled"]["n_scored"] <= 20
    # Random weights are as good as shuffled ones: there is nothing to find in either.
    assert abs(result["score_real"] - 0.5) < 0.15
    assert result["checks"][1]["holds"] is False
    assert torch.equal(tiny_llama.unembedding(), before)
    assert asked(material) == result


def test_directions_that_do_not_reach_the_logits_are_refused(tiny_llama: LanguageModel) -> None:
    options = AutoencoderOptions(n_features=8, sparsifier=TopK(2))
    hidden = SparseAutoencoder.initialise(64, options, seed=0, site="blocks.1.mlp_hidden")
    with pytest.raises(WrongUse, match="have no logit weights"):
        Shuffled()(Parts(lm=tiny_llama, dictionary=hidden))


def test_checks_ask_for_chance_and_for_a_distance() -> None:
    def found(real: float, shuffled: float) -> list[bool | None]:
        groups = {"real": real, "shuffled": shuffled, "own": real}
        made = {name: {"scores": [score] * 5, "mean": score, "unseen": 0.5} for name, score in groups.items()}
        return [check.holds for check in Shuffled().checks(made)]

    assert found(0.7, 0.5) == [True, True]
    assert found(0.6, 0.5) == [True, False]
    assert found(0.8, 0.6) == [False, True]
    empty = {name: {"scores": [], "mean": None} for name in ("real", "shuffled", "own")}
    assert [check.holds for check in Shuffled().checks(empty)] == [None, None]
