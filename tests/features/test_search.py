import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.planted_world import DEAD, PIECE, SIGN, TOPIC, WORD, World
from monoscope.errors import UnknownName
from monoscope.features import FeatureIndex
from monoscope.features.search import HALF_EFFECT, combine, effect, overlap


def _one(count: int, samples: int, density: float, base: float, occurrences: int = 1000) -> float:
    return float(overlap(np.array([count]), np.array([samples]), np.array([density]), base, occurrences)[0])


def test_overlap_is_the_formula() -> None:
    near = (29 + 4 * 0.01) / (64 + 4)
    active = (200 * near * 0.005 / 0.01 + 4 * 0.005) / 204
    assert _one(30, 64, 0.005, 0.01, 200) == pytest.approx(np.log(active / 0.005) / -np.log(active * 0.01))


def test_overlap_is_one_when_each_comes_only_with_the_other_and_nought_when_independent() -> None:
    assert _one(100_000, 100_000, 0.01, 0.01, 100_000) == pytest.approx(1, abs=1e-3)
    assert _one(1001, 100_000, 0.3, 0.01) == pytest.approx(0, abs=1e-6)
    assert _one(0, 1000, 0.3, 0.01) == 0


def test_overlap_ignores_a_single_meeting_and_distrusts_rare_features_and_words() -> None:
    assert _one(1, 64, 0.01, 1e-5, 1) == 0
    assert _one(3, 3, 1e-5, 0.01) < 0.5 * _one(60, 64, 0.01, 0.01)
    assert _one(5, 64, 0.02, 1e-5, 1) < 0.25
    assert _one(5, 64, 0.02, 1e-5, 1) < _one(5, 64, 0.02, 1e-4, 10) < _one(30, 64, 0.02, 1e-2, 1000)


@given(st.integers(0, 64), st.floats(1e-7, 1), st.floats(1e-6, 1), st.integers(1, 10**6))
def test_overlap_lies_between_nought_and_one(
    count: int, density: float, base: float, occurrences: int
) -> None:
    assert 0 <= _one(count, 64, density, base, occurrences) <= 1


def test_effect_is_a_half_at_five_deviations() -> None:
    found = effect(np.array([-9.0, 0.0, HALF_EFFECT, 1e6]))
    assert found == pytest.approx([0, 0, 0.5, 1])


def test_words_are_weighted_in_the_overlap_and_alike_in_the_effect() -> None:
    overlaps = [(3.0, np.array([1.0, 0.0])), (1.0, np.array([0.0, 0.4]))]
    effects = [np.array([0.5, 0.0]), np.array([0.1, 0.2])]
    both = combine(overlaps, effects, 2, "both")
    assert both.overlap == pytest.approx([0.75, 0.1])
    assert both.effect == pytest.approx([0.3, 0.1])
    assert both.score == pytest.approx([(2 * 0.75 + 0.3) / 3, 0.1])
    assert combine(overlaps, effects, 2, "effect").score == pytest.approx([0.3, 0.1])
    assert combine([], [], 2, "overlap").score.tolist() == [0, 0]
    with pytest.raises(UnknownName, match="'effects'"):
        combine(overlaps, effects, 2, "effects")


def test_the_topic_is_found_by_its_word_although_few_of_its_tokens_are_that_word(
    world: World, index: FeatureIndex
) -> None:
    on_topic = world.codes[:, TOPIC]
    assert on_topic[np.isin(world.tokens, (1, 2))].sum() < 0.3 * on_topic.sum()
    assert {result.id for result in index.search("bridge", limit=2)} == {WORD, TOPIC}
    assert index.search("bridge towers fog", by="overlap")[0].id == TOPIC


def test_what_promotes_a_word_is_found_by_it(index: FeatureIndex) -> None:
    best, second = index.search("towers", by="effect", limit=2)
    assert best.id == WORD
    assert best.parts["effect"] > 2 * second.parts["effect"]
    assert best.score == best.parts["effect"]
    assert best.score in [result.parts["effect"] for result in index.search("towers") if result.id == WORD]


def test_case_plural_accent_and_pieces_do_not_matter(index: FeatureIndex) -> None:
    def found(query: str) -> list[int]:
        return [result.id for result in index.search(query, by="overlap")]

    assert found("BRIDGE") == found("bridge")
    assert WORD in found("bridging")
    assert found("cafe") == found("café")
    with_accent, without = (index._lookup.overlap(word) for word in ("café", "cafe"))
    assert with_accent is not None
    assert without is not None
    assert with_accent[0] == without[0] > 0
    assert found("SAUSALITO")[0] == found("sausalito")[0] == PIECE


def test_signs_are_words_too(index: FeatureIndex) -> None:
    assert index.search(">>>", by="overlap")[0].id == SIGN


def test_the_effect_on_a_word_of_several_tokens_is_that_on_its_pieces(index: FeatureIndex) -> None:
    by_word = {result.id: result.score for result in index.search("sausalito", by="effect", limit=99)}
    pieces = [
        {result.id: result.score for result in index.search(piece, by="effect", limit=99)}
        for piece in ("sau", "salito")
    ]
    for feature, value in by_word.items():
        assert value == pytest.approx(sum(piece.get(feature, 0) for piece in pieces) / 2)


@pytest.mark.parametrize("query", ["", "   ", "zzzz", '"', "a* OR b", "NEAR(", "\0", 'a\0"b', "🌉"])
def test_a_query_that_nothing_knows_finds_nothing_or_words(index: FeatureIndex, query: str) -> None:
    assert all(result.score > 0 for result in index.search(query))
    if query in ("", "   ", "zzzz"):
        assert index.search(query) == []


def test_dead_features_are_never_found(index: FeatureIndex) -> None:
    for query in ("bridge", "towers", "the", "red dog"):
        assert DEAD not in [result.id for result in index.search(query, limit=99)]


def test_results_are_sorted_and_say_what_the_records_say(index: FeatureIndex) -> None:
    results = index.search("red bridge", limit=5)
    assert [result.score for result in results] == sorted((result.score for result in results), reverse=True)
    for result in results:
        record = index.record(result.id)
        assert (result.address, result.description) == (record.address, record.description)
        assert (result.density, result.max_activation) == (record.density, record.max_activation)
        assert set(result.to_json()) >= {
            "feature",
            "address",
            "score",
            "description",
            "density",
            "max_activation",
            "why",
            "overlap",
            "effect",
        }
    assert index.search("red bridge", limit=99, max_density=0.1) == [
        result for result in index.search("red bridge", limit=99) if result.density <= 0.1
    ]
    assert index.search("red bridge", limit=99, max_density=0.1) == index.search(
        "red bridge", limit=99, where="density<=0.1"
    )
