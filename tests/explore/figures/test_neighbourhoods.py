"""The map of features, drawn."""

import xml.etree.ElementTree as ElementTree
from typing import Any

import numpy as np

from monoscope.explore.figures import figure_svg


def result(n: int) -> dict[str, Any]:
    generator = np.random.default_rng(0)
    alike = {"by_feature": [0.5] * n, "by_feature_random": [0.1] * n, "neighbours": 0.5, "random": 0.1}
    return {
        "n_alive": n,
        "clustered_share": 0.5,
        "clusters": [
            {"cluster": 0, "size": n // 2, "label": "fog & bay"},
            {"cluster": 1, "size": 1, "label": ""},
        ],
        "x": generator.normal(size=n).tolist(),
        "y": generator.normal(size=n).tolist(),
        "cluster": [0] * (n // 2) + [1] + [-1] * (n - n // 2 - 1),
        "alike": {"tokens": alike, "contexts": alike},
    }


def test_the_map_names_its_clusters() -> None:
    svg = figure_svg("neighbourhoods", result(30))
    said = "".join(ElementTree.fromstring(svg).itertext())
    for words in ("30 features by direction", "2 clusters hold 50%", "fog & bay", "mean 0.500"):
        assert words in said
    assert svg == figure_svg("neighbourhoods", result(30))


def test_a_large_map_stays_small() -> None:
    svg = figure_svg("neighbourhoods", result(40_000))
    assert len(svg) < 300_000
    assert "40,000 features by direction, one in 4 shown" in "".join(ElementTree.fromstring(svg).itertext())
