"""The strength of a run's feature or vector: looked for, kept, told."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from monoscope.commands import calibrate
from monoscope.commands.calibrate import calibrate_run, calibrations, recommended_strengths
from monoscope.commands.calibration_text import calibrate_run_text
from monoscope.commands.judging import judge_asked, own_judge, prompts_of
from monoscope.commands.open_run import OpenRun
from monoscope.commands.progress import Reporter
from monoscope.commands.run_folder import RunFolder
from monoscope.errors import BrokenInput, MissingInput, WrongUse
from monoscope.features.labels import Description, FeatureLabel
from monoscope.intervene.calibration import CalibrationOptions
from monoscope.intervene.calibration import calibrate as measure
from monoscope.intervene.judges import CommandJudge, TargetLogits, TopicJudge
from monoscope.intervene.steerable import Steerable, steerable_features, steerable_vector
from monoscope.manifest import read_manifest, write_manifest
from monoscope.vectors import ControlVector, load, save

OPTIONS = CalibrationOptions(strengths=(2.0, 0.5), n_prompts=3, n_tokens=6, controls=1, seed=3)


def nothing(done: int, total: int) -> None:
    """Nobody watches."""


def feature_of(opened: OpenRun) -> Steerable:
    return steerable_features(opened.model_dictionary, int(opened.dictionary.max_activation.argmax()))


def opened(folder: RunFolder) -> OpenRun:
    return OpenRun.at(folder.path, Reporter())


@pytest.fixture(scope="module")
def swept(
    complete_run: RunFolder, tmp_path_factory: pytest.TempPathFactory
) -> tuple[RunFolder, dict[str, Any]]:
    """A calibrated copy of the run; not to be changed."""
    path = tmp_path_factory.mktemp("calibrated") / "tiny"
    shutil.copytree(complete_run.path, path)
    folder = RunFolder(path)
    run = opened(folder)
    return folder, calibrate_run(run, feature_of(run), TopicJudge(["bridge", "the"]), OPTIONS, nothing)


def test_the_record_says_it_all_and_is_kept(swept: tuple[RunFolder, dict[str, Any]]) -> None:
    folder, result = swept
    assert {
        "run", "subject", "effect", "unit", "settings", "reference", "controls", "recommended", "why",
        "side_effects", "formulas", "figure", "seed",
    } <= set(result)  # fmt: skip
    assert result["effect"] == {
        "judge": "topic",
        "unit": "share of samples",
        "words": ["bridge", "the"],
        "chosen": "given",
    }
    assert [each["strength"] for each in result["settings"]] == [0.5, 2]
    assert "samples" not in result["settings"][0]
    assert result["settings"][0]["topic_rate"] >= 0
    assert result["options"]["n_prompts"] == len(result["pairs"]) == 3
    assert (result["seed"], result["unit"]) == (3, "largest activation")
    name = result["subject"]["name"]
    place = folder.steering / name
    assert sorted(each.name for each in place.iterdir()) == [
        "calibration.json",
        "figure.svg",
        "manifest.json",
    ]
    assert calibrations(folder) == {name: result}
    assert Path(result["figure"]).read_text(encoding="utf-8").startswith("<?xml")
    manifest = read_manifest(place, "calibration")
    assert manifest.parents == {
        "dictionary": read_manifest(folder.dictionary, "dictionary").hash,
        "model": folder.manifest().parents["model"],
    }
    json.dumps(result, allow_nan=False)


def test_the_numbers_are_those_of_the_sweep(swept: tuple[RunFolder, dict[str, Any]]) -> None:
    folder, result = swept
    run = opened(folder)
    found = measure(run.lm, feature_of(run), TopicJudge(["bridge", "the"]), OPTIONS).to_json()
    for key in ("controls", "recommended", "why"):
        assert found[key] == result[key]
    for mine, kept in zip(found["settings"], result["settings"], strict=True):
        assert mine.items() <= kept.items()


def test_what_moves_has_descriptions_and_a_baseline(swept: tuple[RunFolder, dict[str, Any]]) -> None:
    _, result = swept
    moves = result["side_effects"]
    listed = [
        each for name in ("same_tokens", "written") for way in ("up", "down") for each in moves[name][way]
    ]
    assert listed
    assert all(each["description"] for each in listed)
    assert str(result["subject"]["name"]) not in {str(each["feature"]) for each in listed}
    assert moves["random_direction"]["same_tokens"][0] > 0


def test_for_people(swept: tuple[RunFolder, dict[str, Any]]) -> None:
    _, result = swept
    text = calibrate_run_text(result)
    assert "bridge, the (given)" in text
    assert "unsteered" in text
    assert result["why"] in text
    assert "<- knee" in calibrate_run_text(result | {"recommended": 2.0})
    assert "<- knee" not in calibrate_run_text(result | {"recommended": None})
    none = calibrate_run_text(result | {"recommended": None, "pairs": [], "side_effects": None})
    assert "recommended: none" in none


def test_a_calibration_of_another_dictionary_is_not_used(
    swept: tuple[RunFolder, dict[str, Any]], tmp_path: Path
) -> None:
    shutil.copytree(swept[0].path, tmp_path / "tiny")
    folder = RunFolder(tmp_path / "tiny")
    assert len(calibrations(folder)) == 1
    manifest = read_manifest(folder.dictionary, "dictionary")
    write_manifest(folder.dictionary, replace(manifest, hash="0" * 16))
    assert calibrations(folder) == {}
    assert recommended_strengths(folder) == {}
    write_manifest(folder.dictionary, manifest)
    (place,) = folder.steering.iterdir()
    (place / "calibration.json").write_text("{", encoding="utf-8")
    with pytest.raises(BrokenInput):
        calibrations(folder)


def test_a_run_without_calibrations(complete_run: RunFolder) -> None:
    assert calibrations(complete_run) == {}


def test_an_interruption_leaves_what_was_there(
    swept: tuple[RunFolder, dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(swept[0].path, tmp_path / "tiny")
    folder = RunFolder(tmp_path / "tiny")
    before, run = calibrations(folder), opened(folder)

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        calibrate_run(run, feature_of(run), TopicJudge(["dog"]), OPTIONS, stop)
    monkeypatch.setattr(calibrate, "calibration_svg", stop)
    with pytest.raises(KeyboardInterrupt):
        calibrate_run(run, feature_of(run), TopicJudge(["dog"]), OPTIONS, nothing)
    assert calibrations(folder) == before
    assert [each.name for each in folder.steering.iterdir()] == list(before)


class Rising:
    """A judge for whom more is more."""

    name, unit, formula = "rising", "steps", "how often it was asked"

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, trial: Any) -> list[float]:
        self.asked += 1
        strength = trial.rules[0].edit.multiple if trial.rules else 0.0
        own = trial.rules and trial.rules[0].vector.method != "random"
        return [strength if own else 0.0] * len(trial.prompts)


def test_a_vector_is_told_its_strength_and_nothing_else_of_it_changes(run_copy: RunFolder) -> None:
    run = opened(run_copy)
    direction = torch.randn(32, generator=torch.Generator().manual_seed(0))
    made = ControlVector(
        directions={1: direction / direction.norm()}, norms={1: 4.0}, d_model=32, model_hash=run.lm.hash
    )
    place = run_copy.path / "vectors" / "calm"
    save(made, place, parents={"pairs": "feed"})
    (place / "figure.svg").write_text("a picture", encoding="utf-8")
    subject = steerable_vector(load(place), "calm")
    options = replace(OPTIONS, strengths=(0.01, 0.02))
    result = calibrate_run(run, subject, Rising(), options, nothing, vector_folder=place)
    assert result["recommended"] == 0.02
    assert recommended_strengths(run_copy) == {"calm": 0.02}
    kept = load(place)
    assert kept.recommended == 0.02
    assert kept == made
    assert read_manifest(place, "vector").parents["pairs"] == "feed"
    assert (place / "figure.svg").read_text(encoding="utf-8") == "a picture"
    assert result["side_effects"]["strength"] == 0.02
    assert read_manifest(run_copy.steering / "calm", "calibration").parents["vector"] == made.hash
    asked = Rising()
    with pytest.raises(WrongUse, match="another vector"):
        calibrate_run(run, steerable_vector(-made, "calm"), asked, options, nothing, vector_folder=place)
    assert asked.asked == 0
    with pytest.raises(WrongUse, match="nobody says"):
        calibrate_run(run, subject, None, options, nothing)
    for name in ("412", "../calm", ".calm", ""):
        with pytest.raises(WrongUse, match="no name for a calibration"):
            calibrate_run(run, steerable_vector(made, name), Rising(), options, nothing)


def test_own_words(complete_run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    run = opened(complete_run)
    index, subject = run.features(), feature_of(run)
    (feature,) = subject.rule.features
    monkeypatch.setattr("monoscope.commands.judging.own_words", lambda record: {"fog": 0.9, "sea": 0.1})
    judge, said = own_judge(run, subject, index)
    assert judge.topic.words == ("fog", "sea")
    assert said == {"words": ["fog", "sea"], "chosen": f"the words that feature {feature} fires on"}
    marked = FeatureLabel(feature, (Description("planted", "golden_gate_bridge", {"f1": 0.9}),))
    monkeypatch.setattr(OpenRun, "labels_if_any", lambda self, index: {feature: marked})
    judge, said = own_judge(run, subject, index)
    assert "cables" in judge.topic.words
    assert said["chosen"] == f"the words that mark golden_gate_bridge, the concept of feature {feature}"
    monkeypatch.setattr(OpenRun, "labels_if_any", lambda self, index: None)
    monkeypatch.setattr("monoscope.commands.judging.own_words", lambda record: {})
    with pytest.raises(WrongUse, match="no words of their own"):
        own_judge(run, subject, index)


def test_the_judge_that_is_asked_for(complete_run: RunFolder) -> None:
    lm = opened(complete_run).lm
    assert judge_asked(lm, (), (), "") is None
    words = judge_asked(lm, ("bridge",), (), "")
    assert isinstance(words, TopicJudge)
    assert words.topic.words == ("bridge",)
    targets = judge_asked(lm, (), (" sea",), "")
    assert isinstance(targets, TargetLogits)
    assert len(targets.tokens) == 1
    program = judge_asked(lm, (), (), "python 'my judge.py' --fast", "stars")
    assert program == CommandJudge(["python", "my judge.py", "--fast"], "stars")
    with pytest.raises(WrongUse, match="words and a program were given"):
        judge_asked(lm, ("bridge",), (), "judge")
    with pytest.raises(WrongUse, match="no command line"):
        judge_asked(lm, (), (), "judge 'fast")


def test_prompts_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "prompts.txt"
    file.write_text("the king\n\n  the dog \n", encoding="utf-8")
    assert prompts_of(file) == ("the king", "  the dog ")
    with pytest.raises(MissingInput, match="there is no file"):
        prompts_of(tmp_path / "none.txt")
    file.write_text("\n \n", encoding="utf-8")
    with pytest.raises(BrokenInput, match="holds no prompt"):
        prompts_of(file)
    file.write_bytes(b"\xff\xfe\xff")
    with pytest.raises(BrokenInput, match="no text"):
        prompts_of(file)


def test_prompts_that_are_too_long_are_left_out(run_copy: RunFolder) -> None:
    run = opened(run_copy)
    prompts = ["the king", "fog " * 200, "the dog"]
    result = calibrate_run(run, feature_of(run), TopicJudge(["dog"]), OPTIONS, nothing, prompts=prompts)
    assert [pair["prompt"] for pair in result["pairs"]] == ["the king", "the dog"]
    with pytest.raises(WrongUse, match="none of 1 prompts leaves room"):
        calibrate_run(run, feature_of(run), TopicJudge(["dog"]), OPTIONS, nothing, prompts=[prompts[1]])
