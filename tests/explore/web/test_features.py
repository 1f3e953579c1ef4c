"""The table of features: search, filters, order, lists, and a hundred thousand rows."""

import json
from pathlib import Path

from explore.web.answers import Answers, evaluation
from explore.web.browsing import REFUSED, numbers, until


def test_what_is_not_indexed_yet_is_said(explorer):
    answers = Answers(status="running", has_index=False)
    page = explorer("#/features", answers=answers, expected=(REFUSED,)).page
    page.wait_for_selector(".failure")
    assert "no index yet" in page.locator(".failure").inner_text()


def test_a_hundred_thousand_rows_scroll(explorer):
    opened = explorer("#/features?sort=feature")
    page = opened.page
    page.wait_for_selector(".grid .body a")
    assert page.locator(".found").inner_text().startswith("100,000 features")
    assert numbers(page)[:3] == [0, 1, 2]
    assert page.locator(".grid .body .row").count() < 60
    page.evaluate("document.querySelector('.grid').scrollTop = 44 * 50000")
    until(page, "[...document.querySelectorAll('.c-feature')].some(each => each.textContent === '50000')")
    assert 50_000 in numbers(page)
    page.focus(".grid")
    page.keyboard.press("End")
    until(page, "[...document.querySelectorAll('.c-feature')].some(each => each.textContent === '99999')")
    assert page.locator("#row-99999").get_attribute("aria-selected") == "true"
    grid, last = page.locator(".grid").bounding_box(), page.locator("#row-99999").bounding_box()
    assert grid["y"] < last["y"] <= grid["y"] + grid["height"] - last["height"]
    assert page.locator(".grid").get_attribute("aria-activedescendant") == "row-99999"
    offsets = {asked["offset"] for path, asked in opened.answers.asked if path == "features"}
    assert len(offsets) < 10


def test_what_a_word_was_completed_to_is_said(explorer):
    page = explorer("#/features?q=brid").page
    page.wait_for_selector(".grid .body a")
    assert "for “bridge”" in page.locator(".found").inner_text()
    page.fill("[data-search]", "bridge")
    until(page, "!document.querySelector('.found').textContent.includes('“')")


def test_search_as_one_types_keeps_the_rows_until_new_ones_come_and_forgets_the_old_question(explorer):
    answers = Answers(evaluation=evaluation(), seconds={"bri": 0.6})
    opened = explorer("#/features", answers=answers)
    page = opened.page
    page.wait_for_selector(".grid .body a")
    before = numbers(page)
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.type") == "search"
    page.keyboard.type("bri")
    page.wait_for_timeout(150)
    assert numbers(page) == before
    page.keyboard.type("dge")
    page.wait_for_selector(".grid.searching .why")
    count = page.locator(".found p").first.inner_text()
    page.wait_for_timeout(700)
    assert page.locator(".found p").first.inner_text() == count
    assert all(each % 12 == 0 for each in numbers(page))
    assert page.url.endswith("#/features?q=bridge")
    assert page.locator(".why").first.inner_text() == "fires on bridge"


def test_a_link_brings_the_view_back(explorer):
    opened = explorer("#/features?q=bread&by=fires&where=density%3C0.01&sort=max_activation")
    page = opened.page
    page.wait_for_selector(".grid .body a")
    assert page.input_value("[data-search]") == "bread"
    assert page.input_value(".filter input") == "density<0.01"
    assert page.locator("[aria-sort=ascending]").inner_text().startswith("Largest")
    _, asked = [each for each in opened.answers.asked if each[0] == "features"][-1]
    assert asked["by"] == "fires"
    assert asked["where"] == "density<0.01"
    assert asked["sort"] == "max_activation"
    page.locator(".c-n_active button").click()
    page.wait_for_selector("[aria-sort=descending].c-n_active")
    assert "sort=-n_active" in page.url
    page.get_by_role("button", name="Clear all").click()
    until(page, "location.hash === '#/features'")
    assert page.input_value("[data-search]") == ""


def test_a_filter_that_is_none_is_said_beside_it(explorer):
    page = explorer("#/features", expected=(REFUSED,)).page
    page.wait_for_selector(".grid .body a")
    page.fill(".filter input", "bridge <")
    page.wait_for_selector("#refused .problem")
    said = "'bridge <' is no filter for instance"
    assert page.locator("#refused").inner_text().startswith(said)
    assert page.locator(".grid").is_visible()
    page.locator(".chip").first.click()
    until(page, "!document.querySelector('#refused .problem')")
    assert page.input_value(".filter input") == "alive & density<0.01"


def test_a_token_is_searched_with_and_without_its_space(explorer):
    opened = explorer("#/features?q=bridge&by=fires")
    page = opened.page
    page.wait_for_selector(".grid .body a")
    page.get_by_role("button", name="·bridge").click()
    page.get_by_role("button", name="bridge", exact=True).wait_for()
    assert [asked["q"] for path, asked in opened.answers.asked if path == "features"] == ["bridge", " bridge"]
    assert page.input_value("[data-search]") == " bridge"


def test_the_keyboard_goes_from_the_table_to_a_feature_and_back(explorer):
    page = explorer("#/features?sort=feature").page
    page.wait_for_selector(".grid .body a")
    page.focus(".grid")
    for _ in range(30):
        page.keyboard.press("ArrowDown")
    page.keyboard.press("s")
    scrolled = page.evaluate("document.querySelector('.grid').scrollTop")
    assert scrolled > 0
    page.keyboard.press("Enter")
    page.wait_for_selector(".feature .measures")
    assert page.locator("h1 .which").inner_text() == "Feature 30"
    assert page.evaluate("document.activeElement.tagName") == "H1"
    assert page.locator(".actions .star").get_attribute("aria-pressed") == "true"
    page.go_back()
    page.wait_for_selector(".grid .body a")
    until(page, f"document.querySelector('.grid').scrollTop === {scrolled}")
    assert page.locator("#row-30").get_attribute("aria-selected") == "true"
    assert page.evaluate("document.activeElement.className").startswith("grid")


def test_lists_are_kept_and_linked_and_go_through_files(explorer, tmp_path):
    made = explorer("#/features?sort=feature")
    page = made.page
    page.wait_for_selector(".grid .body a")
    for row in (3, 1):
        page.locator(f"#row-{row} .star").click()
    page.locator(".lists summary").click()
    assert page.locator(".lists summary").inner_text() == "Lists Starred (2)"
    page.get_by_role("link", name="Show this list").click()
    until(page, "document.querySelectorAll('.grid .body .row').length === 2")
    assert page.url.endswith("#/features?list=3%2C1")
    assert numbers(page) == [3, 1]
    with page.expect_download() as caught:
        page.get_by_role("button", name="Export").click()
    saved = json.loads(Path(caught.value.path()).read_text(encoding="utf-8"))
    assert saved["lists"] == [{"name": "Starred", "features": [3, 1]}]
    other = tmp_path / "other.json"
    other.write_text(
        json.dumps({**saved, "run": "another", "lists": [{"name": "<i>x", "features": [8]}]}),
        encoding="utf-8",
    )
    page.set_input_files(".file input", other)
    until(page, "document.querySelectorAll('.lists option').length === 2")
    assert "another run" in page.locator(".lists [role=status]").inner_text()
    page.reload()
    page.wait_for_selector(".lists option", state="attached")
    assert page.locator(".lists option").all_text_contents() == ["Starred (2)", "<i>x (1)"]
    made.answers.dictionary = "another0"
    page.reload()
    page.wait_for_selector(".lists option", state="attached")
    assert page.locator(".lists option").all_text_contents() == ["Starred (0)"]
