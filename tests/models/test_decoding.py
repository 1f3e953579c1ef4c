from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from monoscope.errors import BrokenInput, WrongUse
from monoscope.models.decoding import Request, continue_tokens
from monoscope.models.hooks import edit
from monoscope.models.language_model import LanguageModel
from monoscope.models.reading import pad_left, positions
from monoscope.models.sampling import Sampling
from monoscope.models.sites import Site

PROMPTS = [
    "The old bridge",
    "Once upon a time there was a little girl who walked to the park with her dog and a",
    "Fog",
]
NO_ENDS: frozenset[int] = frozenset()
DEFAULTS = {"cache": True, "first_index": 0, "seed": 5}


def rows(lm: LanguageModel) -> list[list[int]]:
    return [lm.tokenize(prompt).tolist() for prompt in PROMPTS]


def written(
    lm: LanguageModel, prompts: list[list[int]], sampling: Sampling, **options: object
) -> list[list[int]]:
    cache, first, seed = (options.pop(name, value) for name, value in DEFAULTS.items())
    options = {"n_tokens": 12, "ends": NO_ENDS} | options
    requests = [
        Request(prompt=prompt, sampling=sampling, seed=(seed, first + number), **options)
        for number, prompt in enumerate(prompts)
    ]
    return continue_tokens(lm, requests, cache=cache)


@pytest.mark.parametrize("sampling", [Sampling(temperature=0), Sampling(temperature=1.0, top_p=0.9)])
def test_cache_batch_and_padding_change_no_token(every_family: LanguageModel, sampling: Sampling) -> None:
    lm = every_family
    prompts = rows(lm)
    # Longer than the sliding windows of the models that have one.
    assert max(map(len, prompts)) > 16 + 2
    together = written(lm, prompts, sampling)
    assert together == written(lm, prompts, sampling, cache=False)
    alone = [written(lm, [row], sampling, first_index=i)[0] for i, row in enumerate(prompts)]
    assert together == alone
    assert {len(row) for row in together} == {12}
    assert len({tuple(row) for row in together}) == 3


def test_the_same_holds_under_an_edit(every_family: LanguageModel) -> None:
    lm, sampling = every_family, Sampling(temperature=0.7)
    v = 4 * torch.randn(lm.d_model, generator=torch.Generator().manual_seed(2))
    prompts = rows(lm)
    plain = written(lm, prompts, sampling)
    with edit(lm, {Site(1, "resid_post"): lambda x: x + v}):
        steered = written(lm, prompts, sampling)
        assert steered == written(lm, prompts, sampling, cache=False)
        assert steered == [written(lm, [row], sampling, first_index=i)[0] for i, row in enumerate(prompts)]
    assert steered != plain
    assert plain == written(lm, prompts, sampling)


def test_a_cached_step_computes_one_token(tiny_llama: LanguageModel) -> None:
    lengths: list[int] = []
    with edit(tiny_llama, {Site(0, "resid_pre"): lambda x: lengths.append(x.shape[1]) or x}):
        written(tiny_llama, [[5, 6, 7, 8]], Sampling(), n_tokens=5)
        written(tiny_llama, [[5, 6, 7, 8]], Sampling(), n_tokens=3, cache=False)
    assert lengths == [4, 1, 1, 1, 1, 4, 5, 6]


@pytest.mark.parametrize("penalty", [1.0, 1.3])
def test_greedy_text_is_that_of_hugging_face(every_family: LanguageModel, penalty: float) -> None:
    lm = every_family
    ours = written(lm, rows(lm), Sampling(temperature=0, repetition_penalty=penalty))
    for row, continuation in zip(rows(lm), ours, strict=True):
        theirs = lm.model.generate(
            torch.tensor([row]),
            attention_mask=torch.ones(1, len(row), dtype=torch.long),
            do_sample=False,
            max_new_tokens=12,
            min_new_tokens=12,
            repetition_penalty=penalty,
            pad_token_id=0,
            eos_token_id=None,
        )
        assert continuation == theirs[0, len(row) :].tolist()


def test_seeds_decide_the_text(tiny_gpt2: LanguageModel) -> None:
    sampling = Sampling(temperature=1.0)
    prompt = [[5, 6, 7]] * 4
    first = written(tiny_gpt2, prompt, sampling, seed=1)
    assert first == written(tiny_gpt2, prompt, sampling, seed=1)
    assert first != written(tiny_gpt2, prompt, sampling, seed=2)
    assert len({tuple(row) for row in first}) == 4
    assert first[2:] == written(tiny_gpt2, prompt[:2], sampling, seed=1, first_index=2)


