"""How common concepts are that have a feature, drawn."""

import xml.etree.ElementTree as ElementTree
from typing import Any

from monoscope.explore.figures import figure_svg

FIT = {"slope": 4.0, "middle": -0.5, "half": 0.3}


def width(alive: int, fit: dict[str, float] | None) -> dict[str, Any]:
    return {"n_features": alive, "alive": alive, "has": [False, True, True], "fit": fit, "fit_unscaled": fit}


def texts(result: dict[str, Any]) -> str:
    return "".join(ElementTree.fromstring(figure_svg("completeness", result)).itertext())


def test_curves_of_the_widths_are_drawn() -> None:
    result = {
        "frequency": [0.001, 0.01, 0.02],
        "widths": [width(64, FIT), width(1024, FIT)],
        "fit": FIT,
        "spread": 1.5,
        "spread_unscaled": 24.0,
    }
    said = texts(result)
    for words in ("1,024 features", "halves lie x 1.5 apart", "halves lie x 24 apart", "all widths"):
        assert words in said
    assert figure_svg("completeness", result) == figure_svg("completeness", result)


def test_nothing_to_fit_is_said() -> None:
    nothing = {"frequency": [], "fit": None, "spread": None, "spread_unscaled": None}
    assert "cannot be compared" in texts(nothing | {"widths": [width(64, None) | {"has": []}]})
