"""What else moves: codes before and after, on the same text and on what is written."""

import pytest
import torch

from monoscope.errors import WrongUse
from monoscope.intervene import Add, Clamp, Rule, steer
from monoscope.intervene.side_effects import LISTED, largest_moves, side_effects
from monoscope.intervene.trial import Trial
from monoscope.intervene.written import written
from monoscope.vectors import ControlVector

PROMPTS = ("Once upon a time", "The", "Fog comes in from the sea")


def trial_of(lm, dictionary, *rules: Rule) -> Trial:
    return Trial(
        lm=lm, dictionary=dictionary, rules=rules, prompts=PROMPTS, n_tokens=6, temperature=0.8, seed=2
    )


def by_hand(lm, dictionary, samples, rules):
    """Mean codes of the written tokens, in largest activations, one text at a time."""
    codes = []
    for text in written(lm, PROMPTS, samples):
        with steer(lm, dictionary, rules):
            (x,) = lm.activations(torch.tensor([text.tokens]), [lm.resolve(dictionary.site)]).values()
        codes.append(dictionary.encode(x[0, text.start :]))
    return torch.cat(codes).double().mean(0) / dictionary.max_activation.clamp(min=1e-30)


def test_moves_are_differences_of_mean_codes(tiny_llama, dictionary, live) -> None:
    rule = Rule(edit=Clamp(4), features={live[0]: 1.0})
    trial = trial_of(tiny_llama, dictionary, rule)
    plain = trial_of(tiny_llama, dictionary)
    found = side_effects(trial, dictionary)
    before = by_hand(tiny_llama, dictionary, plain.samples, {})
    changes = {
        "same_tokens": by_hand(tiny_llama, dictionary, plain.samples, [rule]) - before,
        "written": by_hand(tiny_llama, dictionary, trial.samples, {}) - before,
    }
    for name, change in changes.items():
        moves = getattr(found, name)
        assert moves.up
        for each in (*moves.up, *moves.down):
            assert each.feature != live[0]
            assert each.change == pytest.approx(float(change[each.feature]), rel=1e-3, abs=1e-5)
        others = [float(change[feature]) for feature in live[1:]]
        assert moves.up[0].change == pytest.approx(max(others), rel=1e-3, abs=1e-5)
        assert moves.sizes == tuple(sorted(moves.sizes, reverse=True))
    assert found.to_json()["same_tokens"]["up"][0]["feature"] == found.same_tokens.up[0].feature


def test_no_edit_moves_nothing(tiny_llama, dictionary) -> None:
    found = side_effects(trial_of(tiny_llama, dictionary), dictionary)
    assert found.same_tokens.up == found.same_tokens.down == found.written.up == found.written.down == ()


def test_a_vector_behind_the_dictionary_changes_only_what_is_written(tiny_llama, make_dictionary) -> None:
    dictionary = make_dictionary(tiny_llama, site="blocks.0.resid_post")
    direction = torch.randn(32, generator=torch.Generator().manual_seed(0))
    vector = ControlVector(directions={2: direction}, d_model=32, model_hash=tiny_llama.hash)
    found = side_effects(trial_of(tiny_llama, None, Rule(edit=Add(1), vector=vector)), dictionary)
    assert found.same_tokens.up == found.same_tokens.down == ()
    assert found.written.up


def test_the_largest_each_way_without_the_dead_and_the_edited() -> None:
    changes = torch.tensor([4.0, -4.0, 1.0, -1.0, 9.0, 0.0], dtype=torch.float64)
    moves = largest_moves(changes, torch.tensor([2.0, 2.0, 4.0, 0.0, 1.0, 1.0]), [4])
    assert [(each.feature, each.change) for each in moves.up] == [(0, 2.0), (2, 0.25)]
    assert [(each.feature, each.change) for each in moves.down] == [(1, -2.0)]
    assert moves.sizes == (2.0, 2.0, 0.25)
    many = largest_moves(torch.arange(1.0, 31.0, dtype=torch.float64), torch.ones(30), [])
    assert [each.feature for each in many.up] == list(range(29, 29 - LISTED, -1))


def test_nothing_written_is_refused(tiny_llama, dictionary, monkeypatch) -> None:
    trial = trial_of(tiny_llama, dictionary)
    monkeypatch.setattr(type(trial), "samples", ("", "", ""))
    with pytest.raises(WrongUse, match="nothing was written"):
        side_effects(trial, dictionary)
