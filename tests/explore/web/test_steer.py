"""The screen that steers, in a browser: two texts from one seed, read back, and shared."""

import json
from urllib.parse import parse_qs, quote, urlsplit

import pytest

from explore.web.answers import HOSTILE
from explore.web.browsing import REFUSED, check_accessible, until
from explore.web.model import Model


def opened(explorer, hash_="#/steer", answers=None, **options):
    """The screen, with nothing written yet."""
    made = explorer(hash_, answers=answers or Model(), **options)
    made.page.wait_for_selector(".steer .picker")
    return made


def finished(page) -> None:
    """Until everything is written and read back."""
    until(
        page,
        "document.querySelectorAll('.page .moved').length === document.querySelectorAll('.column.steered').length",
    )


def asked(answers, path="v1/completions"):
    """The questions of one kind."""
    return [body for each, body in answers.questions if each == path]


def test_one_click_writes_both_from_one_seed(explorer):
    made = opened(explorer)
    page = made.page
    page.wait_for_timeout(150)
    assert not asked(made.answers)
    assert page.locator(".picker input").first.input_value().startswith("12 ")
    page.locator("button.main").click()
    finished(page)
    plain, steered = sorted(asked(made.answers), key=lambda body: body["steering"] is not None)
    assert steered["steering"] == {"edits": [{"feature": 12, "clamp": 1.5}]}
    assert {**plain, "steering": None} == {**steered, "steering": None}
    assert plain["stream"]
    assert plain["model"] == "builtin"
    assert plain["prompt"] == "Once upon a time"
    first, second = page.locator(".page").all_inner_texts()
    assert "plain59" in first
    assert "steered59" in second
    assert HOSTILE[0].strip()[:8] in second
    assert page.locator(".column.steered .page .text span:not(.s0)").count() > 10
    assert page.locator(".moved .nats").count() == page.locator(".column.steered .page .text span").count()
    whole = [body["steering"] for body in asked(made.answers, "reread") if body["text"].endswith("59")]
    assert whole.count(None) == 2
    assert len(whole) == 3


def test_what_is_written_comes_in_pieces_and_stops(explorer):
    made = opened(explorer, answers=Model(pause=0.05))
    page = made.page
    page.locator("button.main").click()
    until(page, "document.querySelector('.column.steered .page').textContent.includes('steered3')")
    assert "steered40" not in page.locator(".column.steered .page").inner_text()
    assert page.locator("button.main").inner_text() == "Stop"
    page.locator("button.main").click()
    finished(page)
    assert page.locator("button.main").inner_text() == "Write"
    assert "steered3" in page.locator(".column.steered .page").inner_text()
    assert "steered50" not in page.locator(".column.steered .page").inner_text()


def test_a_text_is_read_back_while_it_is_written(explorer):
    made = opened(explorer, answers=Model(pause=0.05))
    page = made.page
    page.locator("button.main").click()
    text = ".column.steered .page .text"
    until(page, f"document.querySelectorAll('{text} span:not(.s0):not(.caret)').length > 2")
    assert page.locator("button.main").inner_text() == "Stop"
    assert page.locator(f"{text} .caret").count() == 1
    seen = page.locator(text).inner_text()
    read = page.locator(f"{text} span:not(.caret)").count()
    assert read == page.locator(".column.steered .moved .nats").count()
    words = [each for each in seen.split() if each.startswith("steered")]
    assert words == [f"steered{1 + place}" for place in range(len(words))]
    until(page, f"document.querySelectorAll('{text} span').length > {read + 8}")
    page.locator("button.main").click()
    until(page, "!document.querySelector('.caret')")
    rereads = [body for body in asked(made.answers, "reread") if body["features"]]
    assert len(rereads) > 4
    last = max((body["text"] for body in rereads), key=len)
    assert page.locator(f"{text} span").count() >= len(last.split())


