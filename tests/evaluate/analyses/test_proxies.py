"""Contexts by likelihood, what tells of them, and what their features do; each where the answer is known."""

import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from evaluate.memory import MemoryStore, token_rows
from monoscope.activations import TokenRows
from monoscope.dictionaries import AutoencoderOptions, ReLU, SparseAutoencoder
from monoscope.evaluate.analyses import Proxies
from monoscope.evaluate.analyses.proxies_activity import told
from monoscope.evaluate.analyses.proxies_checks import checks
from monoscope.evaluate.analyses.proxies_contexts import Context, typical_tokens
from monoscope.evaluate.analyses.proxies_effects import Trials, held, logit_auc, switched_off
from monoscope.evaluate.analyses.proxies_likelihood import (
    CONTEXTS,
    Vocabulary,
    alphabet_log,
    best_suffix,
    likelihood_ratio,
    script_shares,
)
from monoscope.intervene import Ablate, Clamp, spliced
from monoscope.models import LanguageModel

from .material import Parts

SITE, HIDDEN = "blocks.2.resid_post", "blocks.2.mlp_hidden"
TEXTS = ["<s>", "GAT", "TACA", " the", "<0xD8>", "<0xA7>", "<0xD7>", "\u0628\u0627", " \u05d0", "Zx9", "."]
"""A vocabulary: letters of DNA, English, halves of Arabic and Hebrew letters, whole ones, base64."""


def rows_of(lines: list[list[int]]) -> TokenRows:
    tokens = np.array(lines, np.uint16)
    return TokenRows(tokens, np.zeros(tokens.shape, np.int32), (0,), (), {})


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=12), st.sampled_from([1, 2]))
def test_the_best_string_that_ends_here_is_found(ratios: list[float], least: int) -> None:
    found = best_suffix(np.array([ratios]), least)[0]
    for end in range(len(ratios)):
        sums = [sum(ratios[start : end + 1]) for start in range(end - least + 2)]
        assert found[end] == pytest.approx(max(sums, default=-np.inf), abs=1e-9)


def test_likelihood_ratios_follow_their_formulas() -> None:
    assert alphabet_log(CONTEXTS["dna"], "GAT") == pytest.approx(3 * np.log(1 / 4))
    assert alphabet_log(CONTEXTS["base64"], "Zx9 ") == pytest.approx(3 * np.log(1 / 64) + np.log(1e-10))
    assert alphabet_log(CONTEXTS["base64"], "<0xD8><0xA7>") == pytest.approx(2 * np.log(1e-10))
    seen = rows_of([[0, *[3] * 1000]])
    vocabulary = Vocabulary.of(TEXTS, seen)
    assert vocabulary.unigram.sum() == pytest.approx(1)
    text = rows_of([[0, 3, 1, 2, 1, 3, 1, 0, 2]])
    (dna,) = likelihood_ratio(CONTEXTS["dna"], vocabulary, seen, text)
    p = np.log(vocabulary.unigram)
    assert dna[3] == pytest.approx(7 * np.log(1 / 4) - p[1] - p[2])
    assert (dna > 0).tolist() == [False, False, False, *[dna[3] > 0, dna[4] > 0], False, False, False, False]
    assert dna[4] > dna[3]
    assert dna[6] < 0
    assert dna[0] == dna[7] == -np.inf
    (base64,) = likelihood_ratio(CONTEXTS["base64"], vocabulary, seen, text)
    assert base64[2] == pytest.approx(3 * np.log(1 / 64) - p[1])


def test_halves_of_letters_count_by_the_letters_they_are_part_of() -> None:
    """0xD8 0xA7 is Arabic, 0xD7 0xA7 is Hebrew; the second byte is of either, the space before a word of neither."""
    seen = rows_of([[4, 5, 6, 5, 4, 5, 3, 7, 8, 10], [3, 3, 3, 3, 3, 3, 3, 3, 3, 5]])
    arabic = script_shares(CONTEXTS["arabic"], TEXTS, seen)
    hebrew = script_shares(CONTEXTS["hebrew"], TEXTS, seen)
    assert arabic.tolist() == [0, 0, 0, 0, 1, 0.5, 0, 1, 0, 0, 0]
    assert hebrew.tolist() == [0, 0, 0, 0, 0, 0.25, 1, 0, 1, 0, 0]
    ratio = likelihood_ratio(CONTEXTS["hebrew"], Vocabulary.of(TEXTS, seen), seen, seen)[0]
    overall = hebrew[seen.tokens].mean()
    assert ratio[2] == pytest.approx(np.log(1 / overall))
    assert ratio[5] == pytest.approx(np.log(0.25 / overall))
    assert ratio[6] == pytest.approx(np.log(1e-10 / overall))
    none = rows_of([[3, 3, 10]])
    assert (likelihood_ratio(CONTEXTS["hebrew"], Vocabulary.of(TEXTS, none), none, none) <= 0).all()


