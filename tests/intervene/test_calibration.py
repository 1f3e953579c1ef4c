"""A sweep of strengths: what each number is, and what it is compared with."""

import json

import numpy as np
import pytest
import torch

from monoscope.errors import MismatchedArtefact, UnknownName, WrongUse
from monoscope.intervals import interval, wilson
from monoscope.intervene import Add, dose_response, story_beginnings, undosed
from monoscope.intervene.calibration import Calibration, CalibrationOptions, calibrate
from monoscope.intervene.judges import TargetLogits, TopicJudge
from monoscope.intervene.readability import readability
from monoscope.intervene.steerable import steerable_features, steerable_vector
from monoscope.vectors import ControlVector

PROMPTS = story_beginnings()[:6]
OPTIONS = CalibrationOptions(strengths=(4.0, 0.5, 2.0), n_prompts=5, n_tokens=10, controls=2, seed=1)


@pytest.fixture
def swept(tiny_llama, topical) -> tuple[Calibration, list]:
    seen: list = []
    found = calibrate(
        tiny_llama,
        steerable_features(topical, 5),
        TopicJudge(["sea"]),
        OPTIONS,
        prompts=PROMPTS,
        progress=lambda *at: seen.append(at),
    )
    return found, seen


def test_a_setting_is_what_a_dose_is(tiny_llama, topical, swept) -> None:
    found, _ = swept
    drawn = {"words": ["sea"], "prompts": PROMPTS[:5], "n_tokens": 10, "seed": 1}
    doses = [
        undosed(tiny_llama, **drawn),
        *dose_response(tiny_llama, topical, 5, multiples=(0.5, 2, 4), **drawn),
    ]
    assert [each.strength for each in (found.reference, *found.settings)] == [0, 0.5, 2, 4]
    for setting, dose in zip((found.reference, *found.settings), doses, strict=True):
        assert setting.samples == dose.samples
        assert (setting.effect, setting.low, setting.high) == (
            dose.mention_share,
            dose.mention_low,
            dose.mention_high,
        )
        assert (setting.distinct_2, setting.perplexity) == (dose.distinct_2, dose.perplexity)
        assert readability(setting, found.reference) == readability(dose, doses[0])
    assert found.reference.kl == pytest.approx(0, abs=1e-6)
    assert 0 < found.settings[0].kl < found.settings[1].kl < found.settings[2].kl


def test_controls_are_measured_at_every_strength(tiny_llama, topical, swept) -> None:
    found, seen = swept
    assert seen == [(done, 16) for done in range(1, 17)]
    assert [each.kind for each in found.controls] == ["feature", "feature", "direction", "direction"]
    judge = TopicJudge(["sea"])
    for each in found.controls[:2]:
        assert int(each.name) != 5
        doses = dose_response(
            tiny_llama,
            topical,
            int(each.name),
            words=["sea"],
            multiples=(0.5, 2, 4),
            prompts=PROMPTS[:5],
            n_tokens=10,
            seed=1,
        )
        assert each.effects == tuple(
            sum(map(judge.topic.mentioned, dose.samples)) / len(dose.samples) for dose in doses
        )
    record = json.loads(json.dumps(found.to_json(), allow_nan=False))
    effects = np.array([each["effects"] for each in record["controls"]["each"]])
    assert record["controls"]["mean"] == pytest.approx(effects.mean(0).tolist())
    assert record["controls"]["high"] == effects.max(0).tolist()
    assert "samples" not in record["settings"][0]
    assert [each["readability"] for each in record["settings"]] == [
        readability(each, found.reference) for each in found.settings
    ]
    assert (record["recommended"], record["why"]) == (found.recommended, found.verdict.why)


def test_a_vector_and_a_judge_of_numbers(tiny_llama, topical) -> None:
    vector = ControlVector(
        directions={2: topical.directions[5].clone()}, norms={2: 3.0}, d_model=32, model_hash=tiny_llama.hash
    )
    token = tiny_llama.vocabulary_strings().index(" sea")
    options = CalibrationOptions(strengths=(0.2, 1.0), n_prompts=5, n_tokens=4, controls=2)
    subject = steerable_vector(vector, "sea")
    found = calibrate(tiny_llama, subject, TargetLogits([token]), options, prompts=PROMPTS)
    assert (found.reference.effect, found.reference.low, found.reference.high) == (0, 0, 0)
    assert 0 < found.settings[0].effect < found.settings[1].effect
    for each in found.settings:
        assert each.low <= each.effect <= each.high
        assert each.low < each.high
    assert [each.kind for each in found.controls] == ["direction", "direction"]
    assert max(each.effects[1] for each in found.controls) < found.settings[1].effect
    assert found.recommended in (None, 0.2, 1.0)


def test_strength_nought_is_the_model_as_it_is(tiny_llama, topical) -> None:
    subject = steerable_features(topical, 5, Add(1))
    options = CalibrationOptions(strengths=(1e-9,), n_prompts=3, n_tokens=6, controls=1)
    found = calibrate(tiny_llama, subject, TopicJudge(["sea"]), options, prompts=PROMPTS)
    assert found.settings[0].samples == found.reference.samples
    assert found.settings[0].kl == pytest.approx(0, abs=1e-6)
    assert found.recommended is None
    assert "no readable strength has more" in found.verdict.why


def test_intervals() -> None:
    assert interval([True, False, True], 0) == wilson(2, 3)
    values = np.random.default_rng(0).normal(3, 2, 400).tolist()
    low, high = interval(values, 0)
    assert low < np.mean(values) < high
    assert high - low == pytest.approx(2 * 1.96 * np.std(values) / 20, rel=0.1)
    assert (low, high) == interval(values, 0)
    assert interval([0.5] * 4, 0) == (0.5, 0.5)


@pytest.mark.parametrize(
    "wrong",
    [
        {"strengths": (0.0, 1.0)},
        {"strengths": (1.0, 1.0)},
        {"strengths": (float("inf"),)},
        {"controls": 0},
        {"n_prompts": 0},
        {"n_tokens": 0},
    ],
    ids=str,
)
def test_options_that_cannot_be(wrong) -> None:
    with pytest.raises(WrongUse):
        CalibrationOptions(**wrong)


def test_what_cannot_be_calibrated(tiny_llama, topical) -> None:
    judge = TopicJudge(["sea"])
    with pytest.raises(WrongUse, match="no prompt"):
        calibrate(tiny_llama, steerable_features(topical, 5), judge, OPTIONS, prompts=[])
    with pytest.raises(UnknownName):
        calibrate(tiny_llama, steerable_features(topical, 999), judge, OPTIONS)
    other = ControlVector(directions={2: torch.ones(32)}, d_model=32, model_hash="beef")
    with pytest.raises(MismatchedArtefact):
        calibrate(tiny_llama, steerable_vector(other, "other"), judge, OPTIONS)


def test_a_judge_that_says_too_little(tiny_llama, topical) -> None:
    class Silent:
        name, unit, formula = "silent", "words", "none"

        def __call__(self, trial) -> list[float]:
            return [1.0]

    with pytest.raises(WrongUse, match="silent gave 1 effects for 5 prompts"):
        calibrate(tiny_llama, steerable_features(topical, 5), Silent(), OPTIONS, prompts=PROMPTS)
