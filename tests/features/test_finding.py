import math

import numpy as np
import pytest
import torch

from features.planted_world import DEAD, N_FEATURES, PIECE, RARE, SIGN, TOPIC, WORD, World
from monoscope.dictionaries import SparseCodes
from monoscope.errors import UnknownName, WrongUse
from monoscope.features import FeatureIndex
from monoscope.features.finding import by_company, by_direction, by_text, results
from monoscope.features.search import effect


def test_results_are_ranked_filtered_and_explained(index: FeatureIndex) -> None:
    score = np.array([0.2, 0.9, 0.0, 0.9, 0.5] + [-1.0] * 7)

    def found(**options: object) -> list[int]:
        return [each.id for each in results(index, score, {}, lambda part: "", **options)]  # type: ignore[arg-type]

    assert found() == [1, 3, 4, 0]
    assert found(limit=2) == [1, 3]
    assert found(limit=0) == []
    assert found(where="score<0.9") == [4, 0]
    assert found(where="feature=1 | feature=0") == [1, 0]
    (one,) = results(index, score, {"half": score / 2}, lambda part: f"half {part['half']}", limit=1)
    assert (one.why, one.parts, one.to_json()["half"]) == ("half 0.45", {"half": 0.45}, 0.45)


def test_a_token_is_found_by_what_fires_on_it(world: World, index: FeatureIndex) -> None:
    assert index.by_token("salito")[0].id == PIECE
    assert index.by_token(">>>")[0].id == SIGN
    best = {each.id: each for each in index.by_token(" bridge", limit=99)}
    codes, here = world.codes[world.usable], world.tokens[world.usable] == 1
    for feature in (WORD, TOPIC):
        active = codes[:, feature] > 0
        share = codes[here, feature].sum() / codes[:, feature].sum()
        recall = (active & here).sum() / here.sum()
        assert best[feature].parts == pytest.approx({"share": share, "recall": recall}, rel=1e-4)
        assert best[feature].score == pytest.approx(2 * share * recall / (share + recall), rel=1e-4)
    assert max(best.values(), key=lambda each: each.score).id == WORD


def test_a_token_is_found_by_what_promotes_it(index: FeatureIndex) -> None:
    best = index.by_token(" towers", role="promotes")[0]
    assert best.id == WORD
    assert best.score == pytest.approx(float(effect(np.array([best.parts["deviations"]]))[0]))
    assert best.score == index.search("towers", by="effect")[0].score


@pytest.mark.parametrize(
    "token", ["bridge", " BRIDGE", "", " ", "x" * 100_000, "\x1b[31m", "שלום", "🌉", "\x00"]
)
def test_a_token_that_is_none_is_refused_with_the_nearest(index: FeatureIndex, token: str) -> None:
    with pytest.raises(UnknownName) as refused:
        index.by_token(token)
    assert "no token of the vocabulary is" in refused.value.sentence
    assert len(refused.value.sentence) < 120
    assert "\x1b" not in str(refused.value)
    if "bridge" in token.lower():
        assert "' bridge'" in refused.value.hint


def test_a_role_that_is_none_is_refused(index: FeatureIndex) -> None:
    with pytest.raises(UnknownName, match="'hates'"):
        index.by_token(" bridge", role="hates")


def test_descriptions_are_found_by_all_their_words(index: FeatureIndex) -> None:
    record = index.record(PIECE)
    assert "salito" in record.description
    found = index.by_description("SALITO")
    assert PIECE in [each.id for each in found]
    scores = [each.score for each in found]
    assert scores == sorted(scores, reverse=True)
    # Found by what is named in it, not by the words that every description is made with.
    assert index.by_description("never active") == []
    assert index.by_description("never bridge") == []
    assert index.by_description("") == index.by_description("  ") == []
    assert index.by_description("' OR 1=1 --") == index.by_description("%_%") == []
    assert DEAD not in [each.id for each in index.by_description("%", limit=99)]


def test_half_a_character_is_refused_everywhere(index: FeatureIndex) -> None:
    for ask in (index.search, index.by_token, index.by_description, index.token_id):
        with pytest.raises(WrongUse, match="half a character at place 2"):
            ask("a\udc80")


