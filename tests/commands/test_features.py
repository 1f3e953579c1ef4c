import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from monoscope.commands.features.table import marked
from monoscope.commands.run_folder import RunFolder
from monoscope.commands.terminal import visible
from monoscope.features import FeatureIndex
from monoscope.features.filter_text import read_filter

from .conftest import Line

KEYS = {"feature", "address", "score", "description", "density", "max_activation", "why"}
NASTY = {
    "control characters": "a\x1b[31m red\x07 \x9b1m bridge\x7f",
    "turned around": "a \u202ebridge\u2066",
    "right to left": "הגשר הישן",
    "emoji": "I like 🌉👩‍👩‍👧",
    "long": "bridge" * 17_000,
    "signs": "%_'\"; DROP TABLE feature; --",
    "zero": "a\x00b",
}
"""Texts that people give by accident or on purpose."""


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


BY = {
    "token": " bridge",
    "promotes": " bridge",
    "description": "bridge",
    "text": "the old bridge crosses the water",
    "concept": "bridge",
}


@pytest.mark.parametrize("by", BY)
def test_every_kind_of_search_gives_the_same_kind_of_results(
    line: Line, complete_run: RunFolder, by: str
) -> None:
    words = ("features", "search", complete_run.path, BY[by], "--by", by)
    result = line.json(*words, "--limit", 4)
    assert (result["query"], result["by"], result["where"]) == (BY[by], by, "")
    assert 1 <= len(result["results"]) <= 4
    scores = [each["score"] for each in result["results"]]
    assert scores == sorted(scores, reverse=True)
    assert all(set(each) > KEYS for each in result["results"] if by != "description")
    few = line.json(*words, "--where", f"feature!={result['results'][0]['feature']} & alive", "--limit", 3)
    assert few["results"] == result["results"][1:4]
    assert line(*words) == 0
    assert result["results"][0]["why"] in line.err
    assert visible(result["results"][0]["description"]) in line.err
    assert line(*words, "--where", "density>1") == 0
    assert line.err.strip().endswith("and passes density>1")


def test_a_concept_is_marked_as_well_as_the_numbers_say(line: Line, complete_run: RunFolder) -> None:
    result = line.json("features", "search", complete_run.path, "BRIDGE", "--by", "concept", "--limit", 48)
    for each in result["results"]:
        assert each["kind"] in ("mention", "passage")
        assert 0 < each["precision"] <= 1
        both = each["precision"] + each["recall"]
        assert each["score"] == pytest.approx(2 * each["precision"] * each["recall"] / both)
    # A third of the text is about it: marking everything has an F1 of a half.
    assert result["results"][0]["score"] > 0.5
    sentence, hint = line.refused(2, "features", "search", complete_run.path, "bridges", "--by", "concept")
    assert "not tagged with 'bridges'" in sentence
    assert "bridge" in hint
    words = ("features", "search", complete_run.path, "king", "--by", "concept", "--tokens", 2)
    assert "in both halves" in line.refused(2, *words)[0]


def test_neighbours_of_a_feature(line: Line, complete_run: RunFolder) -> None:
    index = FeatureIndex.open(complete_run.features)
    feature = int(index.alive[0])
    result = line.json("features", "near", complete_run.path, feature, "--limit", 3)
    record = index.record(feature)
    assert (result["query"], result["description"]) == (feature, record.description)
    assert [each["feature"] for each in result["results"]] == [each.feature for each in record.neighbours[:3]]
    assert [each["score"] for each in result["results"]] == pytest.approx(
        [each.cosine for each in record.neighbours[:3]], abs=1e-5
    )
    assert line("features", "near", complete_run.path, feature) == 0
    assert "cosine" in line.err
    assert "no feature 48" in line.refused(2, "features", "near", complete_run.path, 48)[0]
    company = ("features", "near", complete_run.path, feature, "--by", "coactivation")
    if hasattr(record, "coactive"):
        found = {each["feature"] for each in line.json(*company)["results"]}
        assert found == {each.feature for each in record.coactive}
    else:
        assert "which features fire together" in line.refused(2, *company)[0]


