import re

from explore import fake
from monoscope.explore.sections.training import POINTS, spread, thinned, training


def test_three_curves_end_at_the_last_figures():
    html = training({"curve": fake.curve()}).replace("\u00a0", " ")
    assert html.count("<svg") == 3
    last = fake.curve()[-1]
    assert f"Variance unexplained: {last['fvu']:.3f}." in html
    assert f"Silent features: {100 * last['dead_share']:.1f} %." in html
    points = re.search(r'points="([^"]*)" class="line fire"', html)[1].split()
    assert len(points) == 160


def test_a_curve_without_some_figures_shows_the_others():
    curve = [{"tokens": step, "fvu": 1 / (1 + step), "l0": None} for step in range(5)]
    assert training({"curve": curve}).count("<svg") == 1
    assert training({"curve": curve[:1]}) is None
    assert training({}) is None


def test_a_long_curve_is_thinned_and_keeps_its_ends():
    points = [{"tokens": step} for step in range(10_001)]
    kept = thinned(points, POINTS)
    assert len(kept) == POINTS
    assert (kept[0], kept[-1]) == (points[0], points[-1])
    assert thinned(points[:7], POINTS) == points[:7]


def test_all_features_are_in_the_histograms():
    part = fake.features(80)
    html = spread(part["statistics"])
    for chart in html.split("<figure>")[1:]:
        counts = [int(each.replace(",", "")) for each in re.findall(r'data-tip="([\d,]+) features', chart)]
        assert sum(counts) == 78
        assert "2 that never fired" in chart
    assert spread({}) is None
