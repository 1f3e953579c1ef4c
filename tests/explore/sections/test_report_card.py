import re

from explore import fake
from monoscope.explore.sections.report_card import report_card


def rows(html: str) -> dict[str, list[str]]:
    """Metric -> the figures of its columns."""
    found = {}
    for row in re.findall(r"<tr>.*?</tr>", html, re.DOTALL):
        name = re.search(r'class="name">([^<]*)<', row)
        if name:
            found[name[1]] = [
                each.replace("\u00a0", " ") for each in re.findall(r'class="value">([^<]*)<', row)
            ]
    return found


def test_every_metric_stands_beside_its_baselines():
    evaluation = fake.evaluation()
    read = rows(report_card(evaluation, evaluation["formulas"]))
    assert read["Variance unexplained"] == ["0.142", "0.551", "0.318", "0.702"]
    assert read["Prediction kept, against the average"] == ["96.2 %", "71.0 %", "83.0 %", "42.0 %"]
    assert read["Concepts found"] == ["95.0 %", "5.0 %", "2.0 %", "0.0 %"]


def test_headlines_are_the_same_numbers():
    html = report_card(fake.evaluation(), {}).replace("\u00a0", " ")
    tiles = re.findall(r"<li><b>([^<]*)</b><span>([^<]*)</span>", html)
    assert [figure for figure, _ in tiles] == ["86 %", "96 %", "57 of 60", "2.1 %"]
    assert "neurons: 3" in tiles[2][1]


def test_formulas_and_what_misleads_are_behind_the_question_mark():
    part = fake.evaluation() | {"misleads": {"fvu": "Small where few directions are large."}}
    html = report_card(part, {"fvu": "a < b"})
    assert "<code>a &lt; b</code> Small where few directions are large." in html


def test_intervals_stand_under_their_numbers_and_only_where_there_are_some():
    evaluation = fake.evaluation()
    html = report_card(evaluation, {})
    assert "0.138 – 0.146" in html
    for numbers in (evaluation["metrics"], *evaluation["baselines"].values()):
        del numbers["intervals"]
    del evaluation["recovery"]["intervals"]
    evaluation["intervals"] = {"l0": [31.8, 31.8]}
    assert 'class="interval"' not in report_card(evaluation, {})
    evaluation["intervals"] = {"fvu": [0.1, 0.2]}
    assert "0.100 – 0.200" in report_card(evaluation, {})


def test_a_metric_that_nobody_explained_is_shown_by_its_name():
    read = rows(report_card({"metrics": {"fvu": 0.1, "novelty": 3.5}}, {}))
    assert read == {"Variance unexplained": ["0.100"], "novelty": ["3.500"]}
