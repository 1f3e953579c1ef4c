import numpy as np
import pytest
import torch

from features.planted_world import N_FEATURES, SITE, World
from monoscope.errors import MismatchedArtefact
from monoscope.features import active_features


def test_active_features_are_those_of_the_dense_codes(world: World) -> None:
    positions, x = next(world.store.sequential(SITE, 9))
    codes = world.codes[positions]
    found = active_features(world.dictionary, x, limit=N_FEATURES)
    assert [item["feature"] for item in found] == [
        feature for feature in np.argsort(-codes.max(0), kind="stable") if codes[:, feature].any()
    ]
    for item in found:
        assert item["activations"] == pytest.approx(codes[:, item["feature"]].tolist(), abs=1e-6)
    assert active_features(world.dictionary, x, limit=2) == found[:2]
    assert active_features(world.dictionary, x, limit=0) == []


def test_silence_and_other_widths(world: World) -> None:
    assert active_features(world.dictionary, torch.zeros(3, world.dictionary.d_model), limit=5) == []
    with pytest.raises(MismatchedArtefact, match="width 5"):
        active_features(world.dictionary, torch.zeros(3, 5), limit=5)
