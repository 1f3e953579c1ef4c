import copy
from collections.abc import Callable

import pytest
import torch
from torch import nn

from monoscope.dictionaries import SparseAutoencoder, TopK
from monoscope.errors import MismatchedArtefact, UnknownName, WrongUse
from monoscope.intervene import Ablate, steer
from monoscope.intervene.attribution import Attribution, attribution, falls_without
from monoscope.models import LanguageModel

PROMPT = "The old bridge crosses the water. Fog comes in"
SITES = [
    "blocks.0.resid_pre",
    "blocks.1.resid_mid",
    "blocks.1.mlp_out",
    "blocks.1.attn_out",
    "blocks.1.resid_post",
]


def _active(given: Attribution) -> list[int]:
    return given.codes.indices[given.codes.values > 0].unique().tolist()


def _linear_end(lm: LanguageModel) -> LanguageModel:
    """The same model without its last norm: logits are linear in what leaves the last block."""
    linear = copy.copy(lm)
    linear.model = copy.deepcopy(lm.model)
    linear.model.model.norm = nn.Identity()
    return linear


def test_where_the_model_is_linear_attribution_is_the_ablation(
    tiny_llama: LanguageModel, make_dictionary: Callable[..., SparseAutoencoder]
) -> None:
    lm = _linear_end(tiny_llama)
    dictionary = make_dictionary(tiny_llama, site="blocks.2.resid_post")
    tokens = lm.tokenize(PROMPT)
    given = attribution(lm, dictionary, tokens, 300, 310)
    features = _active(given)
    measured = falls_without(lm, dictionary, tokens, features, 300, 310)
    assert len(features) > 6
    assert float(measured.abs().max()) > 0.1
    torch.testing.assert_close(given.by_feature()[features], measured, atol=1e-4, rtol=1e-4)
    # Only the last token's activation reaches the last logits.
    assert given.values[:-1].abs().max() == 0


@pytest.mark.parametrize("site", SITES)
def test_it_is_the_slope_of_the_ablation(
    every_family: LanguageModel, make_dictionary: Callable[..., SparseAutoencoder], site: str
) -> None:
    lm = every_family
    if site not in map(str, lm.sites()):
        pytest.skip("a parallel block has no such site")
    dictionary = make_dictionary(lm, site=site)
    tokens = lm.tokenize(PROMPT)
    given = attribution(lm, dictionary, tokens, 300, 310)
    features = _active(given)
    # A ReLU has corners: OPT's neurons must not reach one on the way.
    share = 1e-3 if lm.model.config.model_type == "opt" else 1e-2
    up = falls_without(lm, dictionary, tokens, features, 300, 310, share=share)
    down = falls_without(lm, dictionary, tokens, features, 300, 310, share=-share)
    slope = (up - down) / (2 * share)
    expected = given.by_feature()[features]
    torch.testing.assert_close(expected, slope, atol=2e-3 * float(slope.abs().max()), rtol=2e-2)


def test_ablation_is_what_steering_does(
    tiny_llama: LanguageModel, make_dictionary: Callable[..., SparseAutoencoder]
) -> None:
    lm, dictionary = tiny_llama, make_dictionary(tiny_llama)
    # The beginning is left alone by ablation; a dictionary that is silent there shows the same.
    tokens = lm.tokenize(PROMPT, bos=False)
    features = _active(attribution(lm, dictionary, tokens, 300, 310))[:5]
    clean = lm.forward(tokens[None])[0, -1]
    measured = falls_without(lm, dictionary, tokens, features, 300, 310, batch=2)
    for feature, fall in zip(features, measured.tolist(), strict=True):
        with steer(lm, dictionary, {feature: Ablate()}):
            logits = lm.forward(tokens[None])[0, -1]
        assert fall == pytest.approx(float((clean[300] - clean[310]) - (logits[300] - logits[310])), abs=2e-5)
    assert falls_without(lm, dictionary, tokens, [], 300, 310).shape == (0,)


def test_the_parts_add_up_and_turn_with_the_tokens(
    tiny_llama: LanguageModel, make_dictionary: Callable[..., SparseAutoencoder]
) -> None:
    lm, dictionary = tiny_llama, make_dictionary(tiny_llama)
    tokens = lm.tokenize(PROMPT)
    given, turned = (
        attribution(lm, dictionary, tokens, 300, 310),
        attribution(lm, dictionary, tokens, 310, 300),
    )
    logits = lm.forward(tokens[None])[0, -1]
    assert given.difference == pytest.approx(float(logits[300] - logits[310]), abs=1e-5)
    torch.testing.assert_close(given.by_feature(), -turned.by_feature())
    assert given.by_feature().sum() == pytest.approx(float(given.values.sum()), abs=1e-4)
    assert (given.codes.values[0] == 0).all()
    assert (given.values[0] == 0).all()
    # x . dD/dx as a whole, from a change of scale of the activation.
    from monoscope.models.hooks import edit

    ends = []
    for factor in (1.01, 0.99):
        with edit(lm, {lm.resolve(dictionary.site): lambda x, factor=factor: x * factor}):
            scaled = lm.forward(tokens[None])[0, -1]
        ends.append(float(scaled[300] - scaled[310]))
    whole = float(given.values.sum()) + given.rest
    assert whole == pytest.approx((ends[0] - ends[1]) / 0.02, rel=2e-2, abs=2e-2)


def test_nothing_is_left_behind(
    tiny_llama: LanguageModel, make_dictionary: Callable[..., SparseAutoencoder]
) -> None:
    lm, dictionary = tiny_llama, make_dictionary(tiny_llama)
    tokens = lm.tokenize(PROMPT)
    before = lm.forward(tokens[None])
    with torch.no_grad():
        first = attribution(lm, dictionary, tokens, 300, 310)
    assert torch.equal(lm.forward(tokens[None]), before)
    assert torch.equal(first.values, attribution(lm, dictionary, tokens, 300, 310).values)
    assert not any(parameter.grad is not None for parameter in lm.model.parameters())


def test_wrong_questions_are_refused(
    tiny_llama: LanguageModel,
    tiny_gpt2: LanguageModel,
    make_dictionary: Callable[..., SparseAutoencoder],
) -> None:
    lm, dictionary = tiny_llama, make_dictionary(tiny_llama, sparsifier=TopK(3))
    tokens = lm.tokenize(PROMPT)
    for a, b in ((400, 1), (1, -1)):
        with pytest.raises(UnknownName, match="has no token"):
            attribution(lm, dictionary, tokens, a, b)
    with pytest.raises(WrongUse, match="against itself"):
        attribution(lm, dictionary, tokens, 5, 5)
    with pytest.raises(WrongUse, match="the prompt is empty"):
        attribution(lm, dictionary, lm.tokenize(""), 5, 6)
    with pytest.raises(WrongUse, match="do not fit the context"):
        attribution(lm, dictionary, tokens.repeat(20), 5, 6)
    with pytest.raises(UnknownName, match="no feature 96"):
        falls_without(lm, dictionary, tokens, [96], 5, 6)
    with pytest.raises(MismatchedArtefact):
        attribution(tiny_gpt2, dictionary, tokens, 5, 6)
