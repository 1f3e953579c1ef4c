import re

from explore import fake
from monoscope.explore.sections.steering import marked, steering


def test_words_of_the_topic_are_marked_whole_and_whatever_their_case():
    pieces = marked("The Bridge, bridges and a drawbridge; bridge.", ["bridge", "a.b"])
    assert [str(piece) for piece in pieces if piece.startswith("<mark>")] == [
        "<mark>Bridge</mark>",
        "<mark>bridge</mark>",
    ]
    assert re.sub(r"</?mark>", "", "".join(pieces)) == "The Bridge, bridges and a drawbridge; bridge."
    assert marked("no words", []) == ["no words"]


def test_every_dose_has_its_dot_its_interval_and_its_row():
    part = fake.showcase()
    html = steering(part)
    chart = re.search(r"<svg[^>]*chart-topic.*?</svg>", html, re.DOTALL)[0]
    assert chart.count('class="dot fire"') == len(part["doses"])
    assert chart.count('class="line fire"') == len(part["doses"]) + 1
    table = re.search(r"<caption>Doses</caption>.*?</table>", html, re.DOTALL)[0]
    assert table.count("<tr>") == 1 + 1 + len(part["doses"])
    assert "5×: 95\u00a0% of samples speak of it (95 %: 84\u00a0% to 100\u00a0%)" in chart


def test_controls_are_drawn_and_said():
    html = steering(fake.showcase())
    assert html.count('class="dot other"') == 20
    assert "Turning up 20 other features to 5× instead gives at most 1.2\u00a0% of words about it" in html
    assert "a random direction 0.3\u00a0%" in html


def test_a_dose_may_bring_its_interval_as_two_numbers():
    part = fake.showcase()
    for dose in part["doses"]:
        dose["mention_low"], dose["mention_high"] = dose.pop("interval")
    assert steering(part) == steering(fake.showcase())


def test_without_a_strength_that_is_recommended_the_page_says_so_and_names_the_one_shown():
    html = steering(fake.showcase() | {"recommended": None, "shown": 2.0})
    assert "No strength that was tried" in html
    assert "Feature 12 held at 2×" in html
    assert "No strength that was tried" not in steering(fake.showcase())


def test_a_showcase_of_texts_alone_is_shown():
    html = steering({"pairs": [{"prompt": "Once", "default": " upon", "steered": " a bridge"}]})
    assert "<svg" not in html
    assert '<span class="prompt">Once</span> a bridge' in html
