import json
from pathlib import Path

import pytest

from monoscope.commands.asked_edits import edits_of
from monoscope.commands.names import strengths_of
from monoscope.commands.open_run import OpenRun
from monoscope.commands.progress import Reporter
from monoscope.commands.run_folder import RunFolder
from monoscope.commands.steer import SteerOptions
from monoscope.errors import WrongUse
from monoscope.features import FeatureIndex
from monoscope.intervene import Ablate, Add, Clamp, Scale
from monoscope.vectors import ControlVector, save

from .conftest import Line

PROMPT = "the king"


@pytest.fixture
def feature(complete_run: RunFolder) -> int:
    index = FeatureIndex.open(complete_run.features)
    return int(index.statistics()["max_activation"].argmax())


def test_a_clamp_changes_what_is_written_and_nothing_else(
    line: Line, complete_run: RunFolder, feature: int
) -> None:
    words = (
        "steer",
        complete_run.path,
        "--feature",
        feature,
        "--prompt",
        PROMPT,
        "--tokens",
        12,
        "--seed",
        4,
    )
    pushed = line.json(*words, "--clamp", 20)
    assert {"prompt", "default", "steered", "edits", "seed"} <= set(pushed)
    assert pushed["prompt"] == PROMPT
    assert pushed["seed"] == 4
    assert pushed["edits"][0] | {"max_activation": 0, "description": ""} == {
        "feature": feature,
        "edit": "clamp",
        "strength": 20,
        "max_activation": 0,
        "description": "",
    }
    assert pushed["steered"] != pushed["default"]
    same = line.json(*words, "--scale", 1)
    assert same["steered"] == same["default"] == pushed["default"]


def test_steering_for_people(line: Line, complete_run: RunFolder, feature: int) -> None:
    assert (
        line("steer", complete_run.path, "--feature", feature, "--ablate", "--prompt", PROMPT, "--tokens", 3)
        == 0
    )
    assert line.out == ""
    assert "default:" in line.err
    assert f"steered (ablate feature {feature}):" in line.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "no change was asked for"),
        (("--clamp", 10, "--ablate"), "--clamp and --ablate"),
        (("--clamp", 1, "--clamp", 2), "2 strengths were given for 1 features"),
        (("--clamp", "nan"), "nan is no strength"),
    ],
)
def test_changes_that_cannot_be_made(line: Line, complete_run: RunFolder, words: tuple, said: str) -> None:
    sentence, _ = line.refused(2, "steer", complete_run.path, "--feature", 1, "--prompt", PROMPT, *words)
    assert said in sentence


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "no feature was named"),
        (("--feature", 1, "--steering", "2*1"), "--feature and --steering were given"),
        (("--steering", "2*1", "--clamp", 3), "--steering says all that is done"),
        (("--steering", "2*1", "--scope", "prompt"), "--steering says all that is done"),
        (("--steering", '{"edits": ['), "the steering is no JSON"),
        (("--steering", "2*1@promt"), "'promt' is no scope"),
        (("--steering", "2*qqqqqq"), "'qqqqqq' is no feature, vector or preset"),
        (("--feature", 1, "--clamp", 1, "--system", "x"), "--system was given without --chat"),
        (("--feature", 1, "--clamp", 1, "--watch", 9999), "9999 is no feature"),
        (("--vector", "x", "--add", 1), "'x' is no vector of"),
        (("--feature", 1, "--calibrate"), "--calibrate writes from prompts of its own"),
    ],
)
def test_steerings_that_cannot_be_carried_out(
    line: Line, complete_run: RunFolder, words: tuple, said: str
) -> None:
    sentence, _ = line.refused(2, "steer", complete_run.path, "--prompt", PROMPT, *words)
    assert said in sentence


def test_options_an_expression_and_json_say_the_same(
    line: Line, complete_run: RunFolder, feature: int, tmp_path: Path
) -> None:
    words = ("steer", complete_run.path, "--prompt", PROMPT, "--tokens", 8)
    told = {"edits": [{"feature": feature, "clamp": 9, "scope": "generated"}]}
    file = tmp_path / "steering.json"
    file.write_text(json.dumps(told))
    by_options = line.json(*words, "--feature", feature, "--clamp", 9, "--scope", "generated")
    assert by_options["edits"][0]["scope"] == "generated"
    for steering in (f"9*{feature}@generated", json.dumps(told), f"@{file}"):
        assert line.json(*words, "--steering", steering) == by_options


def with_clamp(run: RunFolder, feature: int, tokens: int) -> tuple:
    """The command with one feature held."""
    held = ("--feature", feature, "--clamp", 9)
    return ("steer", run.path, *held, "--prompt", PROMPT, "--tokens", tokens)