def test_a_feature_that_is_the_context_and_one_that_is_too_wide() -> None:
    inside = np.arange(1000) < 100
    exact = told(np.where(inside, 2.0, 0.0), inside)
    assert (exact["r"], exact["precision"], exact["recall"]) == (pytest.approx(1), 1, 1)
    strength = np.where(inside, 2.0, np.where(np.arange(1000) < 200, 0.5, 0.0))
    wide = told(strength, inside)
    assert (wide["precision"], wide["precision_top_half"], wide["recall"]) == (0.5, 1, 1)
    assert wide["weighted_precision"] == pytest.approx(0.8)
    assert wide["precision_by_tenth"][0] == 0
    assert wide["precision_by_tenth"][-1] == 1
    assert (sum(wide["tokens"]), sum(wide["tokens_inside"])) == (200, 100)
    silent = told(np.zeros(1000), inside)
    assert (silent["r"], silent["precision"], silent["recall"]) == (0, None, 0)


def topical(lm: LanguageModel) -> tuple[SparseAutoencoder, int]:
    """A dictionary of which feature 3 writes one token, and that token."""
    token = lm.vocabulary_strings().index(" sea")
    options = AutoencoderOptions(n_features=12, sparsifier=ReLU())
    dictionary = SparseAutoencoder.initialise(lm.d_model, options, seed=0, site=SITE, model_hash=lm.hash)
    direction = lm.unembedding()[:, token] * lm.final_norm_weight()
    dictionary.decoder[3] = direction / direction.norm()
    dictionary.encoder[:, 3] = dictionary.decoder[3]
    dictionary.max_activation.fill_(20)
    return dictionary, token


def trials(lm: LanguageModel, rows: TokenRows, dictionary: SparseAutoencoder, token: int) -> Trials:
    tokens = torch.zeros(lm.vocabulary_size, 1)
    tokens[token] = 1
    return Trials(lm, dictionary, rows, tokens, np.arange(3), 4, lambda: None)


def test_effects_are_those_of_intervening(tiny_llama: LanguageModel) -> None:
    """Losses and probabilities against the model run with the edited reconstruction, its error added back."""
    dictionary, token = topical(tiny_llama)
    rows = token_rows(6, 10, {})
    inside = np.zeros(60, bool)
    inside[12:16] = inside[33:36] = True
    context = Context("sea", "passage", inside, inside, feature=3)
    asked = trials(tiny_llama, rows, dictionary, token)
    clean = asked.run(asked.spread, {}, slice(None))
    usable = rows.usable
    made = usable[:, :-1] & usable[:, 1:]
    assert len(clean.position) == made[:3].sum()

    def predicted(edit: Ablate | Clamp | None) -> torch.Tensor:
        tokens = torch.from_numpy(rows.tokens.astype(np.int64))
        if edit is None:
            return tiny_llama.forward(tokens)[:, :-1].log_softmax(-1)
        with spliced(tiny_llama, dictionary, edits={3: edit}, keep_error=True):
            return tiny_llama.forward(tokens)[:, :-1].log_softmax(-1)

    targets = torch.from_numpy(rows.tokens[:, 1:].astype(np.int64))[..., None]
    losses = {edit: -predicted(edit).gather(-1, targets)[..., 0].numpy() for edit in (None, Ablate())}
    here = inside.reshape(6, 10)[:, :-1]
    rise = losses[Ablate()] - losses[None]
    off = switched_off(asked, 0, context, clean, seed=0)
    assert off["ce_rise_inside"] == pytest.approx(rise[made & here].mean(), abs=1e-5)
    assert off["ce_rise_elsewhere"] == pytest.approx(rise[:3][(made & ~here)[:3]].mean(), abs=1e-5)
    assert off["n_predictions_inside"] == 7
    pinned = held(asked, 0, context, clean)
    elsewhere = torch.from_numpy((made & ~here)[:3])
    for name, edit in (("p_clean", None), ("p_pinned", Clamp(1))):
        mass = predicted(edit)[:3].exp()[elsewhere][:, token].mean()
        assert pinned[name] == pytest.approx(float(mass), rel=1e-4)
    assert pinned["p_pinned"] > 5 * pinned["p_clean"]


