"""What features did in stretches of text, compared with switching them off in the whole rows."""

import numpy as np
import pytest
import torch

from monoscope.dictionaries import SparseAutoencoder
from monoscope.errors import BrokenInput, UnknownName
from monoscope.intervene import stretches as module
from monoscope.intervene.ablation import ablations
from monoscope.intervene.stretches import StretchEffects, Stretches, stretch_effects
from monoscope.models import LanguageModel

N_ROWS, CONTEXT = 6, 20
TOKENS = torch.randint(2, 400, (N_ROWS, CONTEXT), generator=torch.Generator().manual_seed(3)).numpy()


def drawn(live: list[int], n: int = 17, seed: int = 0) -> Stretches:
    """Stretches anywhere, the first token and the last of a row among them."""
    random = np.random.default_rng(seed)
    first = random.integers(0, CONTEXT, n)
    last = np.minimum(first + random.integers(0, 7, n), CONTEXT - 1)
    first[0], last[1] = 0, CONTEXT - 1
    at = first + random.integers(0, last - first + 1)
    at[1] = last[1]
    return Stretches(random.choice(live[:6], n), random.integers(0, N_ROWS, n), first, last, at)


@pytest.mark.parametrize(
    "site", ["blocks.0.resid_pre", "blocks.1.resid_post", "blocks.1.mlp_out", "blocks.2.resid_post"]
)
def test_a_stretch_is_as_in_the_whole_row(
    tiny_llama: LanguageModel, make_dictionary, sparsifier, site: str
) -> None:
    dictionary = make_dictionary(tiny_llama, site=site, sparsifier=sparsifier)
    live = [int(each) for each in dictionary.max_activation.argsort(descending=True)]
    asked = drawn(live)
    found = stretch_effects(tiny_llama, dictionary, TOKENS, asked, kept=4)
    whole = ablations(
        tiny_llama,
        dictionary,
        torch.from_numpy(asked.features),
        torch.from_numpy(TOKENS[asked.rows]),
        torch.from_numpy(asked.at),
        kept=4,
    )
    assert whole.loss.abs().max() > 1e-3
    for number in range(len(asked)):
        first, last, at = (int(part[number]) for part in (asked.first, asked.last, asked.at))
        wanted = whole.loss[number, first : last + 1].numpy().copy()
        if first == 0:
            wanted[0] = np.nan
        np.testing.assert_allclose(found.loss[number, : last - first + 1], wanted, atol=1e-4)
        assert np.isnan(found.loss[number, last - first + 1 :]).all()
        if at + 1 == CONTEXT:
            assert np.isnan(found.next[number])
        else:
            assert found.next[number] == pytest.approx(float(whole.loss[number, at + 1]), abs=1e-4)
    np.testing.assert_allclose(found.promoted_by, whole.promoted_by.numpy(), atol=1e-4)
    np.testing.assert_allclose(found.suppressed_by, whole.suppressed_by.numpy(), atol=1e-4)


def test_every_family_goes_on_in_the_middle(every_family: LanguageModel, make_dictionary) -> None:
    dictionary = make_dictionary(every_family)
    asked = drawn([int(each) for each in dictionary.max_activation.argsort(descending=True)], n=3)
    found = stretch_effects(every_family, dictionary, TOKENS, asked)
    rows = torch.from_numpy(TOKENS[asked.rows])
    whole = ablations(
        every_family, dictionary, torch.from_numpy(asked.features), rows, torch.from_numpy(asked.at)
    )
    np.testing.assert_allclose(found.promoted_by, whole.promoted_by.numpy(), atol=1e-4)


def same(one: StretchEffects, other: StretchEffects) -> None:
    for name in ("loss", "next", "promoted_by", "suppressed_by"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), atol=1e-4)


def test_many_at_once_are_as_one_by_one(
    tiny_llama: LanguageModel,
    dictionary: SparseAutoencoder,
    live: list[int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked, told = drawn(live), []
    together = stretch_effects(
        tiny_llama, dictionary, TOKENS, asked, progress=lambda done, total: told.append((done, total))
    )
    assert told[-1] == (len(asked), len(asked))
    for name in ("BATCH_TOKENS", "LOGITS"):
        monkeypatch.setattr(module, name, 1)
        same(together, stretch_effects(tiny_llama, dictionary, TOKENS, asked))


def test_what_comes_behind_a_stretch_does_not_matter(
    tiny_llama: LanguageModel, dictionary: SparseAutoencoder, live: list[int]
) -> None:
    asked = drawn(live)
    changed = TOKENS.copy()
    changed[:, 12:] = changed[:, 12:][:, ::-1]
    before = np.flatnonzero((asked.last < 11) & (asked.at + 1 < 12))
    assert len(before) > 2
    asked = asked[before]
    one = stretch_effects(tiny_llama, dictionary, TOKENS, asked)
    same(one, stretch_effects(tiny_llama, dictionary, changed, asked))


def test_nothing_and_what_is_not_there(
    tiny_llama: LanguageModel, dictionary: SparseAutoencoder, live: list[int]
) -> None:
    asked = drawn(live)
    assert stretch_effects(tiny_llama, dictionary, TOKENS, asked[np.zeros(0, int)]).next.shape == (0,)
    with pytest.raises(BrokenInput, match="stretch 0 lies outside the text"):
        stretch_effects(tiny_llama, dictionary, TOKENS[:, :2], asked)
    nobody = Stretches(asked.features + 96, asked.rows, asked.first, asked.last, asked.at)
    with pytest.raises(UnknownName):
        stretch_effects(tiny_llama, dictionary, TOKENS, nobody)
