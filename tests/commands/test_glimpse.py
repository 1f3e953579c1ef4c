from pathlib import Path

import numpy as np
import pytest

from monoscope.activations import ActivationStore, harvest
from monoscope.commands.glimpse import ROWS, glimpse, largest_activations
from monoscope.models import LanguageModel, Site

SITE = Site(1, "mlp_hidden")


@pytest.fixture(scope="module")
def store(tiny_llama: LanguageModel, corpus_file: Path) -> ActivationStore:
    from monoscope.activations import HarvestOptions

    options = HarvestOptions(n_tokens=1500, context=64, dtype="float32")
    return harvest(tiny_llama, corpus_file, site=str(SITE), options=options)


def all_values(store: ActivationStore) -> tuple[np.ndarray, np.ndarray]:
    parts = list(store.sequential(SITE, 100_000))
    return np.concatenate([places for places, _ in parts]), np.concatenate([x.numpy() for _, x in parts])


def test_the_largest_activations_are_those_of_a_full_sort(store: ActivationStore) -> None:
    found = largest_activations(store, SITE)
    places, values = all_values(store)
    assert found.n_tokens == store.n_tokens
    for neuron in (0, 7, 63):
        order = np.argsort(-values[:, neuron], kind="stable")[:5]
        assert found.values[:5, neuron].numpy() == pytest.approx(values[order, neuron])
        assert found.positions[0, neuron] == places[order[0]]


def test_texts_are_of_different_documents_and_peak_where_the_neuron_does(
    tiny_llama: LanguageModel, store: ActivationStore
) -> None:
    picture = glimpse(tiny_llama, store, SITE)
    _, values = all_values(store)
    assert 3 <= len(picture["rows"]) <= ROWS
    neuron = picture["neuron"]
    assert f"Neuron {neuron}" in picture["title"]
    peaks = [max(row["values"]) for row in picture["rows"]]
    assert peaks[0] == pytest.approx(float(values[:, neuron].max()))
    for row in picture["rows"]:
        assert len(row["tokens"]) == len(row["values"])
        assert min(row["values"]) >= 0
    texts = ["".join(row["tokens"]) for row in picture["rows"]]
    assert len(set(texts)) == len(texts)
