"""Home: what the run is, how good it is, and how it comes along."""

import pytest

from explore.web.answers import Answers, evaluation
from explore.web.browsing import REFUSED


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
    assert page.locator("nav a").all_inner_texts() == ["Home", "Tour"]
    assert "once the run has indexed them" in page.locator(".start").inner_text()
    answers.status, answers.has_index, answers.evaluation = "complete", True, evaluation()
    page.wait_for_selector(".metric")
    assert page.locator(".stages .done").count() == 3
    assert page.locator("nav a").all_inner_texts() == ["Home", "Tour", "Features", "Lens", "Steer", "Vectors"]
