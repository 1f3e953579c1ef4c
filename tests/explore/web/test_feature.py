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


def test_its_kin_at_other_widths(explorer):
    opened = explorer("#/feature/12")
    page = opened.page
    page.wait_for_selector(".lineage")
    columns = page.locator(".widths > li")
    assert columns.locator("h3").all_inner_texts() == [
        "128 features\nwhere it comes from",
        "512 features\nthis dictionary",
        "2,048 features\nwhat it becomes",
        "8,192 features\nwhat it becomes",
    ]
    own = columns.nth(1)
    assert own.locator(".kin").first.inner_text().startswith("12 this feature")
    assert own.locator("a.kin").count() == page.locator("a.kin").count() == 2
    assert "likeness 0.93" in own.locator("a.kin").first.text_content()
    assert "of activation" not in page.locator(".widths").text_content()
    wide = columns.nth(3)
    assert wide.locator(".kin").count() == 8
    wide.get_by_role("button", name="and 16 more").click()
    assert wide.locator(".kin").count() == 24
    assert wide.get_by_role("button").count() == 0
    own.locator("a.kin").first.click()
    until(page, "document.querySelector('.which').textContent === 'Feature 113'")
    until(page, "!document.querySelector('.lineage')")


def test_links_between_widths_meet_their_features(explorer):
    page = explorer("#/feature/12").page
    page.wait_for_selector(".lineage")
    apart = page.evaluate(
        """() => [...document.querySelectorAll('.widths > li')].slice(1).flatMap(column => {
          const top = column.querySelector('svg').getBoundingClientRect().top;
          const ends = [...column.querySelectorAll('path')].slice(-column.querySelectorAll('.kin').length);
          return [...column.querySelectorAll('.kin')].map((kin, place) => {
            const box = kin.getBoundingClientRect();
            return Math.abs(top + ends[place].getPointAtLength(1e6).y - (box.top + box.bottom) / 2);
          });
        })"""
    )
    assert len(apart) == 3 + 3 + 8
    assert max(apart) < 1


def test_on_a_phone_widths_stand_below_each_other(explorer):
    page = explorer("#/feature/12", width=360).page
    page.wait_for_selector(".lineage")
    places = page.locator(".widths > li").evaluate_all(
        "all => all.map(each => [each.getBoundingClientRect().left, each.getBoundingClientRect().top])"
    )
    assert places == sorted(places)
    assert len({left for left, _ in places}) == 4
    assert not page.locator(".links").first.is_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
