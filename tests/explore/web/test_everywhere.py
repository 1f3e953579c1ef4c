"""What holds on every screen: token, languages, colours, phone, keyboard, hostile text, accessibility."""

import re
from pathlib import Path

import pytest

from explore.web.answers import HOSTILE_FEATURE, evaluation
from explore.web.browsing import AXE, PLACES, REFUSED, ready, until, visit
from explore.web.server import TOKEN
from explore.web.vectors import Vectors

ROOT = Path(__file__).parents[3]
ALL = [*PLACES, "#/vectors", "#/vectors/joy"]
"""Those that need a model, too."""


def answers() -> Vectors:
    """What the server of every screen says."""
    return Vectors(evaluation=evaluation())


def test_the_token_leaves_the_address_and_goes_with_each_request(explorer):
    opened = explorer("#/")
    page = opened.page
    ready(page)
    assert TOKEN not in page.url
    assert page.evaluate("sessionStorage.getItem('monoscope.token')") == TOKEN
    assert not any(TOKEN in url for url in opened.requests if "/api/" in url)
    page.reload()
    ready(page)
    assert page.locator("h1").inner_text() == "Inside builtin"


def test_without_a_token_it_is_asked_for(explorer):
    opened = explorer("#/feature/12", token=None, expected=(REFUSED,))
    page = opened.page
    page.wait_for_selector("#token")
    assert "monoscope serve" in page.locator("main").inner_text()
    page.fill("#token", "wrong")
    page.keyboard.press("Enter")
    page.wait_for_selector(".gate .problem")
    page.fill("#token", f"http://127.0.0.1:1/#token={TOKEN}")
    page.keyboard.press("Enter")
    page.wait_for_selector(".feature .measures")
    assert page.url.endswith("#/feature/12")


def test_another_token_begins_anew(explorer):
    page = explorer("#/feature/12").page
    page.wait_for_selector(".feature .measures")
    page.evaluate("window.earlier = true")
    page.evaluate(f"location.hash = '#token={TOKEN}&/features'")
    page.wait_for_selector(".grid .body a")
    assert page.url.endswith("#/features")
    assert page.evaluate("window.earlier") is None


def test_a_slash_searches_from_everywhere(explorer):
    page = explorer("#/").page
    for hash_ in ("#/", "#/features", "#/feature/12"):
        visit(page, hash_)
        page.locator("h1").focus()
        page.keyboard.press("/")
        until(page, "document.activeElement.type === 'search'")
        assert page.evaluate("document.activeElement.value") == ""


def test_hostile_text_stays_text(explorer):
    page = explorer(f"#/feature/{HOSTILE_FEATURE}").page
    page.wait_for_selector(".feature .measures")
    assert page.locator("main img, main b:not(.silence b):not(.values b), main script").count() == 0
    assert page.title() == f"Feature {HOSTILE_FEATURE} · monoscope"
    text = page.locator("#app").evaluate("main => main.textContent")
    assert "</script><img src=x onerror=" in text
    assert not re.search("[\x00-\x08\x0e-\x1f\u200b\u2028\u202a-\u202e\u2066-\u2069\ufeff]", text)
    page.evaluate("location.hash = '#/features?sort=feature'")
    page.wait_for_selector(".grid .body a")
    assert "\ufffdreversed" in page.locator(f"#row-{HOSTILE_FEATURE}").inner_text()


def test_spanish_all_through(explorer):
    page = explorer("#/", answers=answers(), locale="es-ES").page
    english = r"\b(Features?|Home|Search|Filter|Fires|Strongest|Training|Stages|Lists|Copy|Inside|There)\b"
    for hash_ in ALL:
        visit(page, hash_)
        assert page.evaluate("document.documentElement.lang") == "es"
        body = page.evaluate(
            "(() => { const body = document.body.cloneNode(true);"
            " body.querySelectorAll('option, .what, .address, .related, .text, .effect, cite')"
            " .forEach(each => each.remove());"
            " const labels = [...body.querySelectorAll('[aria-label]')].map(each => each.ariaLabel);"
            " return [body.textContent, ...labels].join(' ') })()"
        )
        assert len(body) > 100
        assert not re.search(english, body), hash_


def test_language_and_colours_are_chosen_and_remembered(explorer):
    page = explorer("#/features", locale="fr-FR").page
    ready(page)
    assert page.evaluate("document.documentElement.lang") == "en"
    page.locator("header select").first.select_option("es")
    assert page.locator("h1").inner_text() == "Rasgos"
    page.locator("header select").nth(1).select_option("dark")
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.reload()
    ready(page)
    assert page.locator("h1").inner_text() == "Rasgos"
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == dark
    page.locator("header select").nth(1).select_option("light")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != dark


def test_a_phone_shows_all_without_scrolling_sideways(explorer):
    page = explorer("#/", answers=answers(), width=360, height=740, has_touch=True).page
    for hash_ in ALL:
        visit(page, hash_)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, hash_
        assert page.locator(".bar").bounding_box()["height"] < 80


@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=pytest.mark.slow)])
def test_axe_finds_nothing(explorer, scheme):
    if not AXE.is_file():
        pytest.skip("needs `npm ci` in web")
    opened = explorer("#/", answers=answers(), color_scheme=scheme)
    page = opened.page
    ready(page)
    page.evaluate(AXE.read_text(encoding="utf-8"))
    for hash_ in ALL:
        visit(page, hash_)
        page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true })")
        page.evaluate("document.querySelectorAll('.ask').forEach(each => { each.click() })")
        found = page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
        told = [
            (each["id"], [node["html"][:200] + str(node["any"][:1])[:300] for node in each["nodes"][:3]])
            for each in found["violations"]
        ]
        assert told == [], hash_


def test_a_server_that_is_gone_is_said(explorer):
    opened = explorer("#/features", expected=("Failed to load resource", "ERR_"))
    page = opened.page
    page.wait_for_selector(".grid .body a")
    page.route("**/api/**", lambda route: route.abort())
    page.evaluate("location.hash = '#/feature/5'")
    page.wait_for_selector(".failure")
    assert "The server does not answer" in page.locator(".failure").inner_text()
    page.unroute("**/api/**")
    page.get_by_role("button", name="Try again").click()
    page.wait_for_selector(".feature .measures")
