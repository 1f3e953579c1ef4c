"""A store gives back what the model computed, in every order it promises."""

from collections import Counter
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from activations.stories import stories
from monoscope.activations.harvest import HarvestOptions, harvest
from monoscope.activations.store import ActivationStore
from monoscope.errors import BrokenInput, MissingInput, UnknownSite, WrongUse
from monoscope.models.language_model import LanguageModel
from monoscope.models.sites import Site

WIDE, DEEP = "blocks.0.mlp_hidden", "blocks.1.resid_post"
OPTIONS = HarvestOptions(n_tokens=800, context=32, batch_rows=4, dtype="float32")


@pytest.fixture(scope="module")
def store(tiny_llama: LanguageModel, tmp_path_factory: pytest.TempPathFactory) -> ActivationStore:
    out = tmp_path_factory.mktemp("stores") / "acts"
    return harvest(tiny_llama, stories(), sites=[DEEP, WIDE], out=out, options=OPTIONS)


def everything(store: ActivationStore, site: str = DEEP) -> Tensor:
    return torch.cat([x for _, x in store.sequential(site, 300)])


def counted(x: Tensor) -> Counter[bytes]:
    """How often each activation occurs: the same beginning of two rows gives the same."""
    return Counter(row.tobytes() for row in x.numpy())


def test_a_store_says_what_it_holds(store: ActivationStore, tiny_llama: LanguageModel) -> None:
    assert store.site_names == [WIDE, DEEP]
    assert store.n_tokens == store.rows.n_tokens == 800
    assert (store.d_model(WIDE), store.d_model(DEEP)) == (64, 32)
    assert store.model_hash == tiny_llama.hash
    assert "800 tokens at blocks.0.mlp_hidden, blocks.1.resid_post" in repr(store)


def test_sequential_is_what_the_model_computes_for_each_row(
    store: ActivationStore, tiny_llama: LanguageModel
) -> None:
    tokens = torch.from_numpy(store.rows.tokens.astype(np.int64))
    usable = torch.from_numpy(store.rows.usable)
    for name in (WIDE, DEEP):
        site = Site.parse(name)
        rows = [tiny_llama.activations(row[None], [site])[site][0] for row in tokens]
        assert torch.allclose(everything(store, name), torch.stack(rows)[usable], atol=1e-5)


def test_sequential_gives_the_flat_positions_of_usable_tokens(store: ActivationStore) -> None:
    blocks = list(store.sequential(DEEP, 300))
    assert [len(x) for _, x in blocks] == [300, 300, 200]
    positions = np.concatenate([where for where, _ in blocks])
    assert np.array_equal(positions, np.flatnonzero(store.rows.usable))


def test_what_is_read_may_be_changed_without_harm(store: ActivationStore) -> None:
    before = everything(store)
    for _, x in store.sequential(DEEP, 300):
        x.zero_()
    next(store.batches(DEEP, 800, seed=0)).zero_()
    assert torch.equal(everything(store), before)


def test_an_epoch_of_batches_holds_every_token_once(store: ActivationStore) -> None:
    batches = list(islice(store.batches(DEEP, 100, seed=7), 16))
    assert all(batch.shape == (100, 32) and batch.dtype == torch.float32 for batch in batches)
    expected = counted(everything(store))
    assert len(expected) > 600
    for epoch in (batches[:8], batches[8:]):
        assert counted(torch.cat(epoch)) == expected
    assert not torch.equal(torch.cat(batches[:8]), torch.cat(batches[8:]))


def test_batches_go_on_where_they_were_left(store: ActivationStore) -> None:
    whole = list(islice(store.batches(DEEP, 96, seed=7), 20))
    for start in (0, 3, 8, 9, 17):
        again = store.batches(DEEP, 96, seed=7, start=start)
        assert torch.equal(next(again), whole[start])
        assert torch.equal(next(again), whole[start + 1])


def test_batches_of_one_seed_match_across_sites(store: ActivationStore) -> None:
    pairs = torch.cat([everything(store, site) for site in (DEEP, WIDE)], dim=1)
    batch = torch.cat([next(store.batches(site, 50, seed=1)) for site in (DEEP, WIDE)], dim=1)
    assert counted(batch) < counted(pairs)


