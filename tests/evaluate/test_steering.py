import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from monoscope.activations import TokenRows
from monoscope.dictionaries import AutoencoderOptions, SparseAutoencoder, TopK
from monoscope.evaluate.describe import describe
from monoscope.evaluate.dose_curve import collapses, peak, rises
from monoscope.evaluate.steering import CHECKS, controlled, error_term, no_op, steering_checks, suppressed
from monoscope.evaluate.subject import Subject
from monoscope.intervene.dose import Dose, undosed
from monoscope.intervene.edits import Ablate, Clamp
from monoscope.intervene.prompts import story_beginnings
from monoscope.intervene.steer import steer
from monoscope.intervene.steerable import turned
from monoscope.models import LanguageModel

SEA, PROMPTS = 5, list(story_beginnings()[:8])


class Numbers:
    """An index of which all features are alive."""

    def random_alive(self, n: int, seed: int) -> list[int]:
        return np.random.default_rng(seed).permutation(96)[:n].tolist()


@pytest.fixture
def dictionary(tiny_llama: LanguageModel) -> SparseAutoencoder:
    """Feature 5 writes, and reads, the word "sea" in the last block; the others are random."""
    dictionary = SparseAutoencoder.initialise(
        tiny_llama.d_model,
        AutoencoderOptions(n_features=96, sparsifier=TopK(8)),
        seed=0,
        site="blocks.2.resid_post",
        model_hash=tiny_llama.hash,
    )
    word = tiny_llama.vocabulary_strings().index(" sea")
    direction = tiny_llama.unembedding()[:, word] * tiny_llama.final_norm_weight()
    dictionary.decoder[SEA] = direction / direction.norm()
    dictionary.encoder[:, SEA] = dictionary.decoder[SEA]
    dictionary.max_activation.fill_(3)
    return dictionary


@pytest.fixture
def rows() -> TokenRows:
    tokens = np.random.default_rng(0).integers(2, 400, (6, 24)).astype(np.uint16)
    return TokenRows(tokens, np.zeros((6, 24), dtype=np.int32), (0, 1), (), {})


@pytest.fixture
def subject(tiny_llama: LanguageModel, dictionary: SparseAutoencoder) -> Subject:
    return Subject(
        lm=tiny_llama,
        dictionary=dictionary,
        features={SEA: 1},
        words=["sea"],
        n_tokens=16,
        seed=0,
        step=lambda: None,
    )


def dose(
    multiple: float | None, topic_words: int, mention_share: float = 1.0, samples: int = 50, **more
) -> Dose:
    fields = {"mention_low": 0.0, "mention_high": 1.0, "distinct_2": 0.9, "perplexity": 10.0, "n_words": 1000}
    return Dose(
        multiple=None if multiple is None else float(multiple),
        topic_rate=topic_words / 1000,
        topic_words=topic_words,
        mention_share=mention_share,
        samples=("a",) * samples,
        **(fields | more),
    )


def test_all_checks_of_a_feature_that_does_what_it_should(tiny_llama, dictionary, rows):
    seen = []
    found = steering_checks(
        tiny_llama,
        dictionary,
        Numbers(),
        SEA,
        ["sea"],
        PROMPTS,
        PROMPTS[:4],
        rows,
        n_random=2,
        n_tokens=12,
        progress=lambda *at: seen.append(at),
    )
    assert seen == [(i, 20) for i in range(1, 21)]
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert list(found["checks"]) == list(CHECKS)
    assert [check["id"] for check in found["checks"].values()] == [f"A4.{i}" for i in range(1, 7)]
    assert [each["multiple"] for each in found["doses"]] == [0, 1, 2, 5, 10, 100]
    curve = found["checks"]["dose_response"]
    assert curve["topic_rates"][-1] > 0.3
    assert curve["mention_shares"][-1] == 1
    assert not curve["passed"], "eight prompts are fewer than fifty"
    assert found["checks"]["no_op"]["passed"]
    assert found["checks"]["control"]["topic_rates"].keys().isdisjoint({str(SEA)})
    assert len(found["checks"]["control"]["topic_rates"]) == 2
    assert found["checks"]["error_term"]["ce_kept"][0] == pytest.approx(
        found["checks"]["error_term"]["ce_clean"], rel=0.05
    )
    for name, check in found["checks"].items():
        assert check["formula"] == describe(CHECKS[name]).formula


def test_the_operator_is_exact(subject):
    check = no_op(subject, PROMPTS[:2])
    assert check["passed"]
    assert check["clamped_to_own_values"] < 1e-4
    assert check["after_switching_off"] == 0


def test_the_exactness_check_fails_on_an_operator_that_drops_the_error(subject, monkeypatch):
    from monoscope.evaluate import steering
    from monoscope.intervene.splice import spliced

    monkeypatch.setattr(steering, "steer", lambda lm, dictionary, edits: spliced(lm, dictionary, edits=edits))
    check = no_op(subject, PROMPTS[:1])
    assert not check["passed"]
    assert check["clamped_to_own_values"] > 0.1
    assert check["scaled_by_1"] > 0.1


