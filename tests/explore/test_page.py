"""The page as a browser shows it."""

import copy
import re
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from explore import fake
from monoscope.explore import report_html
from monoscope.explore.cards import short, telling
from monoscope.explore.labels import with_labels

HERE = Path(__file__).parent
CONTRAST = (HERE / "contrast.js").read_text(encoding="utf-8")
SMUGGLE = (HERE / "smuggle.js").read_text(encoding="utf-8")
PLACES = [
    *"h1 .lead .soft .text .s10 .s5 mark .interval figcaption .amount .prompt summary".split(),
    *("#list .rate", "#card .which", ".us .value", "#details code", "thead th"),
    *(".said", ".score", ".effect", ".effect b", ".vote", ".sayings dt", ".related .words", ".related .rate"),
    *(".pattern", ".pattern mark", "#card tbody td", "#card .fold summary"),
]
"""Of each kind of text one, to look at its contrast."""


def listed(page) -> list[int]:
    """Numbers of the features in the list, as far as it is drawn."""
    return [int(number) for number in page.locator("#list .number").all_inner_texts()]


def opened(page) -> int:
    """Number of the feature whose card is drawn."""
    return int(page.locator("#card .which").inner_text().removeprefix("Feature "))


def test_the_page_opens_with_the_showcased_card_and_asks_for_nothing(visit, html):
    made = visit(html)
    page = made.page
    page.wait_for_selector("#card .which")
    assert opened(page) == 12
    assert page.evaluate("list.scrollTop") == 0
    assert page.title() == "Inside a small storyteller · monoscope"
    assert len([url for url in made.requests if not url.startswith("data:")]) == 1
    assert page.evaluate("getComputedStyle(document.querySelector('.text .s10')).backgroundColor") not in (
        "rgba(0, 0, 0, 0)",
        "",
    )


def test_a_card_shows_its_record(visit, html, report):
    page = visit(html, "#feature-131").page
    page.wait_for_selector("#card .which")
    card = report["features"]["cards"][131]
    text = page.locator("#card").inner_text()
    assert card["description"] in text
    assert card["address"] in text
    assert f"{card['n_active']:,} tokens" in text
    rows = page.locator("#card .examples .text")
    assert rows.count() == len(card["examples"])
    first = card["examples"][0]
    shown = "".join(first["tokens"]).strip(" ").replace("\n", "↵")
    assert rows.nth(0).text_content() == shown
    spans = rows.nth(0).locator("span")
    active = [
        token.strip() for token, value in zip(first["tokens"], first["activations"], strict=True) if value > 0
    ]
    assert spans.all_text_contents() == active
    assert rows.nth(0).locator(".most").text_content() == first["tokens"][16].strip()
    tokens = page.locator("#card .inside > div").nth(0).locator(".token").all_inner_texts()
    assert tokens == [each["text"].replace(" ", "·") for each in card["tokens"]]
    assert not re.search(r"\b(null|undefined|NaN)\b", text)


def test_a_link_opens_its_feature_and_back_the_one_before(visit, html):
    page = visit(html, "#feature-37").page
    page.wait_for_selector("#card[data-feature='37']")
    box = page.locator("#browser").bounding_box()
    assert 0 <= box["y"] < 200
    neighbour = page.locator("#card .related a").last
    target = int(neighbour.locator(".number").inner_text())
    assert neighbour.locator(".words").inner_text() != "not on this page"
    neighbour.click()
    page.wait_for_selector(f"#card[data-feature='{target}']")
    assert page.url.endswith(f"#feature-{target}")
    assert page.locator("#list [aria-current]").get_attribute("href") == f"#feature-{target}"
    page.go_back()
    page.wait_for_selector("#card[data-feature='37']")


def test_a_number_that_has_no_card_is_said(visit, html):
    page = visit(html, "#feature-99999").page
    page.wait_for_function("document.getElementById('card').textContent.includes('no card of feature 99999')")


