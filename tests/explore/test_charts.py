import math
import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monoscope.explore import charts
from monoscope.explore.charts import Plot


@given(st.floats(1e-9, 1e9))
def test_a_linear_axis_starts_at_nought_and_holds_the_largest_value_under_round_ticks(largest):
    axis = charts.linear("x", [largest, largest / 3])
    assert axis.low == axis.ticks[0] == 0
    assert axis.high == axis.ticks[-1]
    assert largest <= axis.high * (1 + 1e-9) <= 2 * largest
    assert 3 <= len(axis.ticks) <= 6
    step = axis.ticks[1]
    assert round(step / 10 ** math.floor(math.log10(step) + 1e-9), 6) in (1, 2, 2.5, 5, 10)


@given(st.lists(st.floats(1e-8, 1e8), min_size=1, max_size=5))
def test_a_logarithmic_axis_spans_whole_decades_around_the_values(values):
    axis = charts.logarithmic("x", values)
    assert axis.low <= min(values) * (1 + 1e-9)
    assert max(values) <= axis.high * (1 + 1e-6)
    assert len(axis.ticks) <= 7
    assert axis.place(axis.low) == 0
    assert axis.place(axis.high) == pytest.approx(1)
    middle = math.sqrt(axis.low * axis.high)
    assert axis.place(middle) == pytest.approx(0.5)


def test_marks_stand_where_the_axes_say():
    plot = Plot(charts.linear("x", [10]), charts.shares("y"))
    left, bottom = plot.at(0, 0)
    right, top = plot.at(10, 1)
    assert (left, right) == (charts.LEFT, charts.WIDTH - charts.RIGHT)
    assert (top, bottom) == (charts.TOP, charts.HEIGHT - charts.BOTTOM)
    assert plot.at(5, 0.5) == pytest.approx(((left + right) / 2, (top + bottom) / 2))
    assert plot.at(99, -3) == (right, bottom)


def test_a_chart_is_well_formed_and_can_be_read_aloud():
    plot = Plot(charts.ordinal("dose", ["0×", "1×"]), charts.shares("share <of words>"))
    chart = plot.svg(plot.line([(0, 0.0), (1, 1.0)], "fire"), title="A & B", description="said", name="c")
    svg = ElementTree.fromstring(chart)
    assert svg.attrib["role"] == "img"
    names = {each.attrib["id"]: each.text for each in svg.iter() if "id" in each.attrib}
    assert names == {"c-title": "A & B", "c-description": "said"}
    assert set(svg.attrib["aria-labelledby"].split()) == set(names)
    texts = [each.text for each in svg.iter("text")]
    assert texts == [
        "0×",
        "1×",
        "dose",
        "0\u00a0%",
        "25\u00a0%",
        "50\u00a0%",
        "75\u00a0%",
        "100\u00a0%",
        "share <of words>",
    ]


def test_a_histogram_counts_every_value_above_nought_once():
    values = [0.0, 0.001, 0.001, 0.01, 0.0999, 0.1, 0.0]
    chart = charts.histogram(values, label="density", title="t", name="h")
    counts = [int(count) for count in re.findall(r'data-tip="(\d+) features', chart)]
    assert sum(counts) == 5
    assert max(counts) == 2
    assert "5 features; 2 that never fired" in chart


def test_a_histogram_of_nothing_but_silence_is_empty_and_no_error():
    assert "<rect" not in charts.histogram([0.0, 0.0], label="density", title="t", name="h")
