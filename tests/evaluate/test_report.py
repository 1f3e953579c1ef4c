"""The whole report on a tiny model, from real activation stores."""

import json
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from evaluate.dictionaries import identity
from monoscope.activations import ActivationStore, HarvestOptions, harvest
from monoscope.dictionaries import AutoencoderOptions, SparseAutoencoder, TopK
from monoscope.documents import Document, Span
from monoscope.errors import MismatchedArtefact, UnknownSite, WrongUse
from monoscope.evaluate import EvaluateOptions, IntervalOptions, RecoveryOptions, evaluate
from monoscope.evaluate.faithfulness import measure, spread_rows
from monoscope.evaluate.report import DESCRIBED
from monoscope.intervene.splice import ablated
from monoscope.models import LanguageModel

SITE, NEURONS = "blocks.1.resid_post", "blocks.1.mlp_hidden"
OPTIONS = EvaluateOptions(
    n_tokens=3000,
    n_faithfulness_tokens=500,
    recovery=RecoveryOptions(n_calibration_tokens=3000, minimum_tags=5),
    intervals=IntervalOptions(draws=50),
)


def documents(seed: int, *, tagged: bool = True) -> list[Document]:
    """Texts in which "bridge" is a mention and its sentence a passage."""
    generator = np.random.default_rng(seed)
    made = []
    for _ in range(40):
        words = generator.choice(["the", "fog", "sea", "king", "bridge", "dog", "one", "two"], 30).tolist()
        text, spans = "", []
        for word in words:
            start = len(text) + 1
            text += f" {word}"
            if word == "bridge":
                spans += [
                    Span(start, len(text), "bridge", "mention"),
                    Span(max(start - 8, 0), len(text), "bridge"),
                ]
        made.append(Document(text, tuple(spans) if tagged else ()))
    return made


def harvested(lm: LanguageModel, seed: int, *, tagged: bool = True) -> ActivationStore:
    options = HarvestOptions(n_tokens=100_000, context=32, dtype="float32")
    # A corpus splits off its own held-out part; two corpora are two texts.
    return harvest(lm, documents(seed, tagged=tagged), sites=[SITE, NEURONS], options=options)


@pytest.fixture(scope="module")
def heldout(tiny_llama: LanguageModel) -> ActivationStore:
    return harvested(tiny_llama, 1)


@pytest.fixture(scope="module")
def calibration(tiny_llama: LanguageModel) -> ActivationStore:
    return harvested(tiny_llama, 2)


@pytest.fixture(scope="module")
def dictionary(tiny_llama: LanguageModel, calibration: ActivationStore) -> SparseAutoencoder:
    return SparseAutoencoder.initialise(
        tiny_llama.d_model,
        AutoencoderOptions(n_features=80, sparsifier=TopK(6)),
        seed=0,
        centre=calibration.statistics(SITE).mean,
        site=SITE,
        model_hash=tiny_llama.hash,
    )


@pytest.fixture(scope="module")
def told() -> list[tuple[int, int]]:
    return []


@pytest.fixture(scope="module")
def report(
    tiny_llama: LanguageModel,
    dictionary: SparseAutoencoder,
    heldout: ActivationStore,
    calibration: ActivationStore,
    told: list[tuple[int, int]],
) -> dict:
    def progress(done: int, total: int) -> None:
        told.append((done, total))

    return evaluate(tiny_llama, dictionary, heldout, calibration, options=OPTIONS, progress=progress)


def test_the_report_is_json_with_every_metric_beside_its_baselines(report: dict) -> None:
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    promised = {"fvu", "fve", "l0", "dead_share", "ce_clean", "ce_spliced", "ce_recovered_zero"}
    promised |= {"ce_recovered_mean", "kl", "shrinkage"}
    assert promised <= set(report["metrics"]) == set(DESCRIBED)
    assert set(report["baselines"]) == {"neurons", "pca", "ica", "random"}
    for name in ("formulas", "units", "misleads"):
        assert set(report[name]) == set(report["metrics"])
    for numbers in (report, *report["baselines"].values()):
        values = numbers.get("metrics", numbers)
        for metric, (low, high) in numbers["intervals"].items():
            assert low <= high
            if metric != "shrinkage" and not metric.startswith("ce_recovered"):  # ratios of noisy sums
                assert low - 0.1 <= values[metric] <= high + 0.1, metric


def test_baselines_are_as_sparse_as_the_dictionary(report: dict) -> None:
    assert report["metrics"]["l0"] == pytest.approx(6, abs=0.5)
    for baseline in report["baselines"].values():
        assert baseline["k"] == round(report["metrics"]["l0"])
        assert baseline["l0"] <= baseline["k"]
        assert baseline["ce_clean"] == report["metrics"]["ce_clean"]
        assert baseline["ce_zero"] == report["metrics"]["ce_zero"]
    # The best linear code at that many axes beats directions that know nothing of the data.
    assert report["baselines"]["pca"]["fvu"] < report["baselines"]["random"]["fvu"] < 1


def test_what_was_looked_at_is_said(report: dict, heldout: ActivationStore) -> None:
    assert report["site"] == SITE
    assert report["tokens"]["reconstruction"] == report["dead_tokens"] == min(3000, heldout.n_tokens)
    assert 0 < report["tokens"]["faithfulness"] <= heldout.n_tokens
    assert sum(report["density"]["counts"]) == round((1 - report["metrics"]["dead_share"]) * 80)
    assert report["dead_share_training"] is None
    assert set(report["seconds"]) == {"reconstruction", "faithfulness", "recovery"}


