from pathlib import Path

import pytest

from monoscope.commands.asked_edits import edits_of
from monoscope.commands.run_folder import RunFolder
from monoscope.commands.steer import SteerOptions
from monoscope.errors import WrongUse
from monoscope.features import FeatureIndex
from monoscope.intervene import Ablate, Add, Clamp, Scale

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