def test_search_finds_by_token_description_and_number(visit, html, report):
    page = visit(html).page
    page.wait_for_selector("#list li")
    cards = report["features"]["cards"]
    page.fill("#query", "penguin")
    expected = {card["feature"] for card in cards if " penguin" in [each["text"] for each in card["tokens"]]}
    assert len(expected) > 15
    assert set(listed(page)) == expected
    assert page.locator("#found").inner_text() == f"{len(expected)} of 300 features"
    page.fill("#query", "PENGUIN krill")
    assert set(listed(page)) == expected
    page.fill("#query", "penguin lighthouse")
    assert listed(page) == []
    assert page.locator("#found").inner_text() == "No feature goes with all of these words."
    page.fill("#query", "#131")
    assert listed(page)[0] == 131
    page.keyboard.press("Enter")
    page.wait_for_selector("#card[data-feature='131']")


def test_the_list_is_drawn_as_it_is_scrolled_to_and_ordered_as_asked(visit, html, report):
    page = visit(html).page
    page.wait_for_selector("#list li")
    assert len(listed(page)) < 100
    page.evaluate(
        "for (let i = 0; i < 9; i += 1) { list.scrollTop = 1e6; list.dispatchEvent(new Event('scroll')); }"
    )
    page.wait_for_function("document.querySelectorAll('#list li').length === 300")
    cards = report["features"]["cards"]
    alive = [card for card in cards if card["density"] > 0]
    keys = {
        "best": lambda card: (-short(telling(card), 2), -card["density"]),
        "common": lambda card: -card["density"],
        "rare": lambda card: card["density"],
        "strong": lambda card: -card["max_activation"],
    }
    for order, key in keys.items():
        page.select_option("#order", order)
        assert listed(page)[:30] == [card["feature"] for card in sorted(alive, key=key)][:30]
    page.select_option("#order", "number")
    assert listed(page)[:45] == list(range(45))
    page.select_option("#order", "random")
    first = listed(page)
    assert first != sorted(first)
    assert len(set(first)) == len(first)


def test_the_keyboard_reaches_search_features_and_activations(visit, html, report):
    page = visit(html, "#feature-12").page
    page.wait_for_selector("#card[data-feature='12']")
    page.keyboard.press("ArrowRight")
    page.wait_for_selector("#card:not([data-feature='12'])")
    page.keyboard.press("ArrowLeft")
    page.wait_for_selector("#card[data-feature='12']")
    page.keyboard.press("/")
    page.keyboard.type("rook")
    assert page.input_value("#query") == "rook"
    page.locator("#list a").first.focus()
    page.keyboard.press("ArrowDown")
    second = page.evaluate("document.activeElement.getAttribute('href')")
    assert second == f"#feature-{listed(page)[1]}"
    page.keyboard.press("Enter")
    page.wait_for_selector(f"#card[data-feature='{listed(page)[1]}']")
    card = report["features"]["cards"][listed(page)[1]]
    page.locator("#card .examples .text").first.focus()
    tip = page.locator("#tip")
    assert tip.inner_text().endswith("100\u00a0% of the largest")
    page.keyboard.press("ArrowRight")
    after = next(value for value in card["examples"][0]["activations"][17:] if value > 0)
    share = round(100 * after / card["max_activation"])
    told = int(re.search(r"(\d+)\s% of the largest", tip.inner_text())[1])
    assert abs(told - share) <= 1
    page.keyboard.press("Escape")
    assert not tip.is_visible()


def test_pointing_at_a_token_tells_its_activation(visit, html, report):
    page = visit(html, "#feature-12").page
    page.wait_for_selector("#card[data-feature='12']")
    page.locator("#card .most").first.hover()
    largest = report["features"]["cards"][12]["max_activation"]
    tip = page.locator("#tip")
    assert tip.is_visible()
    assert tip.inner_text() == f"{largest:.1f}, 100\u00a0% of the largest"
    page.mouse.move(5, 500)
    assert not tip.is_visible()