def test_mean_ablation_is_by_the_mean_of_calibration_text(
    report: dict, tiny_llama: LanguageModel, heldout: ActivationStore, calibration: ActivationStore
) -> None:
    mean = calibration.statistics(SITE).mean
    rows = spread_rows(heldout.rows, OPTIONS.n_faithfulness_tokens)
    replaced = {"mean": lambda usable: ablated(tiny_llama, SITE, "mean", mean=mean, where=usable)}
    tokens, losses = measure(tiny_llama, heldout.rows, rows, replaced)
    expected = losses["mean"].cross_entropy.sum() / tokens.sum()
    assert report["metrics"]["ce_mean"] == pytest.approx(expected, rel=1e-9)
    assert expected != pytest.approx(report["metrics"]["ce_zero"], rel=1e-4)


def test_concepts_are_looked_for(report: dict) -> None:
    assert set(report["recovery"]["concepts"]) == {"bridge"}
    record = report["recovery"]["concepts"]["bridge"]
    assert {"feature", "precision", "recall", "f1", "neuron_f1", "pca_f1", "random_f1"} <= set(record)
    assert record["kinds"]["mention"]["tokens_heldout"] > 50
    # Even a random model tells this word from the others somewhere in its hidden units.
    assert record["neuron_f1"] > 0.5


def test_progress_grows_to_the_end(report: dict, told: list[tuple[int, int]]) -> None:
    done = [each for each, _ in told]
    assert done == sorted(done)
    assert len(told) > 10
    assert told[-1][0] == told[-1][1]
    assert done[-2] > 0.5 * told[-1][1]


def test_text_without_tags_or_calibration_has_no_recovery(
    tiny_llama: LanguageModel, dictionary: SparseAutoencoder, heldout: ActivationStore
) -> None:
    run = partial(evaluate, tiny_llama, dictionary, options=OPTIONS)
    plain, other = harvested(tiny_llama, 3, tagged=False), harvested(tiny_llama, 4, tagged=False)
    assert run(plain, other)["recovery"] is None
    alone = run(heldout, None)
    assert alone["recovery"] is None
    assert "calibration" not in alone["hashes"]


def test_a_perfect_dictionary_gets_perfect_marks(
    tiny_llama: LanguageModel, heldout: ActivationStore, calibration: ActivationStore
) -> None:
    perfect = identity(tiny_llama.d_model, SITE)
    perfect.max_activation.fill_(1.0)
    metrics = (report := evaluate(tiny_llama, perfect, heldout, calibration, options=OPTIONS))["metrics"]
    assert metrics["fvu"] == pytest.approx(0, abs=1e-9)
    assert metrics["ce_recovered_zero"] == pytest.approx(1, abs=1e-3)
    assert metrics["ce_recovered_mean"] == pytest.approx(1, abs=1e-2)
    assert report["dead_share_training"] == 1.0
    # At k = d_model every orthonormal basis is perfect as well.
    assert report["baselines"]["pca"]["fvu"] == pytest.approx(0, abs=1e-6)


def test_evaluating_twice_gives_the_same_numbers(
    tiny_llama: LanguageModel,
    dictionary: SparseAutoencoder,
    heldout: ActivationStore,
    calibration: ActivationStore,
    report: dict,
) -> None:
    again = evaluate(tiny_llama, dictionary, heldout, calibration, options=OPTIONS)
    assert again | {"seconds": {}} == report | {"seconds": {}}
    other = evaluate(tiny_llama, dictionary, heldout, calibration, options=replace(OPTIONS, seed=1))
    assert other["metrics"] == report["metrics"]
    assert other["baselines"]["random"]["fvu"] != report["baselines"]["random"]["fvu"]


def test_parts_that_do_not_belong_together_are_refused(
    tiny_llama: LanguageModel,
    tiny_gpt2: LanguageModel,
    dictionary: SparseAutoencoder,
    heldout: ActivationStore,
    calibration: ActivationStore,
) -> None:
    with pytest.raises(WrongUse, match="are the same"):
        evaluate(tiny_llama, dictionary, heldout, heldout)
    with pytest.raises(MismatchedArtefact, match=tiny_gpt2.hash):
        evaluate(tiny_gpt2, identity(tiny_gpt2.d_model, SITE), heldout, calibration)
    with pytest.raises(MismatchedArtefact, match=r"lack blocks\.0\.resid_post"):
        evaluate(tiny_llama, identity(tiny_llama.d_model, "blocks.0.resid_post"), heldout, calibration)
    with pytest.raises(MismatchedArtefact, match="width"):
        evaluate(tiny_llama, identity(7, SITE), heldout, calibration)
    with pytest.raises(UnknownSite):
        evaluate(tiny_llama, identity(7, "blocks.99.resid_post"), heldout, calibration)


def test_tagged_text_needs_the_neurons(
    tiny_llama: LanguageModel, dictionary: SparseAutoencoder, calibration: ActivationStore
) -> None:
    options = HarvestOptions(n_tokens=500, context=32, dtype="float32")
    without = harvest(tiny_llama, documents(5), site=SITE, options=options)
    with pytest.raises(MismatchedArtefact, match=r"lack blocks\.1\.mlp_hidden"):
        evaluate(tiny_llama, dictionary, without, calibration, options=OPTIONS)


def test_activations_of_another_model_are_refused(
    tiny_llama: LanguageModel, dictionary: SparseAutoencoder, heldout: ActivationStore
) -> None:
    foreign = SparseAutoencoder.initialise(
        dictionary.d_model, dictionary.options, seed=0, site=SITE, model_hash="somebody else's"
    )
    with pytest.raises(MismatchedArtefact, match="somebody else's"):
        evaluate(tiny_llama, foreign, heldout, None, options=OPTIONS)


def test_the_model_is_left_as_it_was(report: dict, tiny_llama: LanguageModel) -> None:
    assert not any(module._forward_hooks for module in tiny_llama.model.modules())
    assert not torch.is_inference_mode_enabled()
