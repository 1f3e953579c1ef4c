"""Attribution against ablation: in a linear model they are the same."""

import copy
import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from evaluate.memory import token_rows
from monoscope.dictionaries import AutoencoderOptions, SparseAutoencoder, TopK
from monoscope.errors import WrongUse
from monoscope.evaluate.analyses import Attribution
from monoscope.evaluate.analyses.attribution import ablated_effects, against_the_strongest, checks, rival_of
from monoscope.evaluate.intervals import IntervalOptions
from monoscope.intervene import Ablate, spliced
from monoscope.intervene.gradient import gradient_at
from monoscope.models import LanguageModel

from .material import Parts

OPTIONS = Attribution(n_prompts=6, length=8)


def dictionary(lm: LanguageModel, site: str) -> SparseAutoencoder:
    options = AutoencoderOptions(n_features=64, sparsifier=TopK(4))
    return SparseAutoencoder.initialise(lm.d_model, options, seed=1, site=site, model_hash=lm.hash)


def material(lm: LanguageModel, site: str) -> Parts:
    heldout = SimpleNamespace(rows=token_rows(10, 12, {}))
    return Parts(lm=lm, dictionary=dictionary(lm, site), heldout=heldout)


@pytest.fixture
def linear(tiny_llama: LanguageModel) -> LanguageModel:
    """From its last block on, logits are a linear function of the residual stream."""
    model = copy.deepcopy(tiny_llama.model)
    model.model.norm = torch.nn.Identity()
    return LanguageModel(model, tiny_llama.tokenizer, name="linear", folder=tiny_llama.folder)


def test_in_a_linear_model_attribution_is_ablation(linear: LanguageModel) -> None:
    result = OPTIONS(material(linear, "blocks.2.resid_post"))
    assert result["n_prompts"] == 6
    points = result["points"]
    assert np.allclose(points["attribution"], points["ablation"], atol=1e-3)
    assert np.abs(points["ablation"]).max() > 0.1
    assert result["r_attribution"] == pytest.approx(1, abs=1e-4)
    assert result["r_pooled"] == pytest.approx(1, abs=1e-4)
    assert result["r_activation"] < 0.9
    assert json.loads(json.dumps(result)) == result


def test_ablation_is_what_intervening_does(tiny_llama: LanguageModel) -> None:
    """Against the dictionary's reconstruction with the feature off, its error added back, the model run again."""
    parts = material(tiny_llama, "blocks.0.resid_post")
    site = tiny_llama.resolve("blocks.0.resid_post")
    prompt = torch.from_numpy(parts.heldout.rows.tokens[3, :8].astype(np.int64))
    whole = gradient_at(tiny_llama, site, prompt, lambda logits: against_the_strongest(logits, 7))
    rival = rival_of(whole.logits, 7)
    codes = parts.dictionary.sparse_encode(whole.x)
    token, slot = torch.tensor([2, 5, 7]), torch.tensor([0, 1, 0])
    feature = codes.indices[token, slot]
    moves = codes.values[token, slot][:, None] * parts.dictionary.directions[feature]
    found = ablated_effects(tiny_llama, site, prompt, token, moves, 7, rival)
    for place, number, ours in zip(token.tolist(), feature.tolist(), found.tolist(), strict=True):
        where = torch.zeros(1, 8, dtype=torch.bool)
        where[0, place] = True
        with spliced(tiny_llama, parts.dictionary, edits={number: Ablate()}, keep_error=True, where=where):
            logits = tiny_llama.forward(prompt[None])[0, -1]
        assert ours == pytest.approx(float(logits[7] - logits[rival]), abs=1e-4)
        assert abs(ours - whole.value) > 1e-4


def test_the_same_seed_asks_the_same_and_pairs_are_bounded(tiny_llama: LanguageModel) -> None:
    parts = material(tiny_llama, "blocks.1.resid_post")
    assert OPTIONS(parts) == OPTIONS(parts)
    few = Attribution(n_prompts=2, length=8, n_pairs=11)(parts)
    assert [prompt["n_pairs"] for prompt in few["prompts"]] == [11, 11]
    none = Attribution(n_prompts=2, length=50)(parts)
    assert (none["n_prompts"], none["r_attribution"]) == (0, None)
    assert [check["holds"] for check in none["checks"]] == [None, None]


def test_a_transcoder_is_refused(tiny_llama: LanguageModel) -> None:
    parts = material(tiny_llama, "blocks.1.mlp_in")
    parts.dictionary.output_bias = torch.nn.Parameter(torch.zeros(tiny_llama.d_model))
    with pytest.raises(WrongUse, match="do not write where they read"):
        OPTIONS(parts)


def test_checks_ask_for_both_figures_over_twenty_prompts() -> None:
    good = [{"r_attribution": 0.8, "r_activation": 0.1}] * 20
    assert [check.holds for check in checks(good, IntervalOptions(draws=20))] == [True, True]
    close = [{"r_attribution": 0.8, "r_activation": 0.6}] * 20
    assert [check.holds for check in checks(close, IntervalOptions(draws=20))] == [True, False]
    assert [check.holds for check in checks(good[:19], IntervalOptions(draws=20))] == [None, None]
