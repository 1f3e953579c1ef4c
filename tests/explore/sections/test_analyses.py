"""Analyses on the page."""

from monoscope.explore.sections.analyses import analyses

CHECK = {
    "name": "A1.5",
    "what": "a <b>ratio</b>",
    "figure": 0.51,
    "target": ">= 0.9",
    "holds": False,
    "why": "few",
}
RESULT = {"title": "Features & neurons", "checks": [CHECK], "formulas": {"r": "cov / sd"}, "svg": "<svg/>"}


def test_nothing_asked_nothing_shown() -> None:
    assert analyses([]) is None


def test_checks_figures_and_formulas_are_shown_and_escaped() -> None:
    shown = analyses([RESULT, RESULT | {"checks": [CHECK | {"figure": None, "holds": None}]}])
    assert shown is not None
    assert "Features &amp; neurons" in shown
    assert "a &lt;b&gt;ratio&lt;/b&gt;" in shown
    assert "falls short: few" in shown
    assert "not measured" in shown
    assert "data:image/svg+xml;base64,PHN2Zy8+" in shown
    assert "cov / sd" in shown
