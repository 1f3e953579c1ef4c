import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ttest_ind

from features.planted_world import DEAD, N_FEATURES, TOPIC, WORD, World
from monoscope.dictionaries import SparseCodes
from monoscope.errors import WrongUse
from monoscope.features import FeatureIndex
from monoscope.features.contrast import (
    COUNTS,
    PRIOR_TOKENS,
    Seen,
    Z,
    by_chance,
    contrast_corpora,
    contrast_texts,
)


def _sparse(dense: np.ndarray) -> SparseCodes:
    values = torch.from_numpy(dense.astype(np.float32))
    return SparseCodes(values, torch.arange(dense.shape[1]).expand(len(dense), -1).contiguous())


def _documents(world: World) -> list[np.ndarray]:
    """The codes of each document's tokens."""
    return [
        world.codes[world.usable & (world.documents == number)]
        for number in np.unique(world.documents[world.usable])
    ]


@pytest.fixture(scope="module")
def about(world: World) -> Seen:
    return Seen.on(N_FEATURES, map(_sparse, _documents(world)[::4]))


@pytest.fixture(scope="module")
def others(world: World) -> Seen:
    return Seen.on(N_FEATURES, (_sparse(each) for n, each in enumerate(_documents(world)) if n % 4))


def test_counts_are_those_of_the_texts(world: World, about: Seen) -> None:
    texts = _documents(world)[::4]
    active = np.array([(each > 0).sum(0) for each in texts])
    lengths = np.array([len(each) for each in texts])
    assert (about.n_texts, about.n_tokens) == (len(texts), lengths.sum())
    assert about.tokens.tolist() == active.sum(0).tolist()
    assert about.texts.tolist() == (active > 0).sum(0).tolist()
    means = np.array([each.mean(0) for each in texts])
    assert about.means == pytest.approx(means.sum(0), rel=1e-5)
    assert about.mean_squares == pytest.approx((means**2).sum(0), rel=1e-5)
    assert about.squares == pytest.approx((active.astype(float) ** 2).sum(0))
    assert about.products == pytest.approx((active * lengths[:, None]).sum(0))


def test_an_empty_slot_is_nothing_wherever_it_points() -> None:
    seen = Seen.on(3, [SparseCodes(torch.tensor([[2.0, 0.0], [0.0, 0.0]]), torch.tensor([[1, 2], [0, 0]]))])
    assert seen.texts.tolist() == seen.tokens.tolist() == [0, 1, 0]