def test_a_table_is_sorted_by_the_column_that_is_clicked(visit, html, report):
    page = visit(html).page
    concepts = report["evaluation"]["recovery"]["concepts"]
    rows = page.locator("table.sortable tbody th")
    column = page.locator("table.sortable thead button")
    column.get_by_text("Share of tokens").click()
    by_frequency = sorted(concepts, key=lambda name: -concepts[name]["frequency"])
    assert rows.all_inner_texts() == [name.replace("_", " ") for name in by_frequency]
    column.get_by_text("Share of tokens").click()
    assert rows.first.inner_text() == by_frequency[-1].replace("_", " ")
    column.get_by_text("Concept").click()
    assert rows.all_inner_texts() == sorted(name.replace("_", " ") for name in concepts)
    assert page.locator("table.sortable [aria-sort=ascending]").inner_text() == "Concept"


def test_a_dot_leads_to_the_card_of_its_feature(visit, html, report):
    page = visit(html).page
    page.wait_for_selector("#card .which")
    page.locator("#concepts a[href='#feature-3'] .dot").dispatch_event("click")
    page.wait_for_selector("#card[data-feature='3']")


def hostile_report():
    """A report with hostile text wherever text can be."""
    changed = copy.deepcopy(fake.report(24))
    texts = fake.HOSTILE
    everything = " ".join(texts)
    changed["title"] = everything
    changed["run"] |= {"model": everything, "corpus": everything, "note": everything}
    changed["glimpse"] = {
        "title": everything,
        "text": everything,
        "rows": [{"tokens": list(texts), "values": [1.0] * len(texts)}],
    }
    for card in changed["features"]["cards"]:
        card["description"] = card["address"] = everything
        for example in card["examples"]:
            example["tokens"][: len(texts)] = texts
        for name in ("tokens", "promoted", "suppressed"):
            for place, each in enumerate(card[name]):
                each["text"] = texts[place % len(texts)]
    cards = changed["features"]["cards"]
    labels = {card["feature"]: fake.hostile_label(card, everything) for card in cards}
    changed["features"]["cards"] = [with_labels(card, labels) for card in cards]
    show = changed["showcase"]
    show |= {"query": everything, "description": everything, "words": [*texts, "x"]}
    show["pairs"][0] = {"prompt": everything, "default": everything, "steered": everything}
    show["candidates"][0]["description"] = everything
    show["checks"][everything] = {"passed": True, "criterion": everything}
    changed["formulas"][everything] = everything
    changed["evaluation"]["metrics"][everything] = 1.0
    concepts = changed["evaluation"]["recovery"]["concepts"]
    concepts[everything] = concepts["chess"]
    return changed


def test_hostile_texts_are_shown_and_do_nothing(visit):
    page = visit(report_html(hostile_report()), "#feature-3").page
    page.wait_for_selector("#card[data-feature='3']")
    assert page.title().startswith("</script><img src=x")
    assert page.locator("img, body script + script, iframe, object").count() == 0
    assert page.locator("script").count() == 1
    for place in ("h1", "#idea h3", "#card h3", "#card .address", "#list .words", "#steer mark"):
        assert page.locator(place).first.text_content().startswith("</script><img src=x onerror=")
    for place in ("#card .said", "#card .score", "#card .pattern", "#card .vote", "#card .related .words"):
        assert "onerror=" in page.locator(place).last.text_content(), place
        assert "\u202e" not in page.locator(place).last.text_content()
    shown = page.locator("#card .examples .text").first.text_content()
    assert "<!--<script>" in shown
    assert "\u202e" not in shown


@pytest.fixture
def listener() -> Iterator[tuple[str, list[str]]]:
    """Address of a server on this machine, and the paths that it was asked for."""
    heard: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            heard.append(self.path)
            self.send_error(404)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", heard
        server.shutdown()


