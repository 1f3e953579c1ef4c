"""Control vectors learnt from a model's activations."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from monoscope.errors import BrokenInput, MismatchedArtefact, UnknownName, UnknownSite, WrongUse
from monoscope.models import LanguageModel, Site, load_model
from monoscope.models.hooks import edit, read
from monoscope.synthetic.grammar import OPENINGS
from monoscope.vectors import (
    METHODS,
    ContrastPair,
    ControlVector,
    contrast_at,
    contrast_pairs,
    learn_vector,
    measured,
    reading,
)
from monoscope.vectors.learning import _split
from monoscope.vectors.reliability import accuracy, reliability
from monoscope.vectors.states import read_states

from .made import JOY, NEUTRAL, PAIRS, SADNESS, made_vector

TEXTS = ["The king.", "Once upon a time there was a little girl who walked to the park", "The old bridge"]


@pytest.fixture(scope="module")
def moods() -> tuple[LanguageModel, ControlVector]:
    """The built-in model, and the vector from sadness to joy, read on sentences that are neither."""
    lm = load_model("builtin", device="cpu", dtype="float32")
    openings = [
        text.format(who="Tom", Who="Tom", friend="Ana", Friend="Ana", them="him", young="boy").strip()
        for text in OPENINGS
    ]
    pairs = contrast_pairs("{persona} {suffix}", JOY, SADNESS, [*NEUTRAL, *openings])
    return lm, learn_vector(lm, pairs, held_out=0.6, batch=32)


def test_two_moods_are_told_apart(moods: tuple[LanguageModel, ControlVector]) -> None:
    _, vector = moods
    found = vector.accuracy[vector.best_block]
    assert found.accuracy >= 0.95
    assert found.accuracy >= found.random + 0.1, (
        "a random direction with its better sign tells many apart too"
    )
    middle = [vector.accuracy[block].accuracy for block in vector.middle_half]
    assert len(middle) == 2
    assert sum(middle) / len(middle) >= 0.70
    assert (found.n_pairs, found.n_groups) == (32, 16)


def test_a_mood_pushed_is_a_mood_read(moods: tuple[LanguageModel, ControlVector]) -> None:
    lm, vector = moods
    early, late = 1, 3
    scores = []
    for strength in (-0.5, 0.0, 0.5):
        push = vector.push(early, strength)
        with edit(lm, {Site(early, "resid_post"): lambda x, push=push: x + push}):
            scores.append(float(reading(lm, vector.at([late]), NEUTRAL[0]).scores.mean()))
    assert scores[0] < scores[1] < scores[2]


def test_a_batch_reads_what_its_texts_read_alone(every_family: LanguageModel) -> None:
    blocks = range(every_family.n_blocks)
    together = read_states(every_family, TEXTS, blocks, batch=3)
    alone = read_states(every_family, TEXTS, blocks, batch=1)
    for block in blocks:
        torch.testing.assert_close(together.of[block], alone.of[block], rtol=1e-4, atol=1e-5)
        assert together.norms[block] == pytest.approx(alone.norms[block], rel=1e-5)


def test_vectors_do_not_depend_on_batches(tiny_llama: LanguageModel) -> None:
    one, other = (learn_vector(tiny_llama, PAIRS, batch=batch, held_out=0.5) for batch in (1, 8))
    for block in one.blocks:
        torch.testing.assert_close(one.directions[block], other.directions[block], rtol=1e-4, atol=1e-5)
    assert {b: r.accuracy for b, r in one.accuracy.items()} == {
        b: r.accuracy for b, r in other.accuracy.items()
    }


def test_states_are_those_of_the_last_token_behind_the_block_itself(tiny_llama: LanguageModel) -> None:
    deepest = Site(tiny_llama.n_blocks - 1, "resid_post")
    states = read_states(tiny_llama, TEXTS, [deepest.block])
    for number, text in enumerate(TEXTS):
        tokens = tiny_llama.tokenize(text)[None]
        with read(tiny_llama, [deepest]) as values:
            tiny_llama.forward(tokens)
        torch.testing.assert_close(
            states.of[deepest.block][number], values[deepest][0, -1], rtol=1e-4, atol=1e-5
        )
        normed = tiny_llama.model.base_model(tokens, output_hidden_states=True).hidden_states[-1][0, -1]
        assert not torch.allclose(normed, values[deepest][0, -1], atol=0.1), (
            "not what the final norm makes of it"
        )


@pytest.mark.parametrize("name", ["llama", "qwen2"])
def test_norms_and_means_leave_out_the_first_token(
    tiny_model_folder: Callable[[str], Path], name: str
) -> None:
    lm = load_model(tiny_model_folder(name), device="cpu", dtype="float32")
    assert (lm.bos_id is None) == (name == "qwen2"), "the first token is left out whatever it is"
    site = Site(1, "resid_post")
    x = torch.cat([lm.activations(lm.tokenize(text)[None], [site])[site][0, 1:] for text in TEXTS])
    states = read_states(lm, TEXTS, [1], read="mean")
    assert states.norms[1] == pytest.approx(float(x.norm(dim=-1).mean()), rel=1e-5)
    n_last = len(lm.tokenize(TEXTS[-1])) - 1
    torch.testing.assert_close(states.of[1][-1], x[-n_last:].mean(0), rtol=1e-4, atol=1e-5)


def test_a_vector_says_where_it_comes_from(tiny_llama: LanguageModel) -> None:
    calls = []
    vector = learn_vector(
        tiny_llama, PAIRS, blocks=[2, 0], seed=3, batch=4, progress=lambda *done: calls.append(done)
    )
    assert vector.blocks == (0, 2)
    assert (vector.model_hash, vector.model_type, vector.d_model) == (tiny_llama.hash, "llama", 32)
    assert vector.provenance["method"] == {"name": "mean_difference"}
    assert {"n_pairs": 4, "seed": 3, "held_out": 0.2, "read": "last"}.items() <= vector.provenance.items()
    assert len(vector.provenance["dataset_sha256"]) == 64
    assert all(float(d.norm()) == pytest.approx(1, abs=1e-5) for d in vector.directions.values())
    assert calls == [(4, 8), (8, 8)]
    assert learn_vector(tiny_llama, PAIRS, blocks=[2, 0], seed=3, batch=4) == vector
    assert not learn_vector(tiny_llama, PAIRS, held_out=0).accuracy


@pytest.mark.parametrize("name", list(METHODS))
def test_every_method_learns(tiny_llama: LanguageModel, name: str) -> None:
    vector = learn_vector(tiny_llama, PAIRS, method=METHODS[name](), held_out=0.25)
    assert vector.method == name
    assert set(vector.accuracy) == {0, 1, 2}


def test_groups_are_never_split() -> None:
    pairs = [ContrastPair(f"a{n}", f"b{n}", group=n // 3) for n in range(12)]
    for seed in range(20):
        test = _split(pairs, 0.5, seed)
        assert test.sum() == 6
        assert not {n // 3 for n in range(12) if test[n]} & {n // 3 for n in range(12) if not test[n]}
    free = [ContrastPair(f"a{n}", f"b{n}") for n in range(10)]
    assert _split(free, 0.2, 0).sum() == 2
    assert (_split(free, 0.2, 0) != _split(free, 0.2, 1)).any()
    twice = _split(free + free, 0.2, 0)
    assert (twice[:10] == twice[10:]).all(), "a repetition is no new witness"


def test_reliability_of_what_is_known() -> None:
    along, across = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])
    held_out = torch.tensor([[3.0, 4.0], [-3.0, 4.0], [3.0, 4.0], [0.0, 5.0]])
    found = reliability(along, held_out, held_out, n_groups=4, norm=2.0)
    assert (found.accuracy, found.difference) == (0.625, 0.375)
    assert found.explained == pytest.approx(27 / 100)
    assert accuracy(held_out, across) == 1
    noise = torch.randn(4000, 50, generator=torch.Generator().manual_seed(0))
    blind = reliability(torch.eye(50)[0], noise[:2000], noise[2000:], n_groups=2000, norm=1.0)
    assert blind.random == pytest.approx(0.5, abs=0.02)
    assert blind.low < 0.5 < blind.high


def test_the_contrast_at_one_input_turns_one_side_into_the_other(tiny_llama: LanguageModel) -> None:
    pair = ContrastPair("A glad dog said: {text}", "A sad old dog said: {text}")
    vector = contrast_at(tiny_llama, pair, "the king {of} the land")
    positive, negative = (
        side.replace("{text}", "the king {of} the land") for side in (pair.positive, pair.negative)
    )
    for block in vector.blocks:
        site = Site(block, "resid_post")

        push = vector.push(block, 1.0)

        def pushed(x: Tensor, push: Tensor = push) -> Tensor:
            return torch.cat([x[:, :-1], x[:, -1:] + push], dim=1)

        with edit(tiny_llama, {site: pushed}), read(tiny_llama, [site]) as values:
            moved = tiny_llama.forward(tiny_llama.tokenize(negative)[None])
        wanted = tiny_llama.activations(tiny_llama.tokenize(positive)[None], [site])[site]
        torch.testing.assert_close(values[site][0, -1], wanted[0, -1], rtol=1e-4, atol=1e-4)
        assert not torch.allclose(
            moved[0, -1], tiny_llama.forward(tiny_llama.tokenize(negative)[None])[0, -1]
        )


def test_measuring_changes_units_and_no_push(tiny_llama: LanguageModel) -> None:
    plain = ControlVector(directions={1: torch.ones(32), 2: torch.ones(32)}, d_model=32)
    vector = measured(tiny_llama, plain, TEXTS)
    assert (plain.unit, vector.unit) == ("activation", "mean residual norm")
    assert (vector.model_hash, vector.n_blocks) == (tiny_llama.hash, 3)
    assert vector.norms == read_states(tiny_llama, TEXTS, [1, 2]).norms
    for block in (1, 2):
        torch.testing.assert_close(vector.push(block, 0.7), plain.push(block, 0.7))


def test_what_cannot_be_learnt_from_is_refused(tiny_llama: LanguageModel) -> None:
    good = PAIRS[0]
    for pairs, says in (
        ([], "no pairs"),
        ([good, ContrastPair("same", "same")], "both sides of pair 1 are 'same'"),
        ([ContrastPair("dog " * 200, "a dog")], "tokens and the context"),
        ([ContrastPair("", "a dog")], "text 0 is empty"),
        ([good], "one group"),
    ):
        with pytest.raises(WrongUse, match=says):
            learn_vector(tiny_llama, pairs, held_out=0 if pairs and good not in pairs else 0.2)
    with pytest.raises(UnknownSite, match=r"(?s)no block 3.*0 to 2"):
        learn_vector(tiny_llama, PAIRS, blocks=[1, 3])
    with pytest.raises(UnknownSite, match="no block -1"):
        learn_vector(tiny_llama, PAIRS, blocks=[-1])
    with pytest.raises(WrongUse, match="no block to find"):
        learn_vector(tiny_llama, PAIRS, blocks=[])
    with pytest.raises(WrongUse, match="no share"):
        learn_vector(tiny_llama, PAIRS, held_out=1.0)
    with pytest.raises(UnknownName, match="nearest"):
        learn_vector(tiny_llama, PAIRS, read="lst")
    with pytest.raises(WrongUse, match="batch of 0"):
        learn_vector(tiny_llama, PAIRS, batch=0)
    with pytest.raises(WrongUse, match=r"has no \{text\}"):
        contrast_at(tiny_llama, good, "a king")
    with pytest.raises(WrongUse, match="no text to measure"):
        measured(tiny_llama, replace(learn_vector(tiny_llama, PAIRS)), [])


def test_another_models_vector_is_refused(tiny_llama: LanguageModel) -> None:
    with pytest.raises(MismatchedArtefact, match=r"width 6 .* width 32"):
        reading(tiny_llama, made_vector(), "The king")
    other = ControlVector(directions={1: torch.ones(32)}, d_model=32, model_hash="beef")
    with pytest.raises(MismatchedArtefact, match=rf"beef.*{tiny_llama.hash}"):
        measured(tiny_llama, other, TEXTS)


def test_activations_that_are_no_numbers_are_refused(tiny_model_folder: Callable[[str], Path]) -> None:
    lm = load_model(tiny_model_folder("llama"), device="cpu", dtype="float32")
    with torch.no_grad():
        lm.model.model.layers[1].mlp.down_proj.weight[0, 0] = torch.nan
    with pytest.raises(BrokenInput, match="behind block 1 are not finite"):
        learn_vector(lm, PAIRS)
