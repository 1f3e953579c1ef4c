"""The explorer's page as a browser shows it: the built bundle, in front of made-up answers."""

import json
import re
import time
from pathlib import Path

import pytest

from explore.web.server import HOSTILE_FEATURE, SILENT_FEATURE, TOKEN, Answers, evaluation

ROOT = Path(__file__).parents[3]
AXE = ROOT / "web" / "node_modules" / "axe-core" / "axe.min.js"
PLACES = [
    "#/",
    "#/features",
    "#/features?q=bridge",
    "#/feature/12",
    f"#/feature/{HOSTILE_FEATURE}",
    "#/nowhere",
]
REFUSED = "Failed to load resource"
"""What Chromium says of every answer from 400 on."""


def until(page, script: str, seconds: float = 10.0) -> None:
    """Until a script says yes; the page's policy forbids what Playwright has for that."""
    deadline = time.monotonic() + seconds
    while not page.evaluate(script):
        assert time.monotonic() < deadline, f"never true: {script}"
        page.wait_for_timeout(20)


def ready(page) -> None:
    """Until the screen says something."""
    page.wait_for_selector("main h1:not(.spoken)")
    until(page, "!document.querySelector('.wait')")


def visit(page, hash_: str) -> None:
    """Go to another place of the page."""
    page.evaluate("hash => { location.hash = hash }", hash_)
    page.wait_for_timeout(100)
    ready(page)


def numbers(page) -> list[int]:
    """Features of the drawn rows, from the top."""
    rows = page.eval_on_selector_all(
        ".grid .body .row",
        "rows => rows.map(row => [row.getBoundingClientRect().top, row.querySelector('.c-feature').textContent])",
    )
    return [int(number) for _, number in sorted(rows) if number.isdigit()]


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


def test_what_is_not_indexed_yet_is_said(explorer):
    answers = Answers(status="running", has_index=False)
    page = explorer("#/features", answers=answers, expected=(REFUSED,)).page
    page.wait_for_selector(".failure")
    assert "no index yet" in page.locator(".failure").inner_text()


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
    assert page.locator("nav a").all_inner_texts() == ["Home"]
    assert "once the run has indexed them" in page.locator(".start").inner_text()
    answers.status, answers.has_index, answers.evaluation = "complete", True, evaluation()
    page.wait_for_selector(".metric")
    assert page.locator(".stages .done").count() == 3
    assert page.locator("nav a").all_inner_texts() == ["Home", "Features"]


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
    assert page.locator(".grid").get_attribute("aria-activedescendant") == "row-99999"
    offsets = {asked["offset"] for path, asked in opened.answers.asked if path == "features"}
    assert len(offsets) < 10


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
    page = explorer("#/features?sort=feature").page
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


def test_a_feature_shows_its_record(explorer):
    opened = explorer("#/feature/12")
    page = opened.page
    page.wait_for_selector(".feature .measures")
    record = opened.answers.record(12)
    text = page.locator("main").inner_text()
    assert record["description"] in text.replace("\u00a0%", " %")
    assert record["address"] in text
    assert f"{record['n_active']:,} tokens" in text
    assert not re.search(r"\b(null|undefined|NaN)\b", text)
    assert page.locator(".histogram .bin").count() == len(record["histogram"]["counts"])
    first = record["examples"][0]
    shown = page.locator(".examples .text").first
    assert shown.text_content() == "".join(first["tokens"]).lstrip(" ").replace("\n", "↵")
    assert shown.locator(".most").text_content() == first["tokens"][16].strip()
    assert page.locator(".bars").first.locator(".token").all_inner_texts() == [
        each["text"].replace(" ", "·") for each in record["tokens"]
    ]
    page.get_by_role("button", name="By strength").click()
    until(page, "document.querySelectorAll('.kind').length === 4")
    assert page.locator(".kind").first.inner_text() == "At 75\u00a0% to 100\u00a0% of the largest"
    assert "F1 0.69" in text
    assert "on text kept apart" in text


