import re

from explore import fake
from monoscope.explore.sections.recovery import recovery


def test_every_concept_has_two_dots_and_a_row_that_leads_to_its_feature():
    part = fake.concepts()
    html = recovery(part)
    chart = re.search(r"<svg.*?</svg>", html, re.DOTALL)[0]
    assert chart.count('class="dot fire"') == chart.count('class="dot hollow"') == len(part["concepts"])
    body = re.search(r"<tbody>.*?</tbody>", html, re.DOTALL)[0]
    assert body.count("<tr>") == len(part["concepts"])
    for name, concept in part["concepts"].items():
        row = next(each for each in body.split("<tr>") if f'data-sort="{name.replace("_", " ")}"' in each)
        assert f'href="#feature-{concept["feature"]}"' in row
        assert f">{concept['f1']:.2f}<" in row


def test_rows_begin_with_the_best():
    scores = [
        float(each)
        for each in re.findall(r'<td data-sort="[^"]*" class="us">([\d.]+)<', recovery(fake.concepts()))
    ]
    assert len(scores) == 60
    assert scores == sorted(scores, reverse=True)


def test_what_was_missed_is_named_worst_first_and_the_rest_counted():
    part = fake.concepts(20)
    worst = sorted(part["concepts"], key=lambda name: part["concepts"][name]["f1"])[:10]
    for place, name in enumerate(worst):
        part["concepts"][name]["f1"] = 0.01 * place
    html = recovery(part)
    missed = re.search(r"<b>Missed: </b>(.*?)\.</p>", html)[1]
    assert missed.split(" and ")[0].split(", ") == [name.replace("_", " ") for name in worst[:8]]
    assert re.search(r" and (\d+) more", missed)[1] == str(
        sum(each["f1"] < 0.7 for each in part["concepts"].values()) - 8
    )


def test_a_concept_that_calibration_text_does_not_show_has_a_row_and_no_dot():
    part = fake.concepts(12)
    part["concepts"]["chess"] |= {"feature": None, "frequency": 0.0, "f1": 0.0}
    html = recovery(part)
    chart = re.search(r"<svg.*?</svg>", html, re.DOTALL)[0]
    assert chart.count('class="dot fire"') == 11
    assert html.count("<tr>") == 13


def test_a_corpus_without_tags_has_no_such_section():
    assert recovery({}) is None
    assert recovery({"concepts": {}}) is None
