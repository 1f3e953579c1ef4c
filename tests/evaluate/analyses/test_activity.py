"""Codes as sparse matrices, and how alike two features are."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array

from evaluate.dictionaries import tied
from monoscope.evaluate.analyses.activity import counterparts, encoded, masked_cosines, shifted


def drawn(seed: int, tokens: int, features: int, density: float = 0.3) -> np.ndarray:
    generator = np.random.default_rng(seed)
    return generator.random((tokens, features)) * (generator.random((tokens, features)) < density)


def test_codes_are_those_of_the_dictionary() -> None:
    rows = torch.nn.functional.normalize(torch.randn(24, 8, generator=torch.Generator().manual_seed(0)))
    dictionary, x = tied(rows, 3), torch.randn(50, 8, generator=torch.Generator().manual_seed(1))
    assert np.allclose(encoded(dictionary, x).toarray(), dictionary.encode(x).numpy(), atol=1e-6)


@given(st.integers(0, 1000))
def test_masked_cosine_is_the_greater_of_two_cosines(seed: int) -> None:
    a, b = drawn(seed, 12, 3), drawn(seed + 1, 12, 4)
    found = masked_cosines(csr_array(a), csr_array(b)).toarray()
    for i in range(3):
        for j in range(4):
            both = []
            for mask in (a[:, i] > 0, b[:, j] > 0):
                one, other = a[mask, i], b[mask, j]
                norms = np.linalg.norm(one) * np.linalg.norm(other)
                both.append(one @ other / norms if norms else 0.0)
            assert np.isclose(found[i, j], max(both))


def test_a_part_is_like_its_whole_and_rare_features_are_like_nothing() -> None:
    whole = drawn(0, 40, 1, 0.8)
    part = whole * (np.arange(40) < 20)[:, None]
    assert np.isclose(masked_cosines(csr_array(whole), csr_array(part)).toarray(), 1)
    assert masked_cosines(csr_array(whole), csr_array(part), minimum=30).nnz == 0


def test_shifted_codes_are_as_often_active_elsewhere() -> None:
    codes = drawn(0, 9, 4)
    moved = shifted(csr_array(codes)).toarray()
    assert np.array_equal(np.sort(moved, 0), np.sort(codes, 0))
    assert np.array_equal(moved, np.roll(codes, -4, 0))


@given(st.integers(0, 1000))
def test_counterparts_are_those_of_highest_correlation(seed: int) -> None:
    a, b = drawn(seed, 30, 5, 0.5), drawn(seed + 1, 30, 6, 0.5)
    r = np.corrcoef(a.T, b.T)[:5, 5:]
    for one, other in ((a, b), (csr_array(a), csr_array(b)), (csr_array(a), b)):
        best, partner = counterparts(one, other)
        assert np.allclose(best, r.max(1))
        assert np.array_equal(partner, r.argmax(1))
        sized, _ = counterparts(one, other, signed=False)
        assert np.allclose(sized, np.abs(r).max(1))


def test_a_permutation_is_found() -> None:
    a = drawn(3, 60, 7)
    order = np.random.default_rng(0).permutation(7)
    best, partner = counterparts(csr_array(a), csr_array(a[:, order]))
    assert np.allclose(best, 1)
    assert np.array_equal(order[partner], np.arange(7))


def test_units_that_hardly_fire_have_no_counterpart() -> None:
    a, b = drawn(0, 30, 3), drawn(1, 30, 3)
    a[:, 1] = 0
    a[0, 1] = 1
    best, partner = counterparts(csr_array(a), csr_array(b), minimum=2)
    assert np.isnan(best[1])
    assert partner.tolist()[1] == -1
    none, _ = counterparts(csr_array(a), csr_array(b), minimum=31)
    assert np.isnan(none).all()
    assert np.isnan(counterparts(np.full((30, 1), 0.1), b)[0]).all()
