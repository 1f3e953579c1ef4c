"""Dictionaries that find the same features, and some that do not."""

import copy
import json

import numpy as np
import pytest
import torch

from conftest import TEXT
from evaluate.memory import MemoryStore
from monoscope.activations.rows import TokenRows, pack
from monoscope.dictionaries import AutoencoderOptions, SparseAutoencoder, TopK
from monoscope.documents import Document
from monoscope.errors import WrongUse
from monoscope.evaluate.analyses import Universality
from monoscope.evaluate.analyses.universality import Side, logit_similarity
from monoscope.models import LanguageModel

from .material import Parts

SITE = "blocks.1.resid_post"
N = 20


@pytest.fixture(scope="module")
def rows(tiny_llama: LanguageModel) -> TokenRows:
    return pack([Document(text) for text in TEXT * 4], tiny_llama, context=48)


def dictionary(seed: int, site: str = SITE) -> SparseAutoencoder:
    made = SparseAutoencoder.initialise(
        32, AutoencoderOptions(n_features=N, sparsifier=TopK(4)), seed=seed, site=site
    )
    made.encoder_bias.data.add_(torch.linspace(0, 0.1, N))
    return made


def permuted(first: SparseAutoencoder, order: torch.Tensor) -> SparseAutoencoder:
    """The same features, other numbers."""
    second = copy.deepcopy(first)
    second.encoder.data = first.encoder.data[:, order]
    second.encoder_bias.data = first.encoder_bias.data[order]
    second.decoder.data = first.decoder.data[order]
    return second


def material(lm: LanguageModel, made: SparseAutoencoder, rows: TokenRows, *others: Parts) -> Parts:
    return Parts(lm=lm, dictionary=made, heldout=MemoryStore(rows, {}), others=others)


def test_a_permutation_is_universal(tiny_llama: LanguageModel, rows: TokenRows) -> None:
    first, order = dictionary(0), torch.randperm(N, generator=torch.Generator().manual_seed(1))
    other = material(tiny_llama, permuted(first, order), rows)
    result = Universality(minimum=5)(material(tiny_llama, first, rows, other))
    (found,) = result["others"]
    assert found["kind"] == "seed"
    assert found["compared"] > N / 2
    assert np.allclose(found["r"], 1, atol=1e-4)
    assert order[found["counterpart"]].tolist() == found["feature"]
    assert found["medians"]["logit_weights"] == pytest.approx(1, abs=1e-4)
    assert found["medians"]["attribution"] == pytest.approx(1, abs=1e-4)
    assert abs(found["medians"]["logit_weights_random"]) < 0.5
    assert found["found_share"] == 1
    assert [check["holds"] for check in result["checks"]] == [True, True]
    assert json.loads(json.dumps(result)) == result


def test_another_dictionary_is_not(tiny_llama: LanguageModel, rows: TokenRows) -> None:
    result = Universality(minimum=5)(
        material(tiny_llama, dictionary(0), rows, material(tiny_llama, dictionary(7), rows))
    )
    gap, level = result["checks"]
    assert level["figure"] < 0.9
    low, high = result["others"][0]["intervals"]["features"]
    assert low <= level["figure"] <= high
    assert gap["figure"] == pytest.approx(level["figure"] - result["others"][0]["medians"]["neurons"])


def test_models_are_compared_with_their_neurons(
    tiny_llama: LanguageModel, tiny_gpt2: LanguageModel, rows: TokenRows
) -> None:
    other = material(tiny_gpt2, dictionary(0, "blocks.0.mlp_out"), rows)
    result = Universality(minimum=5)(material(tiny_llama, dictionary(0), rows, other))
    (found,) = result["others"]
    assert (found["kind"], found["same_tokenizer"]) == ("model", False)
    assert len(found["neuron_r"]) == tiny_llama.width("blocks.1.mlp_hidden")
    assert all(0 <= r <= 1 for r in found["neuron_r"])
    assert "logit_weights" in found["medians"]
    hidden = dictionary(0, "blocks.0.attn_z")
    (found,) = Universality(minimum=5)(material(tiny_llama, hidden, rows, other))["others"]
    assert "logit_weights" not in found["medians"]


def test_attribution_is_activation_times_the_next_tokens_weight(
    tiny_llama: LanguageModel, rows: TokenRows
) -> None:
    from monoscope.evaluate.analyses.alignment import same_text

    run = material(tiny_llama, dictionary(0), rows)
    reading, _ = same_text(tiny_llama, rows, tiny_llama, 10**6)
    side = Side.of(run, reading, 0, lambda tokens: None)
    weights = side.weights(np.arange(N)).numpy()
    following = reading.next_tokens
    expected = side.codes.toarray() * np.where(following >= 0, weights[:, following], 0).T
    assert np.allclose(side.attributions().toarray(), expected)
    own = np.arange(N)
    assert np.allclose(logit_similarity(side, side, own, own), 1)
    shifted = logit_similarity(side, side, own, np.roll(own, 1))
    assert np.allclose(shifted, np.corrcoef(weights)[own, np.roll(own, 1)], atol=1e-5)


def test_features_that_never_fire_leave_the_check_open(tiny_llama: LanguageModel, rows: TokenRows) -> None:
    run = material(tiny_llama, dictionary(0), rows, material(tiny_llama, dictionary(1), rows))
    result = Universality(minimum=10**6)(run)
    assert [(check["figure"], check["holds"]) for check in result["checks"]] == [(None, None)]
    assert json.loads(json.dumps(result, allow_nan=False)) == result
    with pytest.raises(WrongUse, match="compares dictionaries, and there is one"):
        Universality()(material(tiny_llama, dictionary(0), rows))
