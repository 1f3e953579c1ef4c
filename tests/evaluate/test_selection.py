"""The chosen feature, sign and threshold, against trying every value by hand."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluate.dictionaries import tied
from evaluate.memory import MemoryStore
from evaluate.shifted import CONTEXT, ROWS, D, planted, sparse
from monoscope.dictionaries import ReLU, TopK
from monoscope.evaluate import candidates as candidates_module
from monoscope.evaluate.candidates import Candidates, Features, Units
from monoscope.evaluate.selection import choose
from monoscope.evaluate.tags import Tags


def f1_of(marked: np.ndarray, tagged: np.ndarray) -> float:
    return 2 * (marked & tagged).sum() / (marked.sum() + tagged.sum())


def best_by_hand(readings: np.ndarray, tagged: np.ndarray, signs: Sequence[int]) -> float:
    best = 0.0
    for column in readings.T:
        for threshold in np.unique(column):
            if 1 in signs and threshold > 0:
                best = max(best, f1_of(column >= threshold, tagged))
            if -1 in signs:
                best = max(best, f1_of(column >= threshold, tagged), f1_of(column < threshold, tagged))
    return best


def all_readings(source: Candidates, store: MemoryStore, count: int) -> np.ndarray:
    return source.read(store.usable("s"), torch.arange(count)).numpy()


@settings(max_examples=12)
@given(
    st.integers(0, 1000), st.sampled_from([0.02, 0.2]), st.sampled_from(["topk", "relu", "units", "rotated"])
)
def test_the_choice_is_the_best_f1_there_is_up_to_the_grid(seed: int, share: float, what: str) -> None:
    store = planted(seed, share)
    rotation = torch.linalg.qr(torch.randn(D, D, generator=torch.Generator().manual_seed(9))).Q
    source: Candidates = {
        "topk": Features(sparse(TopK(4)), "s"),
        "relu": Features(sparse(ReLU()), "s"),
        "units": Units("s", 0),
        "rotated": Units("s", 0, rotation),
    }[what]
    signs = (1,) if what in ("topk", "relu") else (1, -1)
    readings = all_readings(source, store, 20 if len(signs) == 1 else D)
    tags = Tags.of(store.rows, 10**6)
    choices = choose([source], store, tags)
    assert set(choices) == {key for key, members in tags.members.items() if len(members)}
    for key, choice in choices.items():
        tagged = tags.mask(*key)
        above = readings[:, choice.candidate] > np.float32(choice.threshold)
        assert f1_of(above if choice.sign > 0 else ~above, tagged) == pytest.approx(choice.f1, abs=0.02)
        best = best_by_hand(readings, tagged, signs)
        one_token = 1 / tagged.sum()  # neighbours within a step of the grid cannot be told apart
        assert best - max(0.03, one_token) <= choice.f1 <= best + 1e-9


def test_a_planted_feature_is_found_with_a_threshold_between_its_levels() -> None:
    store = planted(0, 0.1)
    passage = torch.from_numpy(store.rows.tagged("two", "passage").reshape(-1))
    store.values["s"] = 0.3 * torch.rand(ROWS * CONTEXT, D)
    store.values["s"][:, 4] += 3.0 * passage
    choice = choose([Features(tied(torch.eye(D), 2), "s")], store, Tags.of(store.rows, 10**6))[
        "two", "passage"
    ]
    assert (choice.candidate, choice.sign, choice.f1) == (4, 1, 1.0)
    assert 1.0 < choice.threshold < 2.5  # the middle of the gap, not its edge


def test_a_unit_that_falls_silent_on_a_concept_is_found_with_sign_minus_one() -> None:
    store = planted(1, 0.1)
    passage = torch.from_numpy(store.rows.tagged("one", "passage").reshape(-1))
    store.values["s"] = torch.rand(ROWS * CONTEXT, D)
    store.values["s"][:, 2] -= 2.0 * passage
    choice = choose([Units("s", 0)], store, Tags.of(store.rows, 10**6))["one", "passage"]
    assert (choice.candidate, choice.sign, choice.f1) == (2, -1, 1.0)
    assert -0.75 < choice.threshold < -0.25  # the middle of the gap, not its edge


def test_the_best_source_of_a_group_wins() -> None:
    store = planted(2, 0.1)
    passage = torch.from_numpy(store.rows.tagged("one", "passage").reshape(-1))
    store.values["t"] = torch.rand(ROWS * CONTEXT, 3)
    store.values["t"][:, 1] += passage
    choice = choose([Units("s", 0), Units("t", 0)], store, Tags.of(store.rows, 10**6))["one", "passage"]
    assert (choice.source, choice.candidate) == (1, 1)


def test_counting_units_block_by_block_chooses_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    store, tags = planted(3, 0.1), Tags.of(planted(3, 0.1).rows, 10**6)
    together = choose([Units("s", 0)], store, tags)
    monkeypatch.setattr(candidates_module, "UNITS_AT_ONCE", 4)
    assert choose([Units("s", 0)], store, tags) == together


def test_a_coordinate_that_never_changes_is_no_trouble() -> None:
    store = planted(4, 0.1)
    store.values["s"][:, 0] = 1.0
    choices = choose([Units("s", 0)], store, Tags.of(store.rows, 10**6))
    assert all(np.isfinite(choice.threshold) for choice in choices.values())


def test_a_feature_that_never_fires_is_never_better_than_one_that_does() -> None:
    store = planted(5, 0.1)
    dead = sparse(TopK(4))
    with torch.no_grad():
        dead.encoder_bias[3] = -1e6
    choices = choose([Features(dead, "s")], store, Tags.of(store.rows, 10**6))
    assert 3 not in {choice.candidate for choice in choices.values()}
