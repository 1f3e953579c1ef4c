from pathlib import Path

import pytest

from monoscope.activations import read_corpus
from monoscope.commands.run_folder import RunFolder, read_record
from monoscope.commands.showcase import ShowcaseOptions, find, is_word, most_telling, topic_words
from monoscope.documents import Document, Span
from monoscope.features import FeatureIndex


@pytest.fixture(scope="module")
def index(complete_run: RunFolder) -> FeatureIndex:
    return FeatureIndex.open(complete_run.features)


def test_the_record_is_what_the_page_takes(complete_run: RunFolder) -> None:
    shown = read_record(complete_run.showcase / "showcase.json")
    assert shown["feature"] is not None, shown["chosen"]
    assert [dose["multiple"] for dose in shown["doses"]] == [0.0, 2.0]
    assert len(shown["pairs"]) == 3
    assert shown["candidates"][0]["feature"] == shown["feature"]
    assert {"prompt", "default", "steered"} == set(shown["pairs"][0])
    assert len(shown["controls"]["topic_rates"]) <= 1
    assert shown["words"]


def test_without_a_query_the_most_telling_feature_is_taken(index: FeatureIndex) -> None:
    found, query, how = find(index, ShowcaseOptions(), lambda feature: True)
    words = most_telling(index)
    assert query == words
    assert bool(found) == bool(words)
    assert how


def test_a_query_that_nothing_answers_is_said(index: FeatureIndex) -> None:
    found, query, how = find(index, ShowcaseOptions(query="xylophone"), lambda feature: True)
    assert found == []
    assert query == "xylophone"
    assert "no feature goes with “xylophone”" in how


def test_features_that_cannot_be_turned_up_are_left_out(index: FeatureIndex) -> None:
    assert find(index, ShowcaseOptions(query="bridge"), lambda feature: False)[0] == []


def test_a_concept_of_the_planted_world_brings_its_words(index: FeatureIndex) -> None:
    document = Document("fog", (Span(0, 3, "golden_gate_bridge"),))
    corpus = read_corpus([document, Document("dog")])
    record = index.record(int(index.alive[0]))
    words = topic_words("Golden Gate Bridge", corpus, record)
    assert "gate" in words
    assert "cables" in words
    own = topic_words("Golden Gate Bridge", read_corpus([Document("fog"), Document("dog")]), record)
    assert own[:3] == ["golden", "gate", "bridge"]


@pytest.mark.parametrize(
    ("token", "expected"), [(" bridge", True), ("bridge", False), (" a", False), (" 12", False)]
)
def test_words_are_told_from_pieces(token: str, expected: bool) -> None:
    assert is_word(token) is expected


def test_nothing_of_the_path_is_in_the_record(complete_run: RunFolder) -> None:
    text = (complete_run.showcase / "showcase.json").read_text(encoding="utf-8")
    assert str(Path(complete_run.path)) not in text