@given(st.lists(st.integers(0, 6), min_size=2, max_size=6), st.integers(1, 5), st.integers(0, 9))
@settings(max_examples=25)
def test_parts_merged_are_the_whole(lengths: list[int], cut: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    texts = [_sparse(np.maximum(random.normal(size=(length + 1, 4)), 0)) for length in lengths]
    whole, part = Seen.on(4, texts), Seen.on(4, texts[:cut])
    part.merge(Seen.on(4, texts[cut:]))
    assert part.lengths == whole.lengths
    for name in COUNTS:
        assert getattr(part, name) == pytest.approx(getattr(whole, name))


def _seen(texts: list[int], n: int) -> Seen:
    """Features active in so many of n texts of one token."""
    counts = np.array(texts + [0] * (N_FEATURES - len(texts)))
    return Seen(N_FEATURES, [1] * n, counts, counts.copy(), *(1.0 * counts for _ in range(4)))


def test_examples_find_the_topic(world: World, index: FeatureIndex, about: Seen, others: Seen) -> None:
    found = contrast_texts(index, about, others, limit=99)
    assert {found[0].id, found[1].id} == {TOPIC, WORD}
    means = np.array([each.mean(0) for each in _documents(world)])
    topical = np.arange(len(means)) % 4 == 0
    for each in found:
        texts, negative = int(about.texts[each.id]), int(others.texts[each.id])
        assert (each.parts["positive"], each.parts["negative"]) == (texts, negative)
        here, there = means[topical, each.id].astype(float), means[~topical, each.id].astype(float)
        assert each.score == pytest.approx(here.mean() - there.mean(), rel=1e-4)
        welch = ttest_ind(here, there, equal_var=False).confidence_interval(0.95)
        assert (each.parts["low"], each.parts["high"]) == pytest.approx(
            (welch.low, welch.high), rel=1e-3, abs=1e-5
        )
    strict = contrast_texts(index, about, others, strict=True, limit=99)
    assert [each.id for each in strict] == [
        each.id for each in found if about.texts[each.id] == about.n_texts and others.texts[each.id] == 0
    ]
    assert contrast_texts(index, about, others, where="density<0", limit=99) == []


def test_strict_is_all_of_these_and_none_of_those(index: FeatureIndex) -> None:
    here, there = _seen([2, 2, 1, 2], 2), _seen([0, 1, 0, 0], 3)
    assert {each.id for each in contrast_texts(index, here, there, strict=True)} == {0, 3}
    assert {each.id for each in contrast_texts(index, here, strict=True)} == {0, 1, 3}


def test_a_single_text_has_no_interval(index: FeatureIndex) -> None:
    for here, there in ((1, 2), (2, 1), (1, None)):
        against = None if there is None else _seen([0], there)
        (only,) = contrast_texts(index, _seen([here], here), against, where="feature=0")
        assert not {"low", "high"} & set(only.parts)
    (only,) = contrast_texts(index, _seen([2], 2), where="feature=0")
    assert only.parts["low"] == only.score == only.parts["high"]


def test_without_counterexamples_the_corpus_is_what_counts(world: World, index: FeatureIndex) -> None:
    density = index.statistics()["density"]
    assert by_chance(index, [1, 1, 5]) == pytest.approx((2 * density + 1 - (1 - density) ** 5) / 3)
    bridges = np.flatnonzero((world.tokens == 1) & world.usable)[:6].tolist()
    seen = Seen.on(N_FEATURES, (_sparse(world.codes[[place]]) for place in bridges))
    found = contrast_texts(index, seen, limit=99)
    assert found[0].id == WORD
    everywhere, here = world.codes[world.usable].mean(0), world.codes[bridges].mean(0)
    for each in found:
        assert each.score == pytest.approx(here[each.id] - everywhere[each.id], rel=1e-4)
    assert {each.id for each in found} == set(np.flatnonzero(here > everywhere).tolist())
    assert contrast_texts(index, seen, Seen(N_FEATURES), limit=99) == found
    with pytest.raises(WrongUse, match="no text"):
        contrast_texts(index, Seen(N_FEATURES))


def test_corpora_are_told_apart_by_the_formula(index: FeatureIndex, about: Seen, others: Seen) -> None:
    found = {each.id: each for each in contrast_corpora(index, about, others, limit=99)}
    assert set(found) >= {TOPIC, WORD}
    density = index.statistics()["density"]
    for each in found.values():
        sides = []
        for seen in (about, others):
            prior, n = PRIOR_TOKENS * density[each.id], seen.n_tokens
            rate = (seen.tokens[each.id] + prior) / (n + PRIOR_TOKENS)
            mean = seen.tokens[each.id] / n
            lengths = np.array(seen.lengths)
            spread = (
                seen.squares[each.id] - 2 * mean * seen.products[each.id] + mean**2 * np.square(lengths).sum()
            )
            variance = max(n * rate * (1 - rate), spread * len(lengths) / (len(lengths) - 1))
            sides.append(
                (math.log(rate / (1 - rate)), variance / (rate * (1 - rate) * (n + PRIOR_TOKENS)) ** 2)
            )
        (here, error), (there, other) = sides
        assert each.parts["log_odds"] == pytest.approx(here - there)
        assert each.parts["standard_error"] == pytest.approx(math.sqrt(error + other))
        assert each.score == pytest.approx(here - there - Z * math.sqrt(error + other))
    assert contrast_corpora(index, others, others, limit=99) == []


def test_what_was_hardly_seen_is_drawn_back(index: FeatureIndex) -> None:
    assert DEAD not in [
        each.id for each in contrast_corpora(index, _seen([1] * N_FEATURES, 500), _seen([], 500), limit=99)
    ]
    with pytest.raises(WrongUse, match="empty"):
        contrast_corpora(index, Seen(N_FEATURES), _seen([1], 5))


class Plain:
    """An index of many features of the same density."""

    n_features = 2000
    site = ""

    def __init__(self, density: float) -> None:
        self.numbers = {
            "density": np.full(self.n_features, density),
            "n_active": np.full(self.n_features, round(density * 1e6)),
            "max_activation": np.ones(self.n_features),
        }

    def statistics(self) -> dict[str, np.ndarray]:
        return self.numbers

    def described(self, text: str, relation: str) -> np.ndarray:
        return np.zeros(self.n_features, bool)

    def address(self, feature: int) -> str:
        return f"#{feature}"

    def description(self, feature: int) -> str:
        return ""

    def check(self, feature: int) -> None:
        pass


def _clustered(random: np.random.Generator, n_texts: int, n_features: int) -> Seen:
    """Texts of 50 to 150 tokens; a text's own rate of each feature is drawn around 0.05."""
    seen = Seen(n_features)
    for length in random.integers(50, 151, n_texts).tolist():
        counts = random.binomial(length, random.beta(0.5, 9.5, n_features))
        seen.lengths.append(length)
        seen.texts += counts > 0
        seen.tokens += counts
        seen.squares += counts.astype(float) ** 2
        seen.products += counts * length
    return seen


def test_the_interval_holds_where_texts_differ_and_counting_tokens_alone_would_not() -> None:
    random = np.random.default_rng(0)
    here, there = (_clustered(random, 60, Plain.n_features) for _ in range(2))
    found = contrast_corpora(Plain(0.05), here, there, limit=9999)
    # Of equal corpora the lower end lies above 0 for one feature in forty.
    assert 0.01 < len(found) / Plain.n_features < 0.05
    rates = [(seen.tokens + 50) / (seen.n_tokens + 1000) for seen in (here, there)]
    naive = np.sqrt(sum(1 / (seen.tokens + 50) for seen in (here, there)))
    log_odds = np.log(rates[0] / (1 - rates[0])) - np.log(rates[1] / (1 - rates[1]))
    assert (log_odds - Z * naive > 0).mean() > 0.1
