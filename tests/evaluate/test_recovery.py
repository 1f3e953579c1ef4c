"""A world in which one knows which feature marks which concept."""

import json

import numpy as np
import pytest
import torch

from evaluate.dictionaries import tied
from evaluate.memory import MemoryStore, token_rows
from monoscope.evaluate.candidates import Candidates
from monoscope.evaluate.intervals import IntervalOptions
from monoscope.evaluate.recovery import RecoveryOptions, Score, candidate_groups, recovery
from monoscope.evaluate.tags import Tags

SITE, NEURONS = "blocks.1.resid_post", "blocks.1.mlp_hidden"
D, HIDDEN, ROWS, CONTEXT = 16, 24, 60, 40
DIRECTIONS = torch.linalg.qr(torch.randn(D, D, generator=torch.Generator().manual_seed(0))).Q
CONCEPTS = {
    "bridge": 0.05,
    "king": 0.04,
    "neuronal": 0.05,
    "noise": 0.05,
    "rare": 0.004,
    "unseen": 0.04,
    "forgotten": 0.04,
}
"""Concept -> share of tokens in its passages."""


def world(seed: int, *, without: str) -> MemoryStore:
    """Text with concepts, one of which it has not heard of.

    Feature 3 marks the bridge's passages, feature 7 the king's mentions, feature 5 what is rare; hidden unit 9 is
    low where the neuronal concept is; nothing marks the others.
    """
    rng = np.random.default_rng(seed)
    shape = (ROWS, CONTEXT)
    passages = {name: rng.random(shape) < share for name, share in CONCEPTS.items() if name != without}
    masks = {
        name: {"passage": passage, "mention": passage & (rng.random(shape) < 0.5)}
        for name, passage in passages.items()
    }
    rows = token_rows(ROWS, CONTEXT, masks, seed=seed)

    def tagged(name: str, kind: str) -> torch.Tensor:
        return torch.from_numpy(rows.tagged(name, kind).reshape(-1, 1)).float()

    generator = torch.Generator().manual_seed(seed)
    x = 0.2 * torch.randn(ROWS * CONTEXT, D, generator=generator)
    x += 4 * tagged("bridge", "passage") * DIRECTIONS[3]
    x += 4 * tagged("king", "mention") * DIRECTIONS[7]
    x += 4 * tagged("rare", "passage") * DIRECTIONS[5]
    busy = (torch.rand(ROWS * CONTEXT, 8, generator=generator) < 0.3).float()
    x += 4 * busy @ DIRECTIONS[8:]  # what else the text is about, so that no coordinate tells a concept
    # Now and then feature 3 fires for no reason, so that the bridge is not marked perfectly.
    stray = torch.from_numpy((rng.random((ROWS * CONTEXT, 1)) < 0.01).astype(np.float32))
    x += 4 * stray * DIRECTIONS[3]
    hidden = torch.rand(ROWS * CONTEXT, HIDDEN, generator=generator)
    hidden[:, 9:10] -= 2 * tagged("neuronal", "passage")
    return MemoryStore(rows, {SITE: x, NEURONS: hidden}, hash=str(seed))


@pytest.fixture(scope="module")
def heldout() -> MemoryStore:
    return world(2, without="forgotten")


@pytest.fixture(scope="module")
def groups() -> dict[str, list[Candidates]]:
    store = world(1, without="unseen")
    rows = torch.randn(D, D, generator=torch.Generator().manual_seed(4))
    random = tied(rows / rows.norm(dim=1, keepdim=True), 10, SITE)
    components = torch.linalg.eigh(store.statistics(SITE).covariance).eigenvectors
    return candidate_groups(
        tied(DIRECTIONS, 10, SITE), random, components, site=SITE, neuron_site=NEURONS, seed=0
    )


@pytest.fixture(scope="module")
def result(heldout: MemoryStore, groups: dict[str, list[Candidates]]) -> dict:
    return recovered(heldout, groups)


def recovered(heldout: MemoryStore, groups: dict[str, list[Candidates]], **options: float) -> dict:
    calibration = world(1, without="unseen")
    return recovery(
        groups,
        (heldout, Tags.of(heldout.rows, 10**6)),
        (calibration, Tags.of(calibration.rows, 10**6)),
        options=RecoveryOptions(**options),  # type: ignore[arg-type]
        interval_options=IntervalOptions(draws=400),
    )


def test_each_concept_gets_the_feature_that_marks_it(result: dict) -> None:
    concepts = result["concepts"]
    assert (concepts["bridge"]["feature"], concepts["bridge"]["kind"]) == (3, "passage")
    assert (concepts["king"]["feature"], concepts["king"]["kind"]) == (7, "mention")
    assert concepts["bridge"]["recovered"]
    assert concepts["king"]["recovered"]
    assert concepts["king"]["f1"] == 1.0
    assert not concepts["noise"]["recovered"]
    assert concepts["noise"]["f1"] < 0.3