def test_tokens_tell_what_they_do_to_mouse_and_keyboard(explorer):
    opened = explorer("#/feature/12")
    page = opened.page
    page.wait_for_selector(".examples .text")
    largest = opened.answers.record(12)["max_activation"]
    page.locator(".examples .most").first.hover()
    assert page.locator("#tip").inner_text().startswith(f"{largest:.3g}, 100\u00a0% of the largest")
    page.mouse.move(2, 2)
    page.locator(".examples .text").nth(1).focus()
    assert page.locator("#tip").is_visible()
    page.keyboard.press("ArrowRight")
    assert page.locator(".examples .pointed").count() == 1
    page.mouse.move(4, 4)
    assert page.locator("#tip").is_visible()
    assert "feature/12" in page.url
    words = page.locator("[data-tip*='to predict']").first.get_attribute("data-tip")
    assert re.search(r"without it [\d.]+ nats (harder|easier) to predict", words)
    page.keyboard.press("Escape")
    assert not page.locator("#tip").is_visible()


def test_ways_from_a_feature_to_others(explorer):
    opened = explorer("#/feature/38")
    page = opened.page
    page.wait_for_selector("a[aria-label='Next feature that fires']")
    page.locator("body").press("ArrowRight")
    until(page, "document.querySelector('.which').textContent === 'Feature 40'")
    page.wait_for_selector(".feature .measures")
    page.wait_for_selector("a[aria-label='Previous feature that fires'][href$='/38']")
    page.locator(".relations").scroll_into_view_if_needed()
    until(page, "[...document.querySelectorAll('.related .words')].every(each => each.textContent !== '…')")
    link = page.locator(".related a").last
    assert ";" in link.locator(".words").inner_text()
    number = link.locator(".number").inner_text()
    link.click()
    until(page, f"document.querySelector('.which').textContent === 'Feature {number}'")
    asked = [path for path, _ in opened.answers.asked if path.startswith("features/")]
    assert asked == ["features/38", "features/40", f"features/{number}"]


def test_a_feature_as_code_and_as_a_link(explorer):
    page = explorer("#/feature/12").page
    page.wait_for_selector(".feature .measures")
    page.get_by_role("button", name="Steer it in Python").click()
    page.get_by_role("button", name="Copy: Steer it in Python").click()
    page.wait_for_selector("#said.shown")
    code = page.evaluate("navigator.clipboard.readText()")
    compile(code, "copied", "exec")
    assert "ms.steer(lm, sae, {12: ms.Clamp(1)})" in code
    page.get_by_role("button", name="Copy: Steer it from the terminal").click()
    until(page, "async () => (await navigator.clipboard.readText()).startsWith('monoscope steer')")
    command = page.evaluate("navigator.clipboard.readText()")
    assert command == (
        "monoscope steer 'runs/story <b>teller</b>' --feature 12 --clamp 1 --prompt \"Once upon a time\""
    )
    page.get_by_role("button", name="Copy link").click()
    until(page, "async () => (await navigator.clipboard.readText()).endsWith('#/feature/12')")


def test_a_feature_that_never_fired_and_one_that_is_not_there(explorer):
    page = explorer(f"#/feature/{SILENT_FEATURE}", expected=(REFUSED,)).page
    page.wait_for_selector(".silence")
    assert "never fired" in page.locator(".silence").inner_text()
    assert page.locator(".histogram").count() == 0
    page.evaluate("location.hash = '#/feature/100000'")
    page.wait_for_selector(".failure")
    assert "there is no feature 100000" in page.locator(".failure").inner_text()
    assert "the last one is 99999" in page.locator(".failure").inner_text()


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
    page = explorer("#/", locale="es-ES").page
    english = r"\b(Features?|Home|Search|Filter|Fires|Strongest|Training|Stages|Lists|Copy|Inside|There)\b"
    for hash_ in PLACES:
        visit(page, hash_)
        assert page.evaluate("document.documentElement.lang") == "es"
        body = page.evaluate(
            "(() => { const body = document.body.cloneNode(true);"
            " body.querySelectorAll('option, .what, .address, .related, .text, .effect')"
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
    page = explorer("#/", width=360, height=740, has_touch=True).page
    for hash_ in PLACES:
        visit(page, hash_)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, hash_
        assert page.locator(".bar").bounding_box()["height"] < 60


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(explorer, scheme):
    if not AXE.is_file():
        pytest.skip("needs `npm ci` in web")
    opened = explorer("#/", color_scheme=scheme)
    page = opened.page
    ready(page)
    page.evaluate(AXE.read_text(encoding="utf-8"))
    for hash_ in PLACES:
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