def test_the_curve_must_rise_tenfold_with_half_of_fifty_samples():
    clean = dose(None, 5, 0.1)
    curve = [dose(0, 4), dose(1, 10), dose(2, 30), dose(5, 90), dose(10, 60)]
    good = rises(curve, clean)
    assert good["passed"]
    assert good["peak_multiple"] == 5
    assert good["peak_over_baseline"] == pytest.approx(18)
    assert not rises(curve, dose(None, 10, 0.1))["passed"], "ninefold"
    assert not rises(curve, replace(clean, samples=("a",) * 49))["passed"], "too few prompts"
    assert not rises([*curve[:3], replace(curve[3], mention_share=0.49)], clean)["passed"], "too few mentions"
    dip = rises([curve[0], dose(1, 60), dose(2, 30), curve[3]], clean)
    assert not dip["non_decreasing"]
    assert not dip["passed"]
    assert rises([curve[0], dose(1, 10), dose(2, 9), curve[3]], clean)["non_decreasing"], "within noise"


def test_a_topic_that_is_never_there_has_no_ratio():
    clean = dose(None, 0, 0.0)
    assert rises([dose(0, 0), dose(5, 90)], clean)["peak_over_baseline"] is None
    assert rises([dose(0, 0), dose(5, 90)], clean)["passed"]
    assert not rises([dose(0, 0), dose(5, 0)], clean)["passed"]
    assert peak([dose(0, 3), dose(1, 3)]).multiple == 0


def test_text_must_fall_apart_at_the_absurd_dose():
    curve, whole = [dose(0, 0), dose(100, 900, distinct_2=1.0)], dose(0, 0, distinct_2=0.7)
    assert collapses(curve, whole, dose(100, 900, distinct_2=0.1))["passed"]
    assert not collapses(curve, whole, dose(100, 900, distinct_2=0.3))["passed"]
    assert not collapses(curve, dose(0, 0, distinct_2=0.15), dose(100, 900, distinct_2=0.1))["passed"]


def test_controls_do_not_bring_the_topic_and_the_feature_itself_would(subject):
    clean = undosed(subject.lm, words=["sea"], prompts=PROMPTS, n_tokens=16)
    check = controlled(subject, [SEA], clean, 10, PROMPTS)
    assert check["share_within"] == 0
    assert not check["passed"]
    assert check["topic_rates"][str(SEA)] > 0.3 > check["random_direction_topic_rate"]
    nothing = controlled(subject, [], clean, 10, PROMPTS)
    assert nothing["share_within"] is None
    assert not nothing["passed"]


def test_a_turned_feature_reads_the_same_and_writes_elsewhere(dictionary):
    changed = turned(dictionary, [SEA], seed=3)
    x = torch.randn(7, 32)
    assert torch.equal(changed.encode(x), dictionary.encode(x))
    assert float(changed.decoder[SEA].norm()) == pytest.approx(
        float(dictionary.decoder[SEA].norm()), rel=1e-5
    )
    assert abs(float(changed.decoder[SEA] @ dictionary.decoder[SEA])) < 0.7
    rest = torch.arange(96) != SEA
    assert torch.equal(changed.decoder[rest], dictionary.decoder[rest])
    assert torch.equal(turned(dictionary, [SEA], seed=3).decoder, changed.decoder)


def test_switching_off_removes_the_topic(subject, rows):
    # A model that speaks of the sea: its activations are pushed, so that there is something to take away.
    from monoscope.models import edit

    site = subject.lm.resolve(subject.dictionary.site)
    with edit(subject.lm, {site: lambda x: x + 12 * subject.dictionary.decoder[SEA]}):
        check = suppressed(subject, PROMPTS, rows)
    assert check["baseline_topic_rate"] > 0.2
    assert check["settings"]["0"]["reduction"] > 0.5
    assert check["settings"]["-1"]["topic_rate"] <= check["settings"]["0"]["topic_rate"]
    assert check["passed"] == any(
        setting["reduction"] >= 0.5 and setting["ce_change"] < 0.05 for setting in check["settings"].values()
    )


def test_the_loss_on_other_text_is_that_of_the_steered_model(subject, rows):
    tokens = torch.from_numpy(rows.tokens.astype(np.int64))

    def loss() -> float:
        log_p = subject.lm.forward(tokens)[:, :-1].log_softmax(-1)
        return -float(log_p.gather(-1, tokens[:, 1:, None]).mean())

    clean = loss()
    check = suppressed(subject, PROMPTS[:1], rows)
    for name, edit in (("0", Ablate()), ("-0.5", Clamp(-0.5)), ("-1", Clamp(-1))):
        with steer(subject.lm, subject.dictionary, {SEA: edit}):
            expected = loss() / clean - 1
        assert check["settings"][name]["ce_change"] == pytest.approx(expected, abs=1e-5)
        assert abs(expected) > 1e-4


def test_prompts_that_never_lead_to_the_topic_cannot_show_its_removal(subject, rows):
    check = suppressed(replace(subject, words=["xylophone"]), PROMPTS[:2], rows)
    assert check["baseline_topic_rate"] == 0
    assert check["settings"]["0"]["reduction"] is None
    assert not check["passed"]


def test_the_error_term_is_what_the_reconstruction_lacks(subject, rows):
    check = error_term(subject, rows)
    tokens = torch.from_numpy(rows.tokens.astype(np.int64))
    log_p = subject.lm.forward(tokens)[:, :-1].log_softmax(-1)
    clean = -float(log_p.gather(-1, tokens[:, 1:, None]).mean())
    assert check["ce_clean"] == pytest.approx(clean, rel=1e-4)
    assert check["passed"] == (check["ce_dropped"][0] > check["ce_kept"][0])
    assert len(check["ce_kept"]) == len(check["ce_dropped"]) == len(check["multiples"])
    assert check["ce_kept"][-1] > check["ce_kept"][0]