def test_examples_against_counterexamples(line: Line, complete_run: RunFolder) -> None:
    words = ["features", "contrast", complete_run.path, "--limit", "48"]
    bridges = ["--all-of", "fog hides the bridge", "--all-of", "the old bridge"]
    dogs = ["--none-of", "the happy dog ran"]
    result = line.json(*words, *bridges, *dogs)
    assert result["query"] == {
        "all_of": ["fog hides the bridge", "the old bridge"],
        "none_of": ["the happy dog ran"],
    }
    assert result["n_texts"] == [2, 1]
    strict = line.json(*words, *bridges, *dogs, "--strict")["results"]
    assert strict == [each for each in result["results"] if (each["positive"], each["negative"]) == (2, 0)]
    fires = {
        text: {
            each["feature"]
            for each in line.json("features", "on", complete_run.path, text, "--limit", 48)["features"]
        }
        for text in (bridges[1], bridges[3], dogs[1])
    }
    expected = fires[bridges[1]] & fires[bridges[3]] - fires[dogs[1]]
    assert {each["feature"] for each in strict} == expected
    assert line(*words, *bridges, *dogs) == 0
    assert "2 texts" in line.err
    assert "against 1 text (" in line.err
    assert line(*words, *bridges) == 0
    assert "against the indexed corpus" in line.err


def test_two_corpora(line: Line, complete_run: RunFolder, tmp_path: Path) -> None:
    for name, text in {"bridge": "fog hides the old bridge", "dog": "the happy dog ran to the park"}.items():
        lines = [json.dumps({"text": f"{text} {number}"}) for number in range(30)]
        (tmp_path / f"{name}.jsonl").write_text("\n".join(lines))
    here, there = tmp_path / "bridge.jsonl", tmp_path / "dog.jsonl"
    words = ("features", "contrast", complete_run.path, "--limit", 3)
    result = line.json(*words, "--corpus", here, "--against", there)
    assert result["n_texts"] == [30, 30]
    best = result["results"][0]
    assert best["rate"] > best["rate_against"]
    assert best["score"] == best["low"] < best["log_odds"] < best["high"]
    other = line.json(*words, "--corpus", there, "--against", here)
    assert not {each["feature"] for each in other["results"]} & {
        each["feature"] for each in result["results"]
    }
    assert line.json(*words, "--corpus", here, "--against", there, "--tokens", 20)["n_texts"][0] < 10
    assert line(*words, "--corpus", here, "--against", there) == 0
    assert "log-odds" in line.err
    assert line(*words, "--corpus", here, "--against", here) == 0
    assert "no feature tells them apart" in line.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "there is nothing to compare"),
        (("--none-of", "a"), "should be active on"),
        (("--corpus", "a"), "nothing to be compared with"),
        (("--all-of", "a", "--corpus", "b", "--against", "c"), "both given"),
        (("--corpus", "a", "--against", "b", "--strict"), "--strict is about examples"),
        (("--corpus", "nowhere.txt", "--against", "b"), "no corpus nowhere.txt"),
        (("--all-of", "a", "--none-of", ""), "text 1 is empty"),
        (("--all-of", "a", "--tokens", "0"), "reads nothing"),
        (("--all-of", "a", "--limit", "0"), "--limit 0"),
        (("--all-of", "a", "--where", "density<"), "ends at character 9"),
    ],
)
def test_what_cannot_be_contrasted(
    line: Line, complete_run: RunFolder, words: tuple[str, ...], said: str
) -> None:
    assert said in line.refused(2, "features", "contrast", complete_run.path, *words)[0]


def test_attribution_to_a_difference_of_logits(line: Line, complete_run: RunFolder) -> None:
    words = ("features", "attribute", complete_run.path, "the old bridge", "--token", " the")
    result = line.json(*words, "--against", " bridge", "--limit", 48)
    turned = line.json("features", "attribute", complete_run.path, "the old bridge", "--token", " bridge",
                       "--against", " the", "--limit", 48)  # fmt: skip
    assert result["difference"] == pytest.approx(-turned["difference"])
    assert result["attributed"] == pytest.approx(-turned["attributed"], abs=1e-5)
    both = [each["score"] for each in result["results"]] + [-each["score"] for each in turned["results"]]
    assert result["attributed"] == pytest.approx(sum(both), abs=1e-4)
    measured = np.array([each["ablation"] for each in result["results"]])
    assert np.corrcoef(measured, [each["score"] for each in result["results"]])[0, 1] > 0.5
    assert line(*words, "--against", " bridge") == 0
    assert "logits against ' bridge'" in line.err
    assert "measured" in line.err
    assert "'xyzzy'" in line.refused(2, *words, "--against", "xyzzy")[0]
    assert "against itself" in line.refused(2, *words, "--against", " the")[0]
    assert "prompt is empty" in line.refused(2, *words[:3], " ", *words[4:], "--against", " bridge")[0]


