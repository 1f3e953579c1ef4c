import shutil

import pytest

from monoscope.commands.run_folder import RunFolder
from monoscope.features import FeatureIndex

from .conftest import Line


def test_search_finds_a_feature_of_a_theme(line: Line, complete_run: RunFolder) -> None:
    result = line.json("features", "search", complete_run.path, "bridge", "--limit", 3)
    assert result["query"] == "bridge"
    assert 1 <= len(result["results"]) <= 3
    scores = [each["score"] for each in result["results"]]
    assert scores == sorted(scores, reverse=True)
    best = result["results"][0]
    assert best["address"] == f"llama/blocks.1.resid_post/tiny#{best['feature']}"
    assert {"feature", "address", "score", "description", "density", "max_activation"} <= set(best)


def test_search_for_people_goes_to_standard_error(line: Line, complete_run: RunFolder) -> None:
    assert line("features", "search", complete_run.path, "bridge") == 0
    assert line.out == ""
    assert "description" in line.err
    assert line("features", "search", complete_run.path, "xylophone") == 0
    assert "no feature goes with “xylophone”" in line.err


def test_show_is_the_record(line: Line, complete_run: RunFolder) -> None:
    feature = int(FeatureIndex.open(complete_run.features).alive[0])
    record = line.json("features", "show", complete_run.path, feature)
    assert record["feature"] == feature
    assert sum(record["histogram"]["counts"]) == record["n_active"]
    assert record["examples"]
    assert record["examples"][0]["peak"] == pytest.approx(record["max_activation"])
    assert line("features", "show", complete_run.path, feature) == 0
    assert record["address"] in line.err


def test_a_feature_that_is_not_there(line: Line, complete_run: RunFolder) -> None:
    sentence, hint = line.refused(2, "features", "show", complete_run.path, 48)
    assert sentence == "there is no feature 48"
    assert "0 to 47" in hint


def test_on_tells_what_fires_on_each_token(line: Line, complete_run: RunFolder) -> None:
    text = "fog hides the towers"
    result = line.json("features", "on", complete_run.path, text, "--limit", 5)
    assert "".join(result["tokens"]) == text
    assert 1 <= len(result["features"]) <= 5
    for each in result["features"]:
        assert len(each["activations"]) == len(result["tokens"])
        assert max(each["activations"]) > 0
    active = [
        sum(each["activations"][place] > 0 for each in result["features"])
        for place in range(len(result["tokens"]))
    ]
    assert max(active) <= 4
    assert line("features", "on", complete_run.path, text) == 0


def test_a_text_of_nothing(line: Line, complete_run: RunFolder) -> None:
    line.refused(2, "features", "on", complete_run.path, "")
    line.refused(2, "features", "search", complete_run.path, " ")


def test_an_index_of_another_dictionary_is_not_searched(line: Line, run_copy: RunFolder) -> None:
    shutil.copyfile(run_copy.evaluation / "manifest.json", run_copy.features / "manifest.json")
    sentence, _ = line.refused(1, "features", "search", run_copy.path, "bridge")
    assert "is a evaluation, not a features" in sentence