def _codes(world: World, positions: list[int]) -> SparseCodes:
    dense = torch.from_numpy(world.codes[positions])
    return SparseCodes(dense, torch.arange(N_FEATURES).expand(len(positions), -1).contiguous())


@pytest.mark.parametrize("over", ["mean", "max"])
def test_an_example_finds_what_its_formula_says(world: World, index: FeatureIndex, over: str) -> None:
    where = np.flatnonzero(world.usable)[5:19].tolist()
    found = by_text(index, _codes(world, where), over=over, limit=99)
    n_tokens = int(world.usable.sum())
    codes = world.codes[where]
    level = codes.mean(0) if over == "mean" else codes.max(0)
    for each in found:
        here = codes[:, each.id]
        rarity = math.log(1 / index.record(each.id).density) / math.log(n_tokens)
        assert each.score == pytest.approx(level[each.id] / level.sum() * rarity, rel=1e-5)
        assert each.parts["tokens_active"] == (here > 0).sum()
    assert {each.id for each in found} == set(np.flatnonzero(world.codes[where].any(0)).tolist())


def test_an_example_about_the_topic_finds_the_topic(world: World, index: FeatureIndex) -> None:
    document = int(world.documents[world.usable][0])
    where = np.flatnonzero(world.usable & (world.documents == document)).tolist()
    assert by_text(index, _codes(world, where))[0].id == TOPIC


def test_what_fires_for_the_first_time_is_found_and_what_is_silent_is_not(index: FeatureIndex) -> None:
    codes = SparseCodes(torch.tensor([[3.0, 0.0]]), torch.tensor([[DEAD, WORD]]))
    (only,) = by_text(index, codes)
    assert (only.id, only.score) == (DEAD, pytest.approx(1))
    assert by_text(index, SparseCodes(torch.zeros(1, 2), torch.zeros(1, 2, dtype=torch.long))) == []
    rare, common = by_text(index, SparseCodes(torch.tensor([[2.0, 2.0]]), torch.tensor([[TOPIC, RARE]])))
    assert (rare.id, common.id) == (RARE, TOPIC)
    assert rare.parts["share"] == common.parts["share"] == 0.5
    with pytest.raises(UnknownName, match="'median'"):
        by_text(index, codes, over="median")


def test_neighbours_are_those_of_the_cosine(index: FeatureIndex) -> None:
    directions = torch.randn(N_FEATURES, 5, generator=torch.Generator().manual_seed(0))
    directions *= torch.linspace(0.1, 9, N_FEATURES)[:, None]
    cosine = torch.nn.functional.cosine_similarity(directions[4], directions, dim=1)
    expected = [each for each in cosine.argsort(descending=True).tolist() if each != 4 and cosine[each] > 0]
    found = by_direction(index, directions, 4, limit=99)
    assert [each.id for each in found] == expected
    assert [each.score for each in found] == pytest.approx(cosine[expected].tolist(), abs=1e-6)
    alive = [each for each in expected if each != DEAD]
    assert [each.id for each in by_direction(index, directions, 4, where="alive", limit=99)] == alive
    assert DEAD not in [each.id for each in by_direction(index, directions, DEAD, limit=99)]
    for beyond in (-1, N_FEATURES):
        with pytest.raises(UnknownName, match=str(beyond)):
            by_direction(index, directions, beyond)


def test_neighbours_agree_with_the_index(world: World, index: FeatureIndex) -> None:
    turned = world.dictionary.directions.clone()
    turned[1] += 0.5 * turned[0]
    (first, *_) = by_direction(index, turned, 0)
    assert (first.id, round(first.score, 3)) == (1, round(0.5 / math.sqrt(1.25), 3))


def test_company_is_what_the_index_lists(index: FeatureIndex) -> None:
    found = by_company(index, TOPIC, {RARE: 0.2, WORD: 0.7, DEAD: 0.1}, where="alive")
    assert [(each.id, each.score) for each in found] == [(WORD, 0.7), (RARE, 0.2)]
    assert by_company(index, TOPIC, {}) == []
    with pytest.raises(UnknownName, match="99"):
        by_company(index, 99, {})