def test_logit_weights_tell_the_tokens_that_a_feature_writes(tiny_llama: LanguageModel) -> None:
    dictionary, token = topical(tiny_llama)
    members = np.zeros(tiny_llama.vocabulary_size, bool)
    assert logit_auc(tiny_llama, dictionary.directions, members) is None
    members[token] = True
    found = logit_auc(tiny_llama, dictionary.directions[[3]], members)
    assert found is not None
    assert found[0] > 0.99
    assert logit_auc(tiny_llama, -dictionary.directions[[3]], members)[0] == pytest.approx(1 - found[0])
    members[: len(members) // 2] = True
    many = logit_auc(tiny_llama, torch.randn(50, 32, generator=torch.Generator().manual_seed(0)), members)
    assert many is not None
    assert many.mean() == pytest.approx(0.5, abs=0.03)


def test_tokens_of_a_context_are_those_seen_mostly_in_it() -> None:
    rows = rows_of([[0, 1, 1, 2, 2, 2], [0, 1, 2, 2, 3, 4]])
    inside = np.zeros(12, bool)
    inside[[1, 2, 3, 10]] = True
    context = Context("c", "passage", inside, inside)
    assert np.flatnonzero(typical_tokens(context, rows, 6, 1)).tolist() == [1, 3]
    assert np.flatnonzero(typical_tokens(context, rows, 6, 2)).tolist() == [1]


class Alive:
    """An index whose features are all alive."""

    def random_alive(self, n: int, seed: int) -> list[int]:
        return list(range(n))


@pytest.fixture
def planted(tiny_llama: LanguageModel) -> Callable[..., Parts]:
    """Two concepts; where the first is, the site holds feature 3 and nothing else that it reads."""

    def made(concepts: bool = True) -> Parts:
        dictionary, _ = topical(tiny_llama)
        stores = []
        for seed in (0, 1):
            masks = {
                name: {"passage": np.random.default_rng(seed + number).random((40, 12)) < 0.2}
                for number, name in enumerate(("sea", "other"), start=10)
            }
            rows = token_rows(40, 12, masks if concepts else {}, seed=seed)
            generator = torch.Generator().manual_seed(seed)
            strength = torch.from_numpy(masks["sea"]["passage"].reshape(-1)).float()
            x = 5 * strength[:, None] * dictionary.directions[3] - 2 * dictionary.directions[3]
            hidden = torch.randn(480, 64, generator=generator)
            hidden[:, 9] -= 0.5 * strength
            stores.append(MemoryStore(rows, {SITE: x, HIDDEN: hidden}))
        return Parts(
            lm=tiny_llama,
            dictionary=dictionary,
            calibration=stores[0],
            heldout=stores[1],
            index=Alive(),
        )

    return made


def test_the_planted_feature_is_chosen_and_measured(planted: Callable[..., Parts]) -> None:
    asked = Proxies(minimum=20, n_controls=2, typical=1)
    result = asked(planted())
    assert json.loads(json.dumps(result)) == result
    by_name = {each["context"]: each for each in result["contexts"] if each["planted"]}
    sea = by_name["sea"]
    assert (sea["feature"], sea["neuron"], sea["by"]) == (3, 9, "passage")
    assert sea["r"] == pytest.approx(1)
    assert sea["precision"] == sea["recall"] == 1
    assert sea["calibration_neuron_r"] < 0 < sea["neuron_r"] < 0.5
    low, high = sea["r_minus_neuron_r_interval"]
    assert low < sea["r"] - sea["neuron_r"] < high
    assert by_name["other"]["r"] < 0.4
    assert sea["p_pinned"] is not None
    assert result["n_planted"] == 2
    (check,) = [each for each in result["checks"] if each["name"] == "A2.2" and "planted" in each["what"]]
    assert check["figure"] == 0.5
    assert "not other" in check["why"]
    assert asked(planted()) == result


def test_text_without_tags_is_told_by_likelihood_alone(planted: Callable[..., Parts]) -> None:
    result = Proxies(minimum=20, n_controls=1)(planted(concepts=False))
    assert result["n_planted"] == 0
    told_of = [check for check in result["checks"] if "planted" in check["what"]]
    assert [check["holds"] for check in told_of] == [None] * 5


def test_checks_count_contexts() -> None:
    good = {
        "context": "a", "planted": False, "r": 0.8, "neuron_r": 0.3, "precision_top_half": 0.95,
        "ce_rise_inside": 0.5, "ce_rise_elsewhere": 0.01, "p_clean": 0.001, "p_pinned": 0.2, "logit_auc": 0.95,
        "precision_by_tenth": [0.1] * 5 + [0.9] * 5,
    }  # fmt: skip
    bad = good | {"neuron_r": 0.7, "ce_rise_elsewhere": 0.2, "p_pinned": 0.002, "logit_auc": None}
    four = [good | {"context": name} for name in "abc"] + [bad | {"context": "d"}]
    asked = [(check.name, check.figure, check.holds) for check in checks(four)[:5]]
    assert asked == [
        ("A2.2", 3, True), ("A2.3", 3, True), ("A2.3", 3, True), ("A2.4", 3, True), ("A1.6", pytest.approx(0.8), True)
    ]  # fmt: skip
    assert "not d" in checks(four)[0].why
    assert "the gap holds in 3" in checks(four)[0].why
    assert [check.holds for check in checks([bad])] == [None] * 4 + [True] + [None] * 5
    assert checks([replaced | {"planted": True} for replaced in four])[5].figure == 0.75


def test_a_context_says_how_it_is_known() -> None:
    inside = np.zeros(3, bool)
    context = Context("dna", "likelihood ratio", inside, inside)
    assert not context.planted
    assert replace(context, by="mention").planted
