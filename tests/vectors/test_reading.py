"""Scores token by token."""

import pytest
import torch
from torch import Tensor

from monoscope.models import LanguageModel, Site
from monoscope.models.hooks import edit
from monoscope.vectors import ControlVector, learn_vector, reading
from monoscope.vectors.states import read_states

from .made import PAIRS

TEXT = "The old bridge crosses the water."


@pytest.fixture(scope="module")
def vector(tiny_llama: LanguageModel) -> ControlVector:
    return learn_vector(tiny_llama, PAIRS)


def test_each_token_has_a_score_at_each_block(tiny_llama: LanguageModel, vector: ControlVector) -> None:
    found = reading(tiny_llama, vector, TEXT)
    assert "".join(found.tokens) == TEXT
    assert found.scores.shape == (3, len(found.tokens))
    assert found.blocks == (0, 1, 2)
    part = reading(tiny_llama, vector.at([1]), TEXT)
    torch.testing.assert_close(part.scores[0], found.scores[1])


def test_a_push_is_read_as_strong_as_it_is(tiny_llama: LanguageModel, vector: ControlVector) -> None:
    before = reading(tiny_llama, vector.at([1]), TEXT).scores

    def pushed(x: Tensor) -> Tensor:
        return x + vector.push(1, 0.25)

    with edit(tiny_llama, {Site(1, "resid_post"): pushed}):
        after = reading(tiny_llama, vector.at([1]), TEXT).scores
    torch.testing.assert_close(after, before + 0.25, rtol=1e-4, atol=1e-4)


def test_the_training_texts_read_zero_on_average(tiny_llama: LanguageModel, vector: ControlVector) -> None:
    texts = [text for pair in PAIRS for text in (pair.positive, pair.negative)]
    last = torch.stack([reading(tiny_llama, vector, text).scores[:, -1] for text in texts])
    torch.testing.assert_close(last.mean(0), torch.zeros(3), rtol=0, atol=1e-5)
    assert (last[::2].mean(0) > last[1::2].mean(0)).all()
    states = read_states(tiny_llama, texts[:1], [1])
    direct = float(states.of[1][0] @ vector.directions[1]) / vector.norms[1] - vector.centres[1]
    assert float(last[0, 1]) == pytest.approx(direct, abs=1e-5)


def test_multiples_read_the_same_and_opposites_the_opposite(
    tiny_llama: LanguageModel, vector: ControlVector
) -> None:
    scores = reading(tiny_llama, vector, TEXT).scores
    torch.testing.assert_close(reading(tiny_llama, vector * 3, TEXT).scores, scores)
    torch.testing.assert_close(reading(tiny_llama, -vector, TEXT).scores, -scores)
    assert not reading(tiny_llama, vector - vector, TEXT).scores.any()