def test_samples_are_different_tokens_and_repeat_with_their_seed(store: ActivationStore) -> None:
    drawn = store.sample(DEEP, 200, seed=1)
    assert drawn.shape == (200, 32)
    assert counted(drawn) < counted(everything(store))
    assert torch.equal(drawn, store.sample(DEEP, 200, seed=1))
    assert not torch.equal(drawn, store.sample(DEEP, 200, seed=2))
    assert torch.equal(store.sample(DEEP, 10_000, seed=1), everything(store))


def test_a_stream_is_one_site(store: ActivationStore) -> None:
    stream = store.stream(WIDE)
    assert stream.d_model == 64
    batches = stream.batches(64, seed=3, start=2)
    assert torch.equal(next(batches), next(store.batches(WIDE, 64, seed=3, start=2)))
    assert torch.equal(stream.sample(20, seed=5), store.sample(WIDE, 20, seed=5))


def test_statistics_are_those_of_what_is_stored(store: ActivationStore) -> None:
    for name in (WIDE, DEEP):
        x = everything(store, name).double().numpy()
        found = store.statistics(name)
        assert found.n_tokens == 800
        assert np.allclose(found.mean, x.mean(0), atol=1e-5)
        assert np.allclose(found.covariance, np.cov(x.T, bias=True), atol=1e-4)
        assert found.mean_squared_norm == pytest.approx((x**2).sum(1).mean(), rel=1e-5)


def test_bfloat16_is_the_model_rounded_once(store: ActivationStore, tiny_llama: LanguageModel) -> None:
    options = HarvestOptions(n_tokens=800, context=32, batch_rows=4)
    rounded = harvest(tiny_llama, stories(), site=DEEP, options=options)
    assert rounded.dtype == torch.bfloat16
    assert torch.equal(everything(rounded), everything(store).bfloat16().float())
    size = (rounded.folder / f"{DEEP}.bin").stat().st_size
    assert size == 800 * 32 * 2


def test_sites_go_by_any_name_of_theirs(store: ActivationStore) -> None:
    expected = store.sample(DEEP, 5, seed=0)
    for name in (DEEP, "blocks.1.hook_resid_post", Site(1, "resid_post")):
        assert torch.equal(store.sample(name, 5, seed=0), expected)


def test_the_only_site_need_not_be_named(tiny_llama: LanguageModel) -> None:
    single = harvest(tiny_llama, stories(), site=DEEP, options=OPTIONS)
    assert single.d_model() == single.stream().d_model == 32
    assert torch.equal(next(single.batches(size=10, seed=0)), next(single.batches(DEEP, 10, seed=0)))


def test_sites_that_are_not_stored_are_named(store: ActivationStore) -> None:
    with pytest.raises(UnknownSite, match=r"holds no activations of blocks\.0\.resid_post") as error:
        store.statistics("blocks.0.resid_post")
    assert DEEP in error.value.hint
    with pytest.raises(UnknownSite, match="is not a site"):
        store.d_model("nowhere")
    with pytest.raises(UnknownSite, match="holds several sites") as error:
        store.stream()
    assert WIDE in error.value.hint


def test_sizes_and_seeds_that_make_no_sense(store: ActivationStore) -> None:
    with pytest.raises(WrongUse, match="0 activations"):
        store.batches(DEEP, 0, seed=0)
    with pytest.raises(WrongUse, match="0 activations"):
        store.sample(DEEP, 0, seed=0)
    for seed, start in ((-1, 0), (0, -1)):
        with pytest.raises(WrongUse, match="neither may be negative"):
            store.batches(DEEP, 10, seed=seed, start=start)


def test_broken_and_missing_stores_are_refused(tiny_llama: LanguageModel, tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match="holds no complete activations"):
        ActivationStore.open(tmp_path / "acts")
    harvest(tiny_llama, stories(), site=DEEP, out=tmp_path / "acts", options=OPTIONS)
    data = tmp_path / "acts" / f"{DEEP}.bin"
    data.write_bytes(data.read_bytes()[:-1])
    with pytest.raises(BrokenInput, match="has 102399 bytes where 102400 belong"):
        ActivationStore.open(tmp_path / "acts")
    data.unlink()
    with pytest.raises(BrokenInput, match="has 0 bytes"):
        ActivationStore.open(tmp_path / "acts")
