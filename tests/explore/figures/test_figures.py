"""Every analysis has a figure; equal results give equal ones."""

import xml.etree.ElementTree as ElementTree

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
