"""Neighbourhoods of planted groups of features."""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

from evaluate.dictionaries import tied
from monoscope.errors import MonoscopeError, WrongUse
from monoscope.evaluate.analyses import Neighbourhoods
from monoscope.evaluate.analyses.neighbourhoods import cluster_names
from monoscope.features import Example, FeatureRecord, Histogram, TokenShare

from .material import Parts

GROUPS = ("bridge", "coral", "violin", "pizza", "snow")
MEMBERS, DEAD = 12, 3
N = len(GROUPS) * MEMBERS


@dataclass(frozen=True)
class Index:
    """Knows each feature's group; the last ones never fire."""

    alive: Sequence[int] = range(N)
    n_features: int = N + DEAD

    def record(self, feature: int) -> FeatureRecord:
        word = GROUPS[feature // MEMBERS]
        shown = ("the ", word, f" of {feature}")
        return FeatureRecord(
            feature=feature,
            address=f"tiny#{feature}",
            description=f"{word}, only{feature} (40 % of activation); promotes all, the, same",
            density=0.01234,
            n_active=5,
            max_activation=1.0,
            mean_activation=0.5,
            histogram=Histogram((), ()),
            examples=(Example("top", 1, 0, 0, shown, (0.0, 1.0, 0.0), 1.0),),
            tokens=tuple(TokenShare(0, text, 1, 0.5, 2.0) for text in (f" {word}", f" only{feature}")),
            promoted=(),
            suppressed=(),
            neighbours=(),
            coactive=(),
        )


def material(alike: float) -> Parts:
    """Directions that keep near their group's middle; ``alike`` 0: anywhere."""
    generator = torch.Generator().manual_seed(0)
    middles = torch.randn(len(GROUPS), 16, generator=generator).repeat_interleave(MEMBERS, 0)
    rows = torch.cat([alike * middles, torch.zeros(DEAD, 16)]) + torch.randn(
        N + DEAD, 16, generator=generator
    )
    return Parts(dictionary=tied(torch.nn.functional.normalize(rows), 2), index=Index())


class Projection:
    """In the place of UMAP: the first principal components, and which options it was given."""

    asked: ClassVar[list[dict[str, Any]]] = []

    def __init__(self, **options: Any) -> None:
        self.asked.append(options)

    def fit_transform(self, points: np.ndarray) -> np.ndarray:
        left, sizes, _ = np.linalg.svd(points - points.mean(0), full_matrices=False)
        return (left * sizes)[:, : self.asked[-1]["n_components"]]


def test_groups_are_found_named_and_have_more_in_common(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "umap", SimpleNamespace(UMAP=Projection))
    told: list[tuple[int, int]] = []
    result = Neighbourhoods()(material(5), lambda *at: told.append(at))
    assert told == [(1, 3), (2, 3), (3, 3)]
    clusters = np.array(result["cluster"]).reshape(len(GROUPS), MEMBERS)
    for group, word in zip(clusters, GROUPS, strict=True):
        (number,) = set(group.tolist()) - {-1}
        assert result["clusters"][number]["label"] == word
    assert result["alike"]["tokens"]["neighbours"] == pytest.approx(1 / 3)
    assert result["alike"]["contexts"]["neighbours"] > result["alike"]["contexts"]["random"] + 0.15
    assert result["median_cosine"] > 0.8 > result["median_cosine_random"]
    assert [check["holds"] for check in result["checks"]] == [True, True]
    assert result["feature"] == list(range(N))
    assert result["label"][0] == "bridge, only0"
    assert json.loads(json.dumps(result, allow_nan=False)) == result
    assert [options["n_components"] for options in Projection.asked] == [2, 10]
    assert [options["min_dist"] for options in Projection.asked] == [0.05, 0.1]


@pytest.mark.slow
def test_umap_keeps_groups_together_and_repeats_itself() -> None:
    pytest.importorskip("umap", reason="needs umap-learn")
    result = Neighbourhoods()(material(5))
    places = np.stack([result["x"], result["y"]], axis=1).reshape(len(GROUPS), MEMBERS, 2)
    within = np.linalg.norm(places - places.mean(1, keepdims=True), axis=2).mean()
    between = np.linalg.norm(places.mean(1) - places.mean((0, 1)), axis=1).mean()
    assert between > 2 * within
    assert Neighbourhoods()(material(5)) == result


def test_directions_that_mean_nothing_have_no_more_in_common() -> None:
    asked = Neighbourhoods()
    numbers = np.random.default_rng(0).integers(0, N, (N, 5))
    alike = asked.compared([Index().record(feature) for feature in range(N)], numbers)
    low, high = alike["tokens"]["interval"]
    assert low < 0 < high


def test_without_umap_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(MonoscopeError, match="needs the package umap-learn") as caught:
        Neighbourhoods()(material(5))
    assert "monoscope[map]" in caught.value.hint


def test_too_few_features_are_refused() -> None:
    few = Parts(dictionary=material(5).dictionary, index=Index(alive=range(5)))
    with pytest.raises(WrongUse, match="5 features of tiny fire"):
        Neighbourhoods()(few)


def test_clusters_are_named_by_what_several_descriptions_share() -> None:
    words = ["fog, bay", "fog, tower", "cat, dog", "cat, milk", "stone, river", "wheel, cart"]
    named = cluster_names(words, np.array([0, 0, 1, 1, 2, 2]), 2)
    assert [each["label"] for each in named[:2]] == ["fog", "cat"]
    assert len(named[2]["label"].split(", ")) == 2
    assert [each["size"] for each in named] == [2, 2, 2]
    assert cluster_names(["+", "/", "+"], np.array([0, 0, 0]), 3)[0]["label"] == ""
