"""Features against neurons: a feature that is a neuron, one that is a sum of many, one that is noise."""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch

from evaluate.dictionaries import made
from evaluate.memory import MemoryStore, token_rows
from monoscope.dictionaries import ReLU
from monoscope.evaluate.analyses import Neurons
from monoscope.models import LanguageModel

from .material import Parts

HIDDEN = "blocks.0.mlp_hidden"
N_NEURONS, D = 64, 3


@dataclass(frozen=True)
class Alive:
    """An index whose features are all alive."""

    n_features: int

    def random_alive(self, n: int, seed: int) -> list[int]:
        return list(range(self.n_features))[:n]

    def statistics(self) -> dict[str, Any]:
        return {"density": np.full(self.n_features, 0.5)}


def material(lm: LanguageModel, block: str = "blocks.0") -> Parts:
    """Coordinate 0 is neuron 7, coordinate 1 the sum of all neurons, coordinate 2 has nothing to do with them."""
    rows = token_rows(100, 21, {})
    generator = torch.Generator().manual_seed(0)
    neurons = torch.rand(2100, N_NEURONS, generator=generator)
    x = torch.stack([neurons[:, 7], neurons.sum(1) / 5, torch.rand(2100, generator=generator)], dim=1)
    hidden = {HIDDEN: neurons, "blocks.1.mlp_hidden": torch.rand(2100, N_NEURONS, generator=generator)}
    store = MemoryStore(rows, {f"{block}.resid_post": x, **hidden})
    return Parts(
        lm=lm,
        dictionary=made(torch.eye(D), torch.zeros(D), ReLU(), f"{block}.resid_post"),
        calibration=store,
        heldout=store,
        index=Alive(D),
    )


def test_the_nearest_neuron_is_found_and_how_well_that_is_known(tiny_llama: LanguageModel) -> None:
    result = Neurons()(material(tiny_llama))
    neuron, mixture, noise = zip(result["max_r"], result["split_half"], result["nearest"], strict=True)
    assert neuron[0] == pytest.approx(1)
    assert neuron[2] == f"{HIDDEN}#7"
    assert mixture[0] == pytest.approx(1 / np.sqrt(N_NEURONS), abs=0.05)
    assert noise[0] < 0.1
    assert noise[1] < 0.6
    assert result["share_near"] == pytest.approx(2 / 3)
    assert (result["n_features"], result["n_scarce"], result["n_neurons"]) == (3, 0, N_NEURONS)
    assert json.loads(json.dumps(result)) == result


def test_more_blocks_bring_more_neurons_and_rare_features_are_left_out(tiny_llama: LanguageModel) -> None:
    more = Neurons()(material(tiny_llama, "blocks.1"))
    assert more["sites"] == [HIDDEN, "blocks.1.mlp_hidden"]
    own = Neurons(earlier=False)(material(tiny_llama, "blocks.1"))
    assert (more["n_neurons"], own["n_neurons"]) == (2 * N_NEURONS, N_NEURONS)
    assert more["median_max_r"] >= own["median_max_r"]
    asked = Neurons(minimum_active=10_000)(material(tiny_llama))
    assert (asked["n_features"], asked["n_scarce"], asked["median_max_r"]) == (0, 3, None)
    (check,) = asked["checks"]
    assert check["holds"] is None
    assert "10000 tokens" in check["why"]


def test_the_check_wants_features_that_are_no_neurons_and_are_measured_well() -> None:
    clear = np.stack([np.linspace(0.1, 0.3, 50), np.linspace(0.9, 1, 50)], axis=1)
    assert Neurons().check(clear).holds is True
    assert Neurons().check(clear[:, ::-1]).holds is False
    assert Neurons().check(clear * [1, 0.9]).holds is False
