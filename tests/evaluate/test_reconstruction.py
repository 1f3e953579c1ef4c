import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from evaluate.dictionaries import constant, identity, tied
from evaluate.memory import MemoryStore, token_rows
from monoscope.dictionaries import AutoencoderOptions, SparseAutoencoder, TopK
from monoscope.errors import BrokenInput
from monoscope.evaluate.intervals import totals
from monoscope.evaluate.reconstruction import dead_share, density_histogram, fve, fvu, l0, measure, shrinkage

D = 12


@pytest.fixture(scope="module")
def store() -> MemoryStore:
    rows = token_rows(30, 16, {}, padding=5)
    x = torch.randn(30 * 16, D, generator=torch.Generator().manual_seed(0)) + 2.0
    x[::16] = 1e4  # the special tokens, which must not count
    return MemoryStore(rows, {"s": x})


def whole(dictionary: SparseAutoencoder, store: MemoryStore, n_tokens: int = 10**9) -> tuple:
    found = measure(dictionary, store, site="s", n_tokens=n_tokens)
    return found, totals(found.sums, np.ones((1, len(found.sums.tokens))))


def random_dictionary(k: int) -> SparseAutoencoder:
    made = SparseAutoencoder.initialise(
        D, AutoencoderOptions(n_features=50, sparsifier=TopK(k)), seed=3, centre=torch.full((D,), 2.0)
    )
    with torch.no_grad():
        made.encoder_bias -= torch.linspace(0, 4, 50)
    return made


def test_every_metric_equals_its_formula_written_out(store: MemoryStore) -> None:
    dictionary = random_dictionary(6)
    found, sums = whole(dictionary, store)
    x: Tensor = store.usable("s")
    codes = dictionary.encode(x)
    x_hat = codes @ dictionary.decoder + dictionary.bias
    assert found.n_tokens == len(x) == 30 * 15 - 5
    assert fvu(sums)[0] == pytest.approx(
        float((x - x_hat).square().sum() / (x - x.mean(0)).square().sum()), rel=1e-5
    )
    assert fve(sums)[0] == pytest.approx(1 - fvu(sums)[0])
    assert l0(sums)[0] == pytest.approx(float((codes > 0).sum(1).float().mean()), rel=1e-6)
    assert shrinkage(sums)[0] == pytest.approx(float(x_hat.square().sum() / (x_hat * x).sum()), rel=1e-5)
    assert found.fired.tolist() == (codes > 0).sum(0).tolist()
    assert 0 < dead_share(found.fired) < 1
    assert dead_share(found.fired) == int((codes == 0).all(0).sum()) / 50


def test_rows_are_kept_apart(store: MemoryStore) -> None:
    found, _ = whole(random_dictionary(6), store)
    assert found.sums.tokens.tolist() == [15.0] * 29 + [10.0]


def test_a_perfect_dictionary_explains_everything_without_shrinking(store: MemoryStore) -> None:
    _, sums = whole(identity(D), store)
    assert fvu(sums)[0] < 1e-12
    assert shrinkage(sums)[0] == pytest.approx(1.0, abs=1e-6)
    assert l0(sums)[0] == pytest.approx(D)


def test_the_mean_explains_nothing(store: MemoryStore) -> None:
    found, sums = whole(constant(store.statistics("s").mean), store)
    assert fvu(sums)[0] == pytest.approx(1.0, abs=1e-6)
    assert l0(sums)[0] == 0
    assert dead_share(found.fired) == 1


def test_halved_reconstructions_have_shrinkage_one_half(store: MemoryStore) -> None:
    halved = identity(D)
    with torch.no_grad():
        halved.encoder *= 0.5
    _, sums = whole(halved, store)
    assert shrinkage(sums)[0] == pytest.approx(0.5, rel=1e-5)


def test_only_the_first_tokens_are_read(store: MemoryStore) -> None:
    done: list[int] = []
    found = measure(tied(torch.eye(D), 3), store, site="s", n_tokens=40, advance=done.append)
    assert found.n_tokens == sum(done) == 40
    assert found.sums.tokens.tolist() == [15.0, 15.0, 10.0]


def test_a_store_without_usable_tokens_is_refused() -> None:
    rows = token_rows(1, 4, {}, padding=4)
    with pytest.raises(BrokenInput, match="no usable token"):
        measure(identity(D), MemoryStore(rows, {"s": torch.zeros(4, D)}), site="s", n_tokens=10)


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=60))
def test_the_histogram_holds_every_live_feature_once(counts: list[int]) -> None:
    fired = np.array(counts, np.int64)
    histogram = density_histogram(fired, 1000)
    assert sum(histogram["counts"]) == np.count_nonzero(fired)
    assert histogram["edges"][0] == -3.0
    assert histogram["edges"][-1] == 0.0
    assert len(histogram["edges"]) == len(histogram["counts"]) + 1


def test_densities_fall_in_the_right_bin() -> None:
    histogram = density_histogram(np.array([1, 10, 11, 100, 1000]), 1000, per_decade=1)
    assert histogram == {"edges": [-3.0, -2.0, -1.0, 0.0], "counts": [1, 2, 2]}