@pytest.mark.parametrize("by", ["both", "effect", "token", "promotes", "description", "text", "concept"])
@pytest.mark.parametrize("text", NASTY.values(), ids=NASTY)
def test_no_text_crashes_a_search_or_reaches_the_terminal_raw(
    line: Line, complete_run: RunFolder, by: str, text: str
) -> None:
    code = line("features", "search", complete_run.path, text, "--by", by, "--limit", 2)
    assert code == (2 if by in ("token", "promotes", "concept") else 0), line.err
    assert not set(line.err + line.out) & set("\x00\x1b\x07\x7f\x9b\u202e\u2066")
    assert len(line.err) < 3000
    assert "defect" not in line.err
    if by == "text":
        result = line.json("features", "search", complete_run.path, text, "--by", by)
        assert result["query"] == text
        assert result["results"]
        assert not set(line.out) & set("\x00\x1b\x07\x7f\x9b\u202e\u2066")


@pytest.mark.parametrize("text", NASTY.values(), ids=NASTY)
def test_no_text_crashes_what_fires_on_it(line: Line, complete_run: RunFolder, text: str) -> None:
    result = line.json("features", "on", complete_run.path, text, "--limit", 2)
    assert not set(line.out) & set("\x00\x1b\x07\x7f\x9b\u202e\u2066")
    # Tokens of a part of a character are written as bytes, and put together they are the text.
    assert marked(["|", *result["tokens"]], [1.0] + [0.0] * len(result["tokens"])) == f"[|]{text}"
    assert line("features", "on", complete_run.path, text, "--limit", 2) == 0
    assert not set(line.err) & set("\x00\x1b\x07\x7f\x9b\u202e\u2066")


def test_a_filter_goes_for_what_fires_on_a_text_too(line: Line, complete_run: RunFolder) -> None:
    words = ("features", "on", complete_run.path, "fog hides the towers", "--limit", 48)
    every = line.json(*words)["features"]
    index = FeatureIndex.open(complete_run.features)
    kept = read_filter("density<20%").mask(index)
    assert line.json(*words, "--where", "density<20%")["features"] == [
        each for each in every if kept[each["feature"]]
    ]
    assert line(*words, "--where", "density>1") == 0
    assert "no feature" in line.err
    assert "character 1" in line.refused(2, *words, "--where", "densty<1")[0]


def test_half_a_character_on_the_command_line(line: Line, complete_run: RunFolder) -> None:
    for verb in (("search",), ("on",), ("attribute",)):
        more = ("--token", " the", "--against", " bridge") if verb == ("attribute",) else ()
        sentence, _ = line.refused(2, "features", *verb, complete_run.path, "a\udc80b", *more)
        assert "half a character" in sentence


def test_a_feature_that_never_fired(line: Line, complete_run: RunFolder) -> None:
    index = FeatureIndex.open(complete_run.features)
    dead = sorted(set(range(48)) - set(index.alive.tolist()))
    if not dead:
        pytest.skip("every feature of this run fired")
    record = line.json("features", "show", complete_run.path, dead[0])
    assert (record["n_active"], record["examples"]) == (0, [])
    assert line("features", "show", complete_run.path, dead[0]) == 0
    assert "never active" in line.err
    assert line("features", "near", complete_run.path, dead[0]) == 0


def test_characters_split_over_tokens_are_put_together() -> None:
    assert marked(["I", " like", " ", "<0xF0><0x9F>", "<0x8C>", "<0x89>", "!"], [0, 0, 0, 0, 1, 0, 0]) == (
        "I like [🌉]!"
    )
    assert marked(["<0xF0>", " a"], [0, 1]) == "<0xF0>[ a]"
    assert marked(["a\n", "b"], [0, 1]) == "a⏎[b]"
    assert marked(["<0x20><0xD7>", "<0xA9>", "<0xD7>", "<0x9C>"], [0, 0, 0, 1]) == " ש[ל]"