def test_each_sample_ends_at_its_own_end(tiny_llama: LanguageModel) -> None:
    free = written(tiny_llama, rows(tiny_llama), Sampling(temperature=1.0))
    end = free[1][4]
    ended = written(tiny_llama, rows(tiny_llama), Sampling(temperature=1.0), ends=frozenset([end]))
    for before, after in zip(free, ended, strict=True):
        assert after == (before[: before.index(end)] if end in before else before)
    assert len(ended[1]) <= 4


def test_logits_that_are_no_numbers_are_refused(tiny_llama: LanguageModel) -> None:
    with (
        edit(tiny_llama, {Site(1, "resid_post"): lambda x: x * float("nan")}),
        pytest.raises(BrokenInput, match="logits after 0 tokens are not finite"),
    ):
        written(tiny_llama, rows(tiny_llama), Sampling())


def test_padding_is_on_the_left_and_masked() -> None:
    tokens = pad_left([[7], [3, 4, 5]], torch.device("cpu"))
    assert tokens.tolist() == [[0, 0, 7], [3, 4, 5]]
    assert positions(torch.tensor([[0, 0, 1], [1, 1, 0]])).tolist() == [[-1, -1, 0], [0, 1, -1]]


# Sampling


def choose(
    sampling: Sampling, logits: list[float], uniform: float, seen: Callable[[int], bool] = bool
) -> int:
    row = torch.tensor([logits])
    present = torch.tensor([[seen(i) for i in range(len(logits))]])
    row = sampling.penalised(row, present)
    return int(sampling.choose(row, torch.tensor([uniform], dtype=torch.float64))[0])


@settings(max_examples=40)
@given(st.integers(0, 10_000), st.floats(0.3, 2), st.floats(0.05, 1))
def test_tokens_are_drawn_with_the_shares_of_the_nucleus(seed: int, temperature: float, top_p: float) -> None:
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=9) * 2
    shares = np.exp(logits / temperature) / np.exp(logits / temperature).sum()
    order = np.argsort(-shares)
    size = int(np.searchsorted(np.cumsum(shares[order]), top_p) + 1)
    expected = np.zeros(9)
    expected[order[:size]] = shares[order[:size]] / shares[order[:size]].sum()

    n = 20_000
    uniform = torch.from_numpy((np.arange(n) + 0.5) / n)
    many = torch.tensor(logits, dtype=torch.float64).expand(n, 9)
    sampling = Sampling(temperature=temperature, top_p=top_p)
    drawn = sampling.choose(many, uniform)
    found = np.bincount(drawn.numpy(), minlength=9) / n
    assert np.abs(found - expected).max() < 2 / n + 1e-9


@given(st.lists(st.floats(-50, 50), min_size=1, max_size=20, unique=True), st.floats(0, 1, exclude_max=True))
def test_temperature_nought_and_a_tiny_nucleus_take_the_likeliest(
    logits: list[float], uniform: float
) -> None:
    likeliest = int(torch.tensor(logits).argmax())
    assert choose(Sampling(temperature=0), logits, uniform) == likeliest
    # Logits that differ by less than rounding have equal probabilities.
    if len(logits) == 1 or sorted(logits)[-1] - sorted(logits)[-2] > 1e-3:
        assert choose(Sampling(temperature=1, top_p=1e-9), logits, uniform) == likeliest


def test_the_penalty_pulls_present_tokens_down() -> None:
    penalised = Sampling(temperature=0, repetition_penalty=2)
    assert choose(penalised, [3.0, 2.0], 0, seen=lambda i: i == 0) == 1
    assert choose(penalised, [-1.0, -1.5], 0, seen=lambda i: i == 0) == 1
    assert choose(penalised, [3.0, 2.0], 0, seen=lambda i: False) == 0
    assert choose(penalised, [5.0, 2.0], 0, seen=lambda i: i == 0) == 0


def test_padding_does_not_count_as_present(tiny_llama: LanguageModel) -> None:
    lm, sampling = tiny_llama, Sampling(temperature=0, repetition_penalty=50)
    toward_padding = 1e4 * torch.nn.functional.normalize(lm.unembedding()[:, 0], dim=0)
    with edit(lm, {Site(2, "resid_post"): lambda x: x * 0 + toward_padding}):
        together = written(lm, [list(range(20, 40)), [7]], sampling, n_tokens=2)
    # Token 0, which also fills the padding, is likeliest until it is there.
    assert [row[0] for row in together] == [0, 0]
    assert [row[1] for row in together] != [0, 0]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"temperature": -0.1}, "temperature -0.1"),
        ({"temperature": float("nan")}, "temperature nan"),
        ({"top_p": 0.0}, "top_p 0.0"),
        ({"top_p": 1.5}, "top_p 1.5"),
        ({"repetition_penalty": 0.0}, "repetition_penalty 0.0"),
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, float], sentence: str) -> None:
    with pytest.raises(WrongUse, match=sentence):
        Sampling(**options)
