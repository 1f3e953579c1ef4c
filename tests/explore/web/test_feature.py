"""One feature: its record, its ways to others, and as code."""

import re

from explore.web.answers import SILENT_FEATURE
from explore.web.browsing import REFUSED, until


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
