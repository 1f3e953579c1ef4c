import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monoscope.features.firings import Firings
from monoscope.features.sketches import HISTOGRAM_EDGES, N_BINS, Moments, TokenMass

N_FEATURES, VOCABULARY, N = 6, 7, 300


def _stream(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    features, positions = random.integers(0, N_FEATURES, N), np.sort(random.integers(0, 200, N))
    values = (10 ** random.uniform(-6, 6, N)).astype(np.float32)
    return features, positions, values, random.integers(0, VOCABULARY, 200).astype(np.uint16)


def _item(features: np.ndarray, positions: np.ndarray, values: np.ndarray) -> Firings:
    return Firings.sort(features, positions, values, n_tokens=len(features))


def test_moments_are_those_of_each_feature() -> None:
    features, positions, values, _ = _stream(0)
    moments = Moments.empty(N_FEATURES)
    moments.update(_item(features, positions, values))
    for feature in range(N_FEATURES):
        mine = values[features == feature].astype(np.float64)
        assert moments.count[feature] == len(mine)
        assert moments.total[feature] == pytest.approx(mine.sum(), rel=1e-9, abs=1e-6)
        assert moments.largest[feature] == mine.max().astype(np.float32)
        logarithms = np.clip(np.log10(mine), HISTOGRAM_EDGES[0], HISTOGRAM_EDGES[-1] - 1e-9)
        assert moments.histogram[feature].tolist() == np.histogram(logarithms, HISTOGRAM_EDGES)[0].tolist()
    assert moments.histogram.shape == (N_FEATURES, N_BINS)


@settings(max_examples=30)
@given(st.integers(0, 1000), st.integers(0, N))
def test_a_cut_stream_gives_the_same_sketches(seed: int, cut: int) -> None:
    features, positions, values, tokens = _stream(seed)
    parts = [_item(features[a:b], positions[a:b], values[a:b]) for a, b in ((0, cut), (cut, N))]
    whole, merged = Moments.empty(N_FEATURES), Moments.empty(N_FEATURES)
    mass, merged_mass = TokenMass(VOCABULARY), TokenMass(VOCABULARY)
    whole.update(_item(features, positions, values))
    mass.update(_item(features, positions, values), tokens)
    for part in parts:
        later, later_mass = Moments.empty(N_FEATURES), TokenMass(VOCABULARY)
        later.update(part)
        later_mass.update(part, tokens)
        merged.merge(later)
        merged_mass.merge(later_mass)
    assert merged.n_tokens == whole.n_tokens == N
    for name in ("count", "total", "largest", "histogram"):
        assert np.array_equal(getattr(merged, name), getattr(whole, name))
    for first, second in zip(merged_mass.table(), mass.table(), strict=True):
        assert np.array_equal(first, second)


def test_token_mass_is_summed_for_each_pair() -> None:
    features, positions, values, tokens = _stream(3)
    mass = TokenMass(VOCABULARY)
    mass.update(_item(features, positions, values), tokens)
    table = list(zip(*(column.tolist() for column in mass.table()), strict=True))
    expected = {}
    for feature, position, value in zip(features, positions, values, strict=True):
        pair = expected.setdefault((feature, int(tokens[position])), [0.0, 0])
        pair[0] += float(value)
        pair[1] += 1
    assert [(feature, token) for feature, token, *_ in table] == sorted(expected)
    for feature, token, total, count in table:
        assert total == pytest.approx(expected[feature, token][0], abs=1e-6)
        assert count == expected[feature, token][1]


def test_of_too_many_tokens_those_with_most_activation_stay() -> None:
    features, positions = np.zeros(50, np.int64), np.arange(50)
    values = np.random.default_rng(0).permutation(50).astype(np.float32) + 1
    mass = TokenMass(50, size=4)
    mass.update(_item(features, positions, values), np.arange(50))
    _, tokens, total, _ = mass.table()
    assert sorted(total.tolist()) == [47, 48, 49, 50]
    assert np.array_equal(values[tokens], total)
