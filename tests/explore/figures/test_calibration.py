"""The figure of a calibration: drawn from the record alone, the same every time."""

import xml.etree.ElementTree as ElementTree
from typing import Any

import pytest

from monoscope.explore.figures.calibration import calibration, calibration_svg


def record(**changes: Any) -> dict[str, Any]:
    def setting(
        strength: float, effect: float, distinct_2: float, perplexity: float | None, kl: float | None
    ) -> dict:
        return {
            "strength": strength,
            "effect": effect,
            "low": effect - 0.1,
            "high": effect + 0.05,
            "distinct_2": distinct_2,
            "perplexity": perplexity,
            "kl": kl,
        }

    return {
        "subject": {"name": "412"},
        "unit": "largest activation",
        "effect": {"judge": "topic", "unit": "share of samples"},
        "reference": setting(0, 0.1, 0.9, 3.0, 0.0),
        "settings": [
            setting(0.5, 0.3, 0.9, 4.0, 0.2),
            setting(1, 0.9, 0.8, 6.0, 0.7),
            setting(2, 1.0, 0.2, None, None),
        ],
        "controls": {"mean": [0.1, 0.1, 0.2], "low": [0.0, 0.1, 0.1], "high": [0.1, 0.2, 0.3]},
        "limits": {"distinct_2": 0.6, "perplexity": 3.0},
        "recommended": 1,
    } | changes


def test_it_is_drawn_and_again_the_same() -> None:
    svg = calibration_svg(record())
    texts = "".join(ElementTree.fromstring(svg).itertext())
    for said in ("Steering 412", "knee: 1", "share of samples", "largest activations", "unsteered"):
        assert said in texts
    assert svg == calibration_svg(record())


def test_without_a_knee_none_is_marked() -> None:
    assert "knee" not in calibration_svg(record(recommended=None))


def test_the_points_are_the_record_s() -> None:
    top, variety, surprise, distance = calibration(record()).axes
    assert list(top.containers[0].lines[0].get_ydata()) == [0.3, 0.9, 1.0]
    assert list(variety.lines[0].get_ydata()) == pytest.approx([1, 0.8 / 0.9, 0.2 / 0.9])
    assert list(surprise.lines[0].get_ydata()) == pytest.approx([4 / 3, 2])
    assert list(distance.lines[0].get_xdata()) == [0.5, 1]
    assert {axes.get_xscale() for axes in (top, variety, surprise, distance)} == {"log"}


def test_strengths_below_zero_have_an_even_axis() -> None:
    told = record()
    told["settings"][0]["strength"] = -1
    assert calibration(told).axes[0].get_xscale() == "linear"
    assert calibration_svg(told)
