"""The recipe of the built-in model: its 5-gram rival, its loss and its batches are what they say."""

import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

RECIPE = Path(__file__).parents[2] / "recipes" / "builtin"
sys.path.insert(0, str(RECIPE))

from ngram import InterpolatedNgram  # noqa: E402
from texts import Kind, pieces  # noqa: E402
from training import LanguageModelOptions, LinearCrossEntropy, learning_rate, mixed_batches  # noqa: E402


def brute_force(tokens: list[int], context: list[int], token: int, vocabulary: int, discount: float) -> float:
    probability = 1.0 / vocabulary
    for length in range(len(context) + 1):
        given = tuple(context[len(context) - length :])
        followers = Counter(
            tokens[place + length]
            for place in range(len(tokens) - length)
            if tuple(tokens[place : place + length]) == given
        )
        total = sum(followers.values())
        if total:
            probability = (
                max(followers[token] - discount, 0) + discount * len(followers) * probability
            ) / total
    return probability


def test_the_ngram_model_equals_counting_by_hand_and_sums_to_one():
    random = np.random.default_rng(0)
    tokens = random.integers(0, 5, size=300)
    model = InterpolatedNgram(tokens, vocabulary=6, order=3, discount=0.6)
    probe = [1, 4, 2, 2, 0, 5, 3]
    found = model.log2_probabilities(np.array(probe))
    for place in range(1, len(probe)):
        context = probe[max(0, place - 2) : place]
        expected = brute_force(tokens.tolist(), context, probe[place], 6, 0.6)
        assert 2 ** found[place - 1] == pytest.approx(expected, rel=1e-9)
    total = sum(2 ** model.log2_probabilities(np.array([2, 3, token]))[-1] for token in range(6))
    assert total == pytest.approx(1, abs=1e-9)


def test_the_blockwise_loss_equals_the_plain_one():
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(1100, 16, generator=generator, requires_grad=True)
    weight = torch.randn(50, 16, generator=generator, requires_grad=True)
    targets = torch.randint(50, (1100,), generator=generator)
    loss = LinearCrossEntropy.apply(hidden, weight, targets)
    loss.backward()
    found = hidden.grad.clone(), weight.grad.clone()
    hidden.grad = weight.grad = None
    plain = torch.nn.functional.cross_entropy(hidden @ weight.T, targets)
    plain.backward()
    assert loss.item() == pytest.approx(plain.item(), rel=5e-3)
    for ours, theirs in zip(found, (hidden.grad, weight.grad), strict=True):
        assert ((ours - theirs).norm() / theirs.norm()).item() < 0.02


def test_batches_mix_kinds_by_share_and_use_every_row_before_any_again():
    rows = {"a": np.arange(40).reshape(10, 4), "b": 100 + np.arange(4000).reshape(1000, 4)}
    kinds = [Kind("a", [], [], 0.25), Kind("b", [], [], 0.75)]
    stream = mixed_batches(rows, kinds, LanguageModelOptions(rows=32, context=4))
    firsts = torch.cat([next(stream)[:, 0] for _ in range(20)]).tolist()
    ours = [first for first in firsts if first < 100]
    assert len(ours) / len(firsts) == pytest.approx(0.25, abs=0.06)
    assert sorted(ours[:10]) == list(range(0, 40, 4))
    assert sorted(ours[10:20]) == list(range(0, 40, 4))


def test_the_schedule_warms_up_stays_and_ends_near_nothing():
    rates = [learning_rate(step, 1000, 2.0) for step in range(1000)]
    assert rates[0] < 0.1
    assert rates[100:700] == [2.0] * 600
    assert rates[-1] < 0.01


def test_pieces_keep_the_words_of_a_text():
    text = "\n\n".join(
        f"Paragraph {number} has a few\nwords in it, enough to be kept." for number in range(60)
    )
    cut = pieces([text], size=500)
    assert " ".join(" ".join(cut).split()) == " ".join(text.split())
    assert all(len(piece) < 700 for piece in cut)