@pytest.mark.parametrize("guarded", [True, False])
def test_the_policy_stops_scripts_styles_and_requests_that_were_smuggled_in(visit, html, listener, guarded):
    address, heard = listener
    if not guarded:
        html = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", html)
    page = visit(html, complaints=False).page
    page.wait_for_selector("#card .which")
    page.evaluate(SMUGGLE, address)
    page.wait_for_timeout(300)
    assert page.evaluate("window.smuggled === true") == (not guarded)
    assert (
        page.evaluate("getComputedStyle(document.querySelector('h1')).color") != "rgb(1, 2, 3)"
    ) == guarded
    assert sorted(set(heard)) == ([] if guarded else ["/data", "/picture.png"])


def test_nothing_is_wider_than_a_phone_and_everything_can_be_opened_there(visit, html):
    page = visit(html, "#feature-37", width=360, height=780, has_touch=True, is_mobile=True).page
    page.wait_for_selector("#card .which")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    for each in page.locator("details > summary").all():
        if each.is_visible():
            each.evaluate("summary => { summary.parentElement.open = true; }")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.locator("#card .most").first.tap()
    assert page.locator("#tip").is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_what_is_behind_it_in_both_schemes(visit, html, scheme):
    page = visit(html, "#feature-37", color_scheme=scheme).page
    page.wait_for_selector("#card .which")
    ratios = page.evaluate(CONTRAST, PLACES)
    assert [place for place, ratio in ratios if ratio < 4.5] == []


@pytest.mark.slow  # a busy browser may load the page again before it has stored what to remember
def test_colours_can_be_chosen_and_stay_when_the_page_renews_itself(visit, html):
    page = visit(html, color_scheme="light").page
    page.wait_for_selector("#card .which")
    back = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(back)
    page.click("#theme")
    dark = page.evaluate(back)
    assert light != dark
    page.fill("#query", "rook")
    page.reload()
    page.wait_for_selector("#list li")
    assert page.evaluate(back) == dark
    assert page.input_value("#query") == "rook"
    page.click("#theme")
    assert page.evaluate(back) == light


def settles(page, wanted, tries=40):
    """Whether the page scrolls to a wanted place; asked from outside, since its policy forbids asking inside."""
    for _ in range(tries):
        if wanted(page.evaluate("scrollY")):
            return True
        page.wait_for_timeout(100)
    return False


@pytest.mark.slow  # a busy browser may load the page again before it has stored what to remember
def test_an_incomplete_page_grows_before_the_reader(visit, report, tmp_path):
    status = {"stage": "evaluate", "done": ["harvest", "train", "index"], "seconds": 90.0, "complete": False}
    early = {name: report[name] for name in ("title", "run", "glimpse", "features")} | {"status": status}
    page = visit(report_html(early).replace('data-renewed="5"', 'data-renewed="1"'), "#feature-24").page
    page.wait_for_selector("#card[data-feature='24']")
    assert settles(page, lambda place: place > 321), "the page goes to the card that its address asks for"
    page.evaluate("scrollTo(0, 321)")
    assert page.locator("#report-card").count() == 0
    assert page.locator(".stages .now").inner_text().startswith("Measuring")
    (tmp_path / "report.html").write_text(report_html(report), encoding="utf-8")
    page.wait_for_selector("#report-card", timeout=8000)
    page.wait_for_selector("#card[data-feature='24']")
    assert page.locator("#progress").count() == 0
    assert settles(page, lambda place: place == 321), "the reader is where they were"


def test_without_scripts_the_numbers_and_texts_are_there(chromium, html, tmp_path):
    path = tmp_path / "still.html"
    path.write_text(html, encoding="utf-8")
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(path.as_uri())
    text = page.locator("main").inner_text()
    context.close()
    for words in ("Neuron 17", "Variance unexplained", "57 of 60", "golden gate bridge", "scripts are off"):
        assert words in text