def test_scores_are_those_of_the_chosen_feature_and_threshold_on_held_out_text(
    result: dict, heldout: MemoryStore
) -> None:
    record = result["concepts"]["bridge"]
    usable = heldout.rows.usable.reshape(-1)
    tagged = heldout.rows.tagged("bridge", "passage").reshape(-1)[usable]
    codes = tied(DIRECTIONS, 10).encode(heldout.usable(SITE))[:, record["feature"]].numpy()
    marked = codes > record["threshold"]
    assert record["precision"] == pytest.approx((marked & tagged).sum() / marked.sum())
    assert record["recall"] == pytest.approx((marked & tagged).sum() / tagged.sum())
    assert record["f1"] == pytest.approx(2 * (marked & tagged).sum() / (marked.sum() + tagged.sum()))
    assert 0.7 < record["precision"] < 0.95
    assert record["kinds"]["passage"]["f1"] == record["f1"]
    assert record["kinds"]["mention"]["f1"] < record["f1"]
    assert record["kinds"]["passage"]["tokens_heldout"] == tagged.sum()


def test_a_rare_concept_is_listed_and_not_counted(
    result: dict, heldout: MemoryStore, groups: dict[str, list[Candidates]]
) -> None:
    record = result["concepts"]["rare"]
    assert (record["feature"], record["f1"]) == (5, 1.0)
    assert record["scarce"]
    assert not record["recovered"]
    assert 0 < record["kinds"]["passage"]["tokens_heldout"] < 20
    assert recovered(heldout, groups, minimum_tags=1)["concepts"]["rare"]["recovered"]


def test_a_concept_that_calibration_text_lacks_is_listed_without_a_feature(result: dict) -> None:
    record = result["concepts"]["unseen"]
    assert record["feature"] is None
    assert record["kind"] is None
    assert (record["precision"], record["recall"], record["f1"]) == (0.0, 0.0, 0.0)
    assert not record["recovered"]
    assert record["frequency"] == 0
    assert record["kinds"]["passage"]["tokens_heldout"] > 20


def test_a_concept_that_held_out_text_lacks_is_listed_and_not_counted(result: dict) -> None:
    record = result["concepts"]["forgotten"]
    assert record["feature"] is not None
    assert (record["f1"], record["scarce"], record["recovered"]) == (0.0, True, False)
    assert record["kinds"]["passage"]["tokens_heldout"] == 0
    assert record["frequency"] > 0.02


def test_a_neuron_is_found_where_a_neuron_marks_the_concept(result: dict) -> None:
    record = result["concepts"]["neuronal"]
    assert record["neuron_f1"] == 1.0
    assert (record["neuron"]["site"], record["neuron"]["unit"], record["neuron"]["sign"]) == (NEURONS, 9, -1)
    assert record["f1"] < 0.3
    assert record["pca_f1"] < 0.3
    assert result["concepts"]["king"]["neuron_f1"] < result["concepts"]["king"]["f1"]


def test_shares_count_all_concepts(result: dict) -> None:
    assert result["n_concepts"] == len(CONCEPTS) == len(result["concepts"])
    assert result["n_scarce"] == 3
    assert result["share_recovered"] == pytest.approx(2 / 7)
    assert result["share_neurons"] == pytest.approx(1 / 7)
    assert result["share_random"] == 0
    for name in ("share_recovered", "share_neurons", "share_pca", "share_random"):
        low, high = result["intervals"][name]
        assert 0 <= low <= result[name] <= high <= 1
    low, high = result["intervals"]["share_recovered_minus_neurons"]
    assert low < 1 / 7 < high


def test_frequencies_are_shares_of_calibration_tokens(result: dict) -> None:
    tags = Tags.of(world(1, without="unseen").rows, 10**6)
    for concept, record in result["concepts"].items():
        assert record["frequency"] == tags.share(concept)
        assert record["kinds"]["mention"]["frequency"] == tags.count(concept, "mention") / tags.n_tokens
    assert result["concepts"]["bridge"]["frequency"] == pytest.approx(0.05, abs=0.02)


def test_the_result_is_json_and_the_same_every_time(
    result: dict, heldout: MemoryStore, groups: dict[str, list[Candidates]]
) -> None:
    assert json.loads(json.dumps(result, allow_nan=False)) == result
    assert recovered(heldout, groups) == result


def test_scores_of_nothing_are_zero_and_not_errors() -> None:
    assert (Score(0, 0, 5).precision, Score(0, 0, 5).recall, Score(0, 0, 5).f1) == (0.0, 0.0, 0.0)
    assert (Score(0, 3, 0).precision, Score(0, 3, 0).recall, Score(0, 0, 0).f1) == (0.0, 0.0, 0.0)
    assert Score(2, 4, 2).f1 == pytest.approx(2 / (1 / 0.5 + 1 / 1.0))
