import json
import math
from dataclasses import replace

import pytest

from monoscope.errors import UnknownName, WrongUse
from monoscope.intervene.dose import (
    Dose,
    clamps,
    dose_response,
    rank_by_effect,
    readability,
    recommended,
    undosed,
)
from monoscope.intervene.edits import Ablate, Clamp
from monoscope.intervene.likelihood import continuation_perplexity
from monoscope.intervene.prompts import story_beginnings
from monoscope.intervene.steer import steer

PROMPTS = list(story_beginnings()[:6])
DRAWN = {"words": ["sea"], "prompts": PROMPTS, "n_tokens": 16, "seed": 1}


def dose(multiple, mention_share, distinct_2=0.9, perplexity=10.0) -> Dose:
    return Dose(
        multiple=None if multiple is None else float(multiple),
        topic_rate=0.1,
        mention_share=float(mention_share),
        mention_low=0.0,
        mention_high=1.0,
        distinct_2=distinct_2,
        perplexity=perplexity,
        n_words=100,
        topic_words=10,
        samples=("a b",),
    )


def test_the_topic_takes_over_and_then_the_text_falls_apart(tiny_llama, topical):
    doses = dose_response(tiny_llama, topical, 5, multiples=(0, 2, 10, 100), **DRAWN)
    assert [each.multiple for each in doses] == [0, 2, 10, 100]
    rates = [each.topic_rate for each in doses]
    assert rates == sorted(rates)
    assert rates[0] < 0.1 < 0.5 < rates[2]
    assert doses[2].mention_share == 1
    assert doses[3].distinct_2 < 0.3 < 0.9 < doses[0].distinct_2


def test_a_dose_is_what_its_samples_say(tiny_llama, topical):
    (found,) = dose_response(tiny_llama, topical, 5, multiples=[3], **DRAWN)
    with steer(tiny_llama, topical, {5: Clamp(3)}):
        samples = tiny_llama.generate(PROMPTS, n_tokens=16, seed=1)
    assert list(found.samples) == samples
    assert found.perplexity == pytest.approx(continuation_perplexity(tiny_llama, PROMPTS, samples))
    assert found.mention_share == sum(_mentions(text) > 0 for text in samples) / 6
    assert found.topic_words == sum(_mentions(text) for text in samples)
    assert found.mention_low < found.mention_share < found.mention_high or found.mention_share in (0, 1)
    assert json.loads(json.dumps(found.to_json()))["samples"] == samples


def _mentions(text: str) -> int:
    letters = "".join(letter if letter.isalnum() or letter == "_" else " " for letter in text.lower())
    return letters.split().count("sea")


def test_multiple_zero_is_the_feature_switched_off(tiny_llama, topical):
    (off,) = dose_response(tiny_llama, topical, 5, multiples=[0], **DRAWN)
    with steer(tiny_llama, topical, {5: Ablate()}):
        assert list(off.samples) == tiny_llama.generate(PROMPTS, n_tokens=16, seed=1)


def test_the_model_as_it_is(tiny_llama, topical):
    clean = undosed(tiny_llama, **DRAWN)
    assert clean.multiple is None
    assert list(clean.samples) == tiny_llama.generate(PROMPTS, n_tokens=16, seed=1)


def test_several_features_with_weights(tiny_llama, topical):
    topical.max_activation[7] = 2
    (found,) = dose_response(tiny_llama, topical, {5: 1, 7: -0.5}, multiples=[4], **DRAWN)
    with steer(tiny_llama, topical, {5: Clamp(value=12), 7: Clamp(value=-4)}):
        assert list(found.samples) == tiny_llama.generate(PROMPTS, n_tokens=16, seed=1)
    assert clamps(5, 2) == {5: Clamp(2.0)}


def test_progress_and_defaults(tiny_llama, topical):
    seen = []
    doses = dose_response(
        tiny_llama,
        topical,
        5,
        words=["sea"],
        n_tokens=2,
        multiples=(0, 1),
        progress=lambda *at: seen.append(at),
    )
    assert seen == [(1, 2), (2, 2)]
    assert len(doses[0].samples) == 60


@pytest.mark.parametrize(
    "wrong",
    [{"words": []}, {"prompts": []}, {"multiples": []}, {"words": ["?"]}],
    ids=lambda wrong: str(wrong),
)
def test_nothing_to_measure(tiny_llama, topical, wrong):
    with pytest.raises(WrongUse):
        dose_response(tiny_llama, topical, 5, **(DRAWN | wrong))


def test_features_that_are_none(tiny_llama, topical):
    with pytest.raises(WrongUse, match="no feature"):
        dose_response(tiny_llama, topical, {}, **DRAWN)
    with pytest.raises(UnknownName):
        dose_response(tiny_llama, topical, 999, **DRAWN)


def test_recommended_is_the_readable_dose_with_most_mentions():
    zero = dose(0, 0.02)
    two, five, ten = dose(2, 0.3), dose(5, 0.8), dose(10, 1.0, distinct_2=0.2)
    assert recommended([zero, two, five, ten]) is five
    assert recommended([ten, five, zero, two]) is five
    assert recommended([zero, two, replace(five, perplexity=31.0)]) is two
    assert recommended([zero, replace(five, perplexity=30.0)]) is not None
    assert recommended([zero, five, dose(7, 0.8)]) is five
    assert recommended([zero, dose(-5, 1.0), dose(None, 1.0)]) is None
    assert recommended([zero, dose(2, 0.02), ten]) is None
    assert recommended([zero, dose(2, 0.9, perplexity=None)]) is None
    with pytest.raises(WrongUse, match="multiple 0"):
        recommended([two, five])


def test_readability_falls_with_repetition_and_with_nonsense():
    clean = dose(0, 0.0, distinct_2=0.9, perplexity=10.0)
    assert readability(clean, clean) == 1
    assert readability(dose(1, 0, distinct_2=0.54, perplexity=30.0), clean) == pytest.approx(1)
    assert readability(dose(1, 0, distinct_2=0.27), clean) == pytest.approx(0.5)
    assert readability(dose(1, 0, perplexity=120.0), clean) == pytest.approx(0.25)
    assert readability(dose(1, 0, distinct_2=0.27, perplexity=120.0), clean) == pytest.approx(0.125)
    assert readability(dose(1, 0, perplexity=None), clean) == 0


def test_ranking_finds_the_feature_that_writes_the_word(tiny_llama, topical):
    seen = []
    effects = rank_by_effect(
        tiny_llama,
        topical,
        [1, 5, 9],
        ["sea"],
        PROMPTS,
        multiples=(2, 5),
        n_tokens=15,
        progress=lambda *at: seen.append(at),
    )
    assert seen == [(1, 3), (2, 3), (3, 3)]
    assert effects[0].feature == 5
    assert effects[0].score > 2 * effects[1].score
    clean = undosed(tiny_llama, words=["sea"], prompts=PROMPTS, n_tokens=15)
    for effect in effects:
        scores = [each.mention_share * readability(each, clean) for each in effect.doses]
        assert effect.score == max(scores)
        assert effect.best in effect.doses
        assert math.isclose(effect.score, effect.best.mention_share * effect.readability)
