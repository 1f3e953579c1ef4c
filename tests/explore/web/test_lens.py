"""The lens in a browser: a text in tokens, the strip of cells, and why a token is there."""

import re
from urllib.parse import quote

import pytest

from explore.web.browsing import REFUSED, check_accessible, ready, until
from explore.web.model import Model, tokens_of

TEXT = "Tom had a piano. He played it."
LENS = f"#/lens?text={quote(TEXT)}"


def opened(explorer, hash_=LENS, **options):
    """The lens with a text read."""
    page = explorer(hash_, answers=Model(), **options)
    page.page.wait_for_selector(".strip canvas")
    return page


def test_a_text_that_is_typed_is_read_once_it_rests(explorer):
    answers = Model()
    page = explorer("#/lens", answers=answers).page
    page.wait_for_selector("textarea")
    assert not answers.questions
    page.locator("textarea").press_sequentially(TEXT, delay=5)
    page.wait_for_selector("[data-token]")
    until(page, "document.querySelectorAll('[data-token]').length === 9")
    assert answers.questions[-1] == ("lens", {"text": TEXT, "limit": 20})
    assert len(answers.questions) <= 2
    assert page.locator(".read").inner_text() == TEXT
    page.reload()
    page.wait_for_selector("[data-token]")
    assert page.locator("textarea").input_value() == TEXT


def test_an_example_is_one_click_away_in_each_language(explorer):
    for locale, word in (("en-GB", "piano"), ("es-ES", "tenía")):
        page = explorer("#/lens", answers=Model(), locale=locale).page
        page.wait_for_selector(".chip")
        page.locator(".chip").first.click()
        page.wait_for_selector("[data-token]")
        assert word in page.locator(".read").inner_text()


def test_a_token_tells_what_fires_on_it_and_why_it_is_there(explorer):
    made = opened(explorer)
    page, answers = made.page, made.answers
    page.locator("[data-token]").nth(3).click()
    rows = page.locator(".inspector .pick")
    strongest = [float(each) for each in page.locator(".inspector .rate").all_inner_texts()]
    assert strongest == sorted(strongest, reverse=True)
    rows.nth(1).click()
    chosen = rows.nth(1).locator(".number").inner_text()
    assert f"Feature {chosen}" in page.locator(".chosen").inner_text()
    assert f"feature={chosen}" in page.url
    page.locator(".inspector .line button").first.click()
    page.wait_for_selector(".ballots li")
    assert answers.questions[-1] == ("attribution", {"text": TEXT, "position": 3, "limit": 12})
    assert "42\u00a0%" in page.locator(".rivals").inner_text()
    bars = page.locator(".ballots li").nth(1).locator("rect")
    assert [bars.nth(each).get_attribute("width") for each in (0, 1)] == ["25%", "18.75%"]
    assert [bars.nth(each).get_attribute("x") for each in (0, 1)] == ["25%", "31.25%"]
    page.locator(".inspector .line button").nth(1).click()
    until(page, "document.querySelector('.rivals .token')?.textContent === '.'")
    assert answers.questions[-1][1]["position"] == 4
    page.locator(".chosen a").last.click()
    page.wait_for_selector(".steer .picker")
    assert page.locator(".picker input").first.input_value().startswith(chosen)


def test_the_first_token_has_no_why_and_the_last_asks_for_what_comes(explorer):
    made = opened(explorer)
    page = made.page
    page.locator("[data-token]").first.click()
    assert page.locator(".inspector .line button").count() == 1
    page.locator("[data-token]").last.click()
    page.locator(".inspector .line button").last.click()
    page.wait_for_selector(".ballots")
    assert made.answers.questions[-1][1]["position"] == len(tokens_of(TEXT))


def test_cells_are_walked_by_keyboard_and_said(explorer):
    page = opened(explorer).page
    page.locator(".cells").focus()
    assert page.locator(".told").get_attribute("aria-live") == "polite"
    assert "“Tom”, feature 7" in page.locator(".told").inner_text()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    assert "“a”, feature 20: 16, 40\u00a0% of the largest" in page.locator(".told").inner_text()
    page.keyboard.press("Enter")
    assert "Feature 20" in page.locator(".chosen").inner_text()
    assert page.locator(".inspector h2").inner_text() == "At “a”"
    page.keyboard.press("End")
    assert "“.”" in page.locator(".told").inner_text()
    page.locator("[data-token]").nth(2).focus()
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.textContent") == "piano"


def test_cells_are_as_full_as_their_activations(explorer):
    page = opened(explorer, expected=("willReadFrequently",)).page
    page.wait_for_timeout(100)
    shade = (
        "([column, row]) => { const canvas = document.querySelector('.cells canvas');"
        " const ratio = canvas.width / canvas.clientWidth;"
        " const at = canvas.getContext('2d').getImageData("
        "(column * 20 + 10) * ratio, (86 + row * 30 + 15) * ratio, 1, 1).data; return at[2] }"
    )
    quiet, low, high = (page.evaluate(shade, place) for place in ([0, 0], [0, 2], [1, 3]))
    assert quiet == 255
    assert quiet > low > high


def test_a_feature_of_the_address_is_shown_however_weak_it_is(explorer):
    made = opened(explorer, f"{LENS}&feature=999")
    page = made.page
    assert page.locator(".names button").first.inner_text().startswith("999")
    assert "Feature 999" in page.locator(".chosen").inner_text()
    assert page.locator(".names button").count() == 20
    assert (
        "reread",
        {"prompt": "", "text": TEXT, "features": [999], "steering": None},
    ) in made.answers.questions


def test_a_text_that_is_refused_says_why(explorer):
    page = explorer("#/lens?text=refused", answers=Model(), expected=(REFUSED,)).page
    page.wait_for_selector(".failure")
    assert "give a shorter one" in page.locator(".failure").inner_text()


def test_three_hundred_tokens_stay_quick(explorer):
    text = "The bridge stands in the fog today. " * 40
    page = opened(explorer, f"#/lens?text={quote(text)}").page
    assert page.locator("[data-token]").count() >= 300
    until(page, "document.querySelector('.cells').scrollWidth > 6000")
    frames = page.evaluate(
        "new Promise(done => { const cells = document.querySelector('.cells'); let count = 0;"
        " const step = () => { cells.scrollLeft += 20; count += 1;"
        " if (count < 60) requestAnimationFrame(step); else done(count) }; step() })"
    )
    assert frames == 60
    assert page.evaluate("document.querySelector('.cells canvas').clientWidth") < 1280
    assert page.evaluate("document.querySelector('.cells').scrollLeft") == 1200


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_accessible_on_a_phone_and_in_spanish(explorer, scheme):
    page = opened(explorer, locale="es-ES", width=360, color_scheme=scheme).page
    page.locator("[data-token]").nth(3).click()
    page.locator(".inspector .line button").first.click()
    page.wait_for_selector(".ballots")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    shown = page.locator("main").inner_text()
    assert not re.search(r"\b(Feature|Token by|Why|Coloured|Click|Measured)\b", shown)
    check_accessible(page)
    ready(page)
