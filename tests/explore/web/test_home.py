"""Home: what the run is, how good it is, and how it comes along."""

import pytest

from explore.web.answers import Answers, evaluation
from explore.web.browsing import REFUSED, check_accessible, until


def test_home_says_what_the_run_is_and_how_good(explorer):
    page = explorer("#/").page
    page.wait_for_selector(".metric")
    text = page.locator("main").inner_text()
    assert "a dictionary of 100,000 features was learnt from 2 million tokens" in text
    first = page.locator(".metric").first
    assert first.locator("h3").inner_text() == "Concepts found by one unit"
    assert "76\u00a0%" in first.inner_text()
    assert "Neurons 3.8\u00a0%" in first.inner_text().replace("\n", " ")
    fvu = page.locator(".metric").nth(1)
    assert fvu.locator("code").count() == 0
    fvu.locator(".ask").press("Enter")
    assert fvu.locator("code").inner_text() == "sum |x - x_hat|^2 / sum |x - mean(x)|^2"
    assert page.locator(".stages .done").count() == 3
    assert page.locator(".curve path").get_attribute("d").startswith("M")
    page.locator(".door.first").click()
    page.wait_for_selector(".feature .measures")
    assert page.url.endswith("#/feature/12")


def test_dots_stand_where_their_values_are(explorer):
    page = explorer("#/").page
    page.wait_for_selector(".metric")
    places = (
        page.locator(".metric")
        .nth(1)
        .locator(".dots > svg")
        .evaluate_all("marks => marks.map(mark => parseFloat(mark.getAttribute('x')))")
    )
    assert places == pytest.approx([62.3, 43.6, 37.1, 67.2, 13.3])


def test_home_follows_a_run_at_work(explorer):
    answers = Answers(status="running", has_index=False)
    opened = explorer("#/", answers=answers, expected=(REFUSED,))
    page = opened.page
    page.wait_for_selector(".stages .now")
    assert page.locator(".stages .now").inner_text().startswith("Train the dictionary")
    assert page.locator("nav a").all_inner_texts() == ["Home", "Tour", "Vectors"]
    assert "once the run has indexed them" in page.locator(".start").inner_text()
    assert page.locator(".working").inner_text() == "This run is at work; the page follows it."
    assert "Neuron 113 of layer 2" in page.locator(".first-look").inner_text()
    assert page.locator(".first-look .most.s10").count() > 0
    answers.status = "stopped"
    page.wait_for_selector("text=stopped before its end")
    answers.status = "running"
    page.wait_for_selector(".working")
    answers.status, answers.has_index, answers.evaluation = "complete", True, evaluation()
    page.wait_for_selector(".metric")
    assert page.locator(".stages .done").count() == 3
    assert page.locator(".first-look").count() == 0
    assert page.locator("nav a").all_inner_texts() == ["Home", "Tour", "Features", "Lens", "Steer", "Vectors"]


def test_a_feature_forms_while_the_dictionary_learns(explorer):
    answers = Answers(status="running", has_index=False)
    page = explorer("#/", answers=answers, expected=(REFUSED,)).page
    page.wait_for_selector(".small-curve")
    assert page.locator(".forming").count() == 0
    assert page.locator(".small-curve h3").all_inner_texts() == [
        "Silent features\n0\u00a0%",
        "Loss\n31",
        "Features at once\n16",
    ]
    answers.snapshots = 3
    page.wait_for_selector(".forming")
    snapshots = page.locator(".forming li")
    assert snapshots.count() == 3
    assert "fires on none of them" in snapshots.first.inner_text()
    assert snapshots.first.locator(".text").count() == 0
    third = snapshots.nth(2)
    assert third.locator("h3").inner_text() == "after 3.6 million tokens"
    assert "fires on 10\u00a0% of tokens" in third.inner_text()
    assert third.locator(".text").count() == 4
    assert third.locator(".text .most.s10").count() == 4
    told = answers.answer("forming", {})["snapshots"][2]["texts"][0]
    assert third.locator(".text .most").first.text_content() == told["tokens"][told["peak"]].strip()
    assert page.locator(".forming img").count() == 0
    answers.status, answers.has_index = "complete", True
    until(page, "document.querySelectorAll('.stages .done').length === 3")
    assert snapshots.count() == 3
    asked = [path for path, _ in answers.asked].count("forming")
    page.wait_for_timeout(100)
    assert [path for path, _ in answers.asked].count("forming") == asked


def test_a_run_that_is_done_is_not_asked_what_forms(explorer):
    opened = explorer("#/")
    opened.page.wait_for_selector(".curve path")
    opened.page.wait_for_selector(".metric")
    assert opened.page.locator(".small-curve, .forming").count() == 0
    assert "forming" not in [path for path, _ in opened.answers.asked]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_run_at_work_is_accessible_on_a_phone_and_in_spanish(explorer, scheme):
    answers = Answers(status="running", has_index=False, snapshots=6)
    page = explorer(
        "#/", answers=answers, locale="es-ES", width=360, color_scheme=scheme, expected=(REFUSED,)
    ).page
    page.wait_for_selector(".forming")
    assert page.locator(".forming h2").inner_text() == "Un rasgo que se forma Rasgo 312"
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    check_accessible(page)