def test_texts_end_before_a_stop_string(line: Line, complete_run: RunFolder, feature: int) -> None:
    words = with_clamp(complete_run, feature, tokens=20)
    whole = line.json(*words)
    stop = whole["default"][5:8]
    cut = line.json(*words, "--stop", stop)
    assert cut["default"] == whole["default"].split(stop)[0]
    assert cut["steered"] == whole["steered"].split(stop)[0]
    assert cut["finish"]["default"] == "stop"


def test_watched_features_are_told_for_every_token(line: Line, complete_run: RunFolder, feature: int) -> None:
    words = with_clamp(complete_run, feature, tokens=6)
    told = line.json(*words, "--watch", feature, "--watch", 1)["watched"]
    assert [each["feature"] for each in told["features"]] == [feature, 1]
    for side in ("default", "steered"):
        assert len(told["tokens"][side]) == len(told["features"][0][side]) == 6
        assert told["tokens"][side][0].strip() == PROMPT.split()[1]
    clamped, left = (sum(told["features"][0][side]) for side in ("steered", "default"))
    assert clamped > left
    assert line(*words, "--watch", feature) == 0
    assert f"feature {feature}, mean over tokens read" in line.err


def test_a_conversation_is_continued(line: Line, complete_run: RunFolder, feature: int) -> None:
    words = ("steer", complete_run.path, "--feature", feature, "--ablate", "--tokens", 4, "--temperature", 0)
    told = line.json(*words, "--chat", "--system", "the fox", "--prompt", PROMPT)
    # Without a chat template the messages are lines of one text.
    assert told["default"] == line.json(*words, "--prompt", f"the fox\n{PROMPT}")["default"]


def test_a_calibrated_feature_and_a_vector_need_no_strength(
    line: Line, run_copy: RunFolder, feature: int
) -> None:
    words = ("steer", run_copy.path)
    made = ("--calibrate", "--strengths", 1, 3, "--words", "the", "--tokens", 6, "--controls", 1)
    found = line.json(*words, "--feature", feature, *made)
    assert [each["strength"] for each in found["settings"]] == [1, 3]
    opened = OpenRun.at(run_copy.path, Reporter())
    direction = opened.model_dictionary.directions[feature]
    vector = ControlVector(
        directions={1: direction}, d_model=len(direction), model_hash=opened.lm.hash, recommended=0.5
    )
    save(vector, run_copy.path / "vectors" / "along")
    record = run_copy.steering / str(feature) / "calibration.json"
    record.write_text(json.dumps(json.loads(record.read_text()) | {"recommended": 3.0}))
    assert strengths_of(run_copy) == {feature: 3.0}
    write = (*words, "--prompt", PROMPT, "--tokens", 8)
    usual = line.json(*write, "--steering", f"{feature} + along")
    assert [each["strength"] for each in usual["edits"]] == [3.0, 0.5]
    assert usual["steered"] == line.json(*write, "--steering", f"3*{feature} + 0.5*along")["steered"]
    assert line.json(*write, "--vector", "along", "--add", 2)["edits"][0]["vector"] == vector.hash
    assert line.json(*write, "--vector", "along")["edits"][0]["strength"] == 0.5
    swept = line.json(*words, "--vector", "along", *made)
    assert swept["subject"]["vector"] == vector.hash


def test_a_word_is_the_first_feature_found_for_it(line: Line, complete_run: RunFolder) -> None:
    index = FeatureIndex.open(complete_run.features)
    word = next(
        each.text.strip()
        for each in index.record(int(index.alive[0])).tokens
        if each.text.strip().isalpha() and index.search(each.text.strip())
    )
    told = line.json(
        "steer", complete_run.path, "--prompt", PROMPT, "--tokens", 3, "--steering", f"add:1*{word}"
    )
    assert told["edits"][0]["feature"] == index.search(word, limit=1)[0].feature


def test_a_feature_that_is_not_there(line: Line, complete_run: RunFolder) -> None:
    line.refused(2, "steer", complete_run.path, "--feature", 480, "--clamp", 2, "--prompt", PROMPT)


def test_strengths_are_shared_or_given_for_each_feature() -> None:
    def edits(**given: object) -> dict:
        return edits_of(SteerOptions(run=Path("r"), feature=(3, 5), prompt="x", **given))

    assert edits(clamp=(2.0,)) == {3: Clamp(2.0), 5: Clamp(2.0)}
    assert edits(add=(2.0, -1.0)) == {3: Add(2.0), 5: Add(-1.0)}
    assert edits(scale=(0.5,)) == {3: Scale(0.5), 5: Scale(0.5)}
    assert edits(ablate=True) == {3: Ablate(), 5: Ablate()}
    with pytest.raises(WrongUse, match="named twice"):
        edits_of(SteerOptions(run=Path("r"), feature=(3, 3), prompt="x", ablate=True))
