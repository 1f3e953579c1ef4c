"""Runs that begin in the middle, compared with whole runs."""

import pytest
import torch

from monoscope.errors import UnknownSite, WrongUse
from monoscope.models import LanguageModel, edit
from monoscope.models.resuming import resumed

TOKENS = torch.randint(2, 400, (3, 9), generator=torch.Generator().manual_seed(0))


def test_a_run_goes_on_as_it_went(every_family: LanguageModel) -> None:
    whole = every_family.forward(TOKENS)
    for block in range(every_family.n_blocks):
        (x,) = every_family.activations(TOKENS, [f"blocks.{block}.resid_pre"]).values()
        with resumed(every_family, block, x):
            again = every_family.forward(TOKENS)
        torch.testing.assert_close(again, whole, atol=1e-5, rtol=1e-5)
    assert torch.equal(every_family.forward(TOKENS), whole)


def test_what_enters_is_what_counts(tiny_llama: LanguageModel) -> None:
    (x,) = tiny_llama.activations(TOKENS, ["blocks.1.resid_pre"]).values()
    site = tiny_llama.resolve("blocks.1.resid_pre")
    with edit(tiny_llama, {site: lambda here: 2 * here}):
        wanted = tiny_llama.forward(TOKENS)
    with resumed(tiny_llama, 1, 2 * x):
        torch.testing.assert_close(tiny_llama.forward(TOKENS), wanted, atol=1e-5, rtol=1e-5)
    with resumed(tiny_llama, 1, x), edit(tiny_llama, {site: lambda here: 2 * here}):
        torch.testing.assert_close(tiny_llama.forward(TOKENS), wanted, atol=1e-5, rtol=1e-5)


def test_the_model_is_whole_again_after_an_error(tiny_llama: LanguageModel) -> None:
    whole = tiny_llama.forward(TOKENS)
    with pytest.raises(RuntimeError, match="stop"), resumed(tiny_llama, 2, torch.zeros(3, 9, 32)):
        raise RuntimeError("stop")
    assert torch.equal(tiny_llama.forward(TOKENS), whole)
    with pytest.raises(UnknownSite), resumed(tiny_llama, 3, torch.zeros(3, 9, 32)):
        pass


@pytest.mark.parametrize("first", [1, 4, 8])
def test_the_last_logits_alone(every_family: LanguageModel, first: int) -> None:
    last = every_family.forward(TOKENS, first=first)
    assert last.shape[1] == 9 - first
    torch.testing.assert_close(last, every_family.forward(TOKENS)[:, first:], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("first", [-1, TOKENS.shape[1]])
def test_logits_from_beyond_the_end_are_refused(tiny_llama: LanguageModel, first: int) -> None:
    with pytest.raises(WrongUse, match="no logits from token"):
        tiny_llama.forward(TOKENS, first=first)
