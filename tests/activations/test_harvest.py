"""Harvests: one pass for all sites, the right side of the corpus, and what is refused."""

import gc
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from activations.stories import stories
from monoscope.activations.corpus import Corpus
from monoscope.activations.harvest import HarvestOptions, harvest
from monoscope.activations.rows import pack
from monoscope.documents import Document
from monoscope.errors import BrokenInput, UnknownSite, WrongUse
from monoscope.models.language_model import LanguageModel
from monoscope.models.sites import Site

SITE = "blocks.1.resid_post"
OPTIONS = HarvestOptions(n_tokens=400, context=32, batch_rows=4, dtype="float32")


@pytest.fixture
def calls(tiny_llama: LanguageModel, monkeypatch: pytest.MonkeyPatch) -> list[Sequence[Site]]:
    """The sites of every forward pass."""
    seen: list[Sequence[Site]] = []
    honest = tiny_llama.activations

    def activations(tokens: torch.Tensor, sites: Sequence[Site]):
        seen.append(sites)
        return honest(tokens, sites)

    monkeypatch.setattr(tiny_llama, "activations", activations)
    return seen


def test_all_sites_are_read_in_one_pass(tiny_llama: LanguageModel, calls: list[Sequence[Site]]) -> None:
    store = harvest(tiny_llama, stories(), sites=[SITE, "blocks.0.hook_mlp_out"], site=SITE, options=OPTIONS)
    assert store.site_names == ["blocks.0.mlp_out", SITE]
    assert calls == [[Site(0, "mlp_out"), Site(1, "resid_post")]] * -(-len(store.rows.tokens) // 4)


def test_each_side_of_the_corpus_is_harvested_by_itself(tiny_llama: LanguageModel) -> None:
    corpus = Corpus("stories", stories())
    for split, documents in (("training", corpus.training()), ("heldout", corpus.heldout())):
        store = harvest(tiny_llama, corpus, site=SITE, options=OPTIONS, split=split)
        expected = pack(documents, tiny_llama, context=32, n_tokens=400)
        assert np.array_equal(store.rows.tokens, expected.tokens)
        assert store.rows.concepts == ("bridge",)
        assert store.corpus_hash == corpus.hash


def test_a_finished_store_is_opened_as_it_is(
    tiny_llama: LanguageModel, calls: list[Sequence[Site]], tmp_path: Path
) -> None:
    first = harvest(tiny_llama, stories(), site=SITE, out=tmp_path / "acts", options=OPTIONS)
    count = len(calls)
    again = harvest(tiny_llama, stories(), site=SITE, out=tmp_path / "acts", options=OPTIONS)
    assert len(calls) == count > 0
    assert again.hash == first.hash
    assert sorted(path.name for path in tmp_path.iterdir()) == ["acts"]


@pytest.mark.parametrize(
    "change",
    [
        {"options": HarvestOptions(n_tokens=399, context=32, batch_rows=4, dtype="float32")},
        {"options": HarvestOptions(n_tokens=400, context=16, batch_rows=4, dtype="float32")},
        {"options": HarvestOptions(n_tokens=400, context=32, batch_rows=4)},
        {"site": "blocks.0.resid_post"},
        {"split": "heldout"},
        {"corpus": stories(59)},
    ],
)
def test_a_store_made_another_way_is_made_again(
    tiny_llama: LanguageModel, calls: list[Sequence[Site]], tmp_path: Path, change: dict
) -> None:
    same = {"corpus": stories(), "site": SITE, "options": OPTIONS}
    first = harvest(tiny_llama, out=tmp_path / "acts", **same)
    count = len(calls)
    other = harvest(tiny_llama, out=tmp_path / "acts", **same | change)
    assert len(calls) > count
    assert other.hash != first.hash


def test_short_corpora_and_short_contexts_give_what_they_have(tiny_llama: LanguageModel) -> None:
    store = harvest(tiny_llama, stories(10), site=SITE, options=HarvestOptions(dtype="float32"))
    assert store.rows.context == tiny_llama.context == 128
    expected = sum(len(tiny_llama.tokenize(story.text)) - 1 for story in stories(10) if not story.heldout)
    assert store.n_tokens == expected


def test_progress_counts_the_tokens(tiny_llama: LanguageModel) -> None:
    seen: list[tuple[int, int]] = []
    harvest(tiny_llama, stories(), site=SITE, options=OPTIONS, progress=lambda *counts: seen.append(counts))
    assert [total for _, total in seen] == [400] * len(seen)
    assert [done for done, _ in seen] == sorted({done for done, _ in seen})
    assert seen[-1] == (400, 400)
    assert len(seen) == 4


def test_a_temporary_store_is_deleted_with_its_object(tiny_llama: LanguageModel) -> None:
    store = harvest(tiny_llama, stories(), site=SITE, options=OPTIONS)
    folder, stream = store.folder, store.stream()
    del store
    gc.collect()
    assert stream.sample(5, seed=0).shape == (5, 32)
    assert folder.is_dir()
    del stream
    gc.collect()
    assert not folder.parent.exists()


def test_sites_and_options_that_cannot_be_had(tiny_llama: LanguageModel, tmp_path: Path) -> None:
    with pytest.raises(WrongUse, match="no site to harvest is named") as error:
        harvest(tiny_llama, stories(), out=tmp_path / "acts")
    assert "blocks.2.resid_post" in error.value.hint
    with pytest.raises(UnknownSite):
        harvest(tiny_llama, stories(), site="blocks.9.resid_post", out=tmp_path / "acts")
    for options, message in (
        (HarvestOptions(batch_rows=0), "batches of 0 rows"),
        (HarvestOptions(context=1), "rows of 1 tokens"),
        (HarvestOptions(n_tokens=0), "0 tokens cannot be packed"),
    ):
        with pytest.raises(WrongUse, match=message):
            harvest(tiny_llama, stories(), site=SITE, out=tmp_path / "acts", options=options)
    assert list(tmp_path.iterdir()) == []


def test_an_empty_side_of_the_corpus_is_refused(tiny_llama: LanguageModel) -> None:
    documents = [Document("All of this is kept for evaluation.", heldout=True)]
    with pytest.raises(BrokenInput, match="has no training documents"):
        harvest(tiny_llama, documents, site=SITE)


def test_folders_that_hold_something_else_are_left_alone(tiny_llama: LanguageModel, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("precious", encoding="utf-8")
    for out in (tmp_path, tmp_path / "thesis.txt"):
        with pytest.raises(WrongUse, match="is there and is no activation store"):
            harvest(tiny_llama, stories(), site=SITE, out=out, options=OPTIONS)
    assert (tmp_path / "thesis.txt").read_text(encoding="utf-8") == "precious"
    (tmp_path / "empty").mkdir()
    assert harvest(tiny_llama, stories(), site=SITE, out=tmp_path / "empty", options=OPTIONS).n_tokens == 400


def test_activations_that_are_not_finite_never_become_a_store(
    tiny_llama: LanguageModel, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    honest = tiny_llama.activations

    def broken(tokens: torch.Tensor, sites: Sequence[Site]):
        return {site: value.log() for site, value in honest(tokens, sites).items()}

    monkeypatch.setattr(tiny_llama, "activations", broken)
    with pytest.raises(BrokenInput, match="infinite or not a number"):
        harvest(tiny_llama, stories(), site=SITE, out=tmp_path / "acts", options=OPTIONS)
    assert not (tmp_path / "acts").exists()