def test_every_kind_of_edit_reaches_the_server(explorer):
    made = opened(explorer, "#/steer?feature=40&prompt=Hello")
    page = made.page
    edit = page.locator(".edit")
    edit.locator("select").first.select_option("active")
    edit.locator("select").nth(1).select_option("generated")
    edit.locator("input[type=range]").focus()
    page.keyboard.press("ArrowRight")
    edit.locator("input[type=checkbox]").check()
    condition = edit.locator(".condition .picker input")
    condition.fill("7")
    page.wait_for_selector(".condition [role=option]")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Move one more feature").click()
    second = page.locator(".edit").nth(1)
    second.locator(".picker input").first.fill("jo")
    page.wait_for_selector(".edit:nth-of-type(2) [role=option]")
    second.locator("[role=option]").filter(has_text="joy").click()
    page.get_by_role("button", name="Compare with another setting").click()
    page.locator(".column").nth(2).locator("select").first.select_option("ablate")
    page.locator("button.main").click()
    finished(page)
    steerings = [body["steering"] for body in asked(made.answers)]
    one = {"feature": 40, "active": 1.1, "scope": "generated", "when": {"feature": 7, "above": 0.5}}
    other = {"feature": 40, "ablate": True, "scope": "generated", "when": {"feature": 7, "above": 0.5}}
    joy = {"vector": "joy", "add": 0.2}
    for wanted in (None, {"edits": [one, joy]}, {"edits": [other, joy]}):
        assert wanted in steerings
    assert {body["prompt"] for body in asked(made.answers)} == {"Hello"}


def test_a_link_brings_everything_back_and_code_says_the_same(explorer):
    made = opened(explorer)
    page = made.page
    assert page.locator(".presets button").inner_text() == "golden gate bridge"
    page.locator(".presets button").click()
    page.locator("textarea").fill("A fox")
    page.locator(".seed").fill("77")
    page.locator(".seed").press("Tab")
    page.get_by_role("button", name="Copy link").click()
    link = page.evaluate("navigator.clipboard.readText()")
    state = json.loads(parse_qs(urlsplit(urlsplit(link).fragment).query)["s"][0])
    assert state["prompt"] == "A fox"
    assert state["seed"] == 77
    assert state["columns"][0][0]["feature"] == 77
    page.get_by_role("button", name="As code").click()
    python, curl = page.locator(".code pre").all_inner_texts()
    assert "ms.Rule(ms.Clamp(3), features={77: 1.0})," in python
    assert '"edits":[{"feature":77,"clamp":3}]' in curl
    assert "/v1/completions" in curl
    assert "made-up-token" not in curl
    page.goto("about:blank")
    page.goto(link)
    page.wait_for_selector(".steer .picker")
    assert page.locator("textarea").input_value() == "A fox"
    assert page.locator(".exact").nth(0).input_value() == "0.8"
    assert page.locator(".picker input").first.input_value().startswith("77")


def test_a_new_seed_writes_again_with_another(explorer):
    made = opened(explorer)
    page = made.page
    page.get_by_role("button", name="New seed").click()
    finished(page)
    first = {body["seed"] for body in asked(made.answers)}
    page.get_by_role("button", name="New seed").click()
    until(page, "true")
    finished(page)
    assert len(first) == 1
    assert len({body["seed"] for body in asked(made.answers)}) == 2


def test_what_is_refused_is_said_where_it_was_asked(explorer):
    state = {"prompt": "x", "seed": 0, "temperature": 1, "tokens": 5}
    edit = {"feature": 999999, "vector": None, "verb": "clamp", "strength": 1, "scope": "all", "when": None}
    hash_ = "#/steer?s=" + quote(json.dumps(state | {"columns": [[edit]]}))
    page = opened(explorer, hash_, expected=(REFUSED,)).page
    page.locator("button.main").click()
    page.wait_for_selector(".column.steered .failure")
    assert "the last one is 99999" in page.locator(".column.steered .failure").inner_text()
    until(page, "document.querySelector('.column .page').textContent.includes('plain4')")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_accessible_on_a_phone_and_in_spanish(explorer, scheme):
    page = opened(explorer, locale="es-ES", width=360, color_scheme=scheme).page
    page.locator("button.main").click()
    finished(page)
    page.locator(".condition input").check()
    page.get_by_role("button", name="Comparar con otro ajuste").click()
    page.get_by_role("button", name="Como código").click()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    check_accessible(page)
