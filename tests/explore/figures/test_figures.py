"""Every analysis has a figure; equal results give equal ones."""

import xml.etree.ElementTree as ElementTree
from typing import Any

import numpy as np
import pytest

from monoscope.errors import UnknownName
from monoscope.evaluate.analyses import ANALYSES
from monoscope.explore.figures import FIGURES, figure_svg

DENSITY = {
    "n_features": 5,
    "dead_share": 0.2,
    "log10_density": [-2.0, -3.0, -1.5, -5.0],
    "alignment": [0.8, 0.7, 0.9, 0.1],
    "ultra_low": [False, False, False, True],
}


def test_there_is_one_for_each_analysis() -> None:
    assert sorted(FIGURES) == list(ANALYSES)
    with pytest.raises(UnknownName, match="no figure of 'colour'"):
        figure_svg("colour", {})


def test_density_is_drawn_and_again_the_same() -> None:
    svg = figure_svg("density", DENSITY)
    texts = "".join(ElementTree.fromstring(svg).itertext())
    assert "4 alive features; 1 never fire" in texts
    assert svg == figure_svg("density", DENSITY)
    none = {"log10_density": [], "alignment": [], "ultra_low": [], "n_features": 3, "dead_share": 1.0}
    assert "3 never fire" in figure_svg("density", none)


NEURONS = {
    "n_features": 3,
    "near": 0.3,
    "share_near": 2 / 3,
    "max_r": [0.2, 0.1, 0.9],
    "split_half": [0.95, 0.9, 0.99],
    "max_r_random": [0.1, 0.2],
}
POINTS = {"activation": [1.0, 2.0], "attribution": [0.5, -3.0], "ablation": [0.4, -2.0]}
ATTRIBUTION = {
    "points": POINTS,
    "r_attribution": 0.81,
    "r_activation": 0.12,
    "n_prompts": 2,
    "prompts": [{"r_attribution": 0.8, "r_activation": 0.1}, {"r_attribution": 0.82, "r_activation": 0.14}],
}
CONTEXT = {
    "context": "arabic",
    "planted": False,
    "feature": 7,
    "r": 0.74,
    "neuron_r": 0.18,
    "edges": [0.0, 1.0, 2.0],
    "tokens": [10, 5],
    "tokens_inside": [2, 5],
    "ce_rise_inside": 0.3,
    "ce_rise_elsewhere": -0.001,
    "p_clean": 0.001,
    "p_pinned": 0.2,
    "p_controls": 0.002,
    "logit_auc": 0.95,
    "logit_auc_controls": 0.5,
}
UNKNOWN = dict.fromkeys(("p_clean", "p_pinned", "p_controls", "logit_auc", "logit_auc_controls"))
PROXIES = {"contexts": [CONTEXT, CONTEXT | UNKNOWN | {"context": "bridge", "planted": True}]}
SCORED = {"mean": 0.7, "scores": [0.6, 0.8], "anothers": {"mean": 0.5}, "single_token": 0.25}
NOTHING = {"mean": None, "scores": [], "anothers": {"mean": None}, "single_token": None}
SHUFFLED = {"variants": {"own": SCORED, "real": SCORED, "shuffled": NOTHING}}


@pytest.mark.parametrize(
    ("name", "result", "said"),
    [
        ("neurons", NEURONS, "3 features: 67% have max |r| <= 0.3"),
        (
            "neurons",
            NEURONS
            | {"n_features": 0, "share_near": None, "max_r": [], "split_half": [], "max_r_random": []},
            "no feature was judged",
        ),
        ("attribution", ATTRIBUTION, "Attribution: mean r = 0.81"),
        (
            "attribution",
            {"points": {name: [] for name in POINTS}, "prompts": [], "n_prompts": 0}
            | dict.fromkeys(("r_attribution", "r_activation")),
            "0 prompts",
        ),
        ("proxies", PROXIES, "arabic: r 0.74, neuron 0.18"),
        ("proxies", {"contexts": []}, "Logit weights"),
        ("shuffled", SHUFFLED, "25% of single tokens"),
    ],
)
def test_analyses_are_drawn_and_again_the_same(name: str, result: Any, said: str) -> None:
    svg = figure_svg(name, result)
    assert said in "".join(ElementTree.fromstring(svg).itertext())
    assert svg == figure_svg(name, result)


def test_large_scatters_stay_small() -> None:
    many = np.random.default_rng(0).random(30_000).tolist()
    neurons = NEURONS | {"max_r": many, "split_half": many, "max_r_random": many, "n_features": len(many)}
    assert len(figure_svg("neurons", neurons)) < 300_000
