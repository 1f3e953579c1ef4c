"""The tour in a browser: a toy that learns, pictures to touch, terms that explain themselves, and what is missing."""

import re

import pytest

from explore.web.answers import Answers, evaluation
from explore.web.browsing import REFUSED, check_accessible, until
from explore.web.model import Model
from explore.web.tour import HOSTILE, neuron, nothing, tour

STEPS = ("toy", "pair", "bigger", "splitting", "universality", "bridge", "limits")


def opened(explorer, hash_="#/tour", answers=None, **options):
    """The tour, with everything that it asked for."""
    made = explorer(hash_, answers=answers or Model(evaluation=evaluation()), **options)
    made.page.wait_for_selector(".tour-step")
    return made


def learnt(page) -> None:
    """Until the toy has learnt."""
    page.locator(".toy").scroll_into_view_if_needed()
    page.wait_for_selector(".toy[data-done]")


def test_home_leads_to_it_and_every_step_has_its_picture(explorer):
    made = explorer("#/", answers=Model(evaluation=evaluation()))
    page = made.page
    page.locator(".tour-door").click()
    page.wait_for_selector(".tour-step")
    assert page.locator(".tour-step").evaluate_all("all => all.map(each => each.dataset.step)") == list(STEPS)
    assert page.locator(".tour-step .notice").count() == len(STEPS)
    assert page.locator("nav a").all_inner_texts()[:2] == ["Home", "Tour"]
    asked = [path for path, _ in made.answers.asked]
    assert {"tour", "evaluation", "features/12"} <= set(asked)
    bigger = page.locator("#tour-bigger").inner_text()
    assert "is 256 numbers" in bigger
    assert "100,000, 391 times as many" in bigger
    assert "Only 16 are on at once" in bigger
    assert page.locator("#tour-bigger .lit").count() == 16
    assert "0.840" in page.locator("#tour-universality .values").inner_text()
    limits = page.locator("#tour-limits").inner_text().replace("\u00a0", " ")
    assert "24 % have no single feature" in limits
    assert "13 % of the variance" in limits
    assert page.locator(".sources a").count() == 7


def test_five_rare_ideas_make_a_pentagon_and_frequent_ones_do_not(explorer):
    page = opened(explorer).page
    learnt(page)
    assert page.locator("[data-kept]").get_attribute("data-kept") == "5"
    gaps = [float(each) for each in re.findall(r"([\d.]+)°", page.locator(".gaps").inner_text())]
    assert gaps[:5] == pytest.approx([72] * 5, abs=2)
    assert page.locator(".arrow:not(.faint)").count() == 5
    before = page.locator(".arrow .stroke").first.get_attribute("d")
    page.get_by_role("button", name="Train again").click()
    until(page, "!document.querySelector('.toy').dataset.done")
    learnt(page)
    assert page.locator(".arrow .stroke").first.get_attribute("d") != before
    page.locator("#tour-often").focus()
    page.keyboard.press("End")
    assert "100" in page.locator("#tour-often").get_attribute("aria-valuetext")
    until(page, "!document.querySelector('.toy').dataset.done")
    learnt(page)
    assert int(page.locator("[data-kept]").get_attribute("data-kept")) <= 3


def test_the_toy_learns_only_while_it_is_seen(explorer):
    page = opened(explorer, height=300, reduced_motion="no-preference").page
    page.get_by_role("button", name="20 ideas, 5 neurons").evaluate("button => button.click()")
    page.locator("#tour-limits").scroll_into_view_if_needed()
    until(page, "document.querySelector('.toy').innerText.includes('waiting to be seen')")
    before = page.locator(".toy").get_attribute("data-step")
    page.wait_for_timeout(200)
    assert page.locator(".toy").get_attribute("data-step") == before
    page.locator(".toy-board").scroll_into_view_if_needed()
    until(page, f"Number(document.querySelector('.toy').dataset.step) > {before}")
    assert page.locator(".heat").first.locator("rect").count() == 401


def test_a_guess_comes_before_the_words(explorer):
    page = opened(explorer).page
    pair = page.locator("#tour-pair")
    assert "Neuron 113 of layer 2" in pair.inner_text()
    assert pair.locator(".text").count() == 10
    assert "“bread”" not in pair.inner_text()
    pair.get_by_label("Your guess").first.fill("<b>food</b>")
    pair.get_by_role("button", name="Show the words").click()
    text = pair.inner_text()
    assert "“bread”, “train”" in text
    assert f"“{HOSTILE}”" in text
    assert "<b>food</b>" in text
    assert "towers, span, fog" in text
    assert pair.locator("img").count() == 0
    pair.get_by_role("link", name="Open the feature's card").click()
    page.wait_for_selector(".feature .measures")


def test_a_family_is_drawn_and_its_own_features_lead_to_their_cards(explorer):
    page = opened(explorer).page
    splitting = page.locator("#tour-splitting")
    assert splitting.locator(".latent").count() == 1 + 2 + 8
    assert splitting.locator(".tree path").count() == 2 + 8
    assert "4 more" in splitting.inner_text()
    assert "1.42 links per feature; by chance 0.03" in splitting.inner_text()
    first = splitting.locator(".latent").first
    first.focus()
    until(page, "!document.getElementById('tip').hidden")
    tip = page.locator("#tip").inner_text()
    assert "dictionary of 256" in tip
    assert "active on 9,000 tokens" in tip
    splitting.get_by_role("button", name="bread, oven").first.click()
    assert splitting.locator(".latent").count() == 3
    splitting.locator(".latent.own").click()
    page.wait_for_selector(".feature .measures")
    assert page.url.endswith("#/feature/7")


def test_a_term_says_what_it_means_until_escape(explorer):
    page = opened(explorer).page
    term = page.locator(".term", has_text="superposition")
    term.focus()
    until(page, "!document.getElementById('tip').hidden")
    said = page.locator("#tip").inner_text()
    assert "share" in said
    assert said in page.locator(".glossary").inner_text()
    page.keyboard.press("Escape")
    assert page.locator("#tip").is_hidden()
    page.locator(".term", has_text="sparse").click()
    assert page.locator("#tip").inner_text().startswith("Mostly zero")


def test_the_bridge_writes_both_and_leads_to_steer(explorer):
    made = opened(explorer)
    page = made.page
    assert page.locator("#tour-strength").input_value() == "1.5"
    page.locator("#tour-strength").focus()
    page.keyboard.press("ArrowRight")
    page.locator("#tour-bridge button.main").click()
    page.wait_for_selector("#tour-bridge .moved")
    bodies = [body for path, body in made.answers.questions if path == "v1/completions"]
    assert {body["prompt"] for body in bodies} == {"The old man"}
    steerings = [body["steering"] for body in bodies]
    assert {"edits": [{"feature": 12, "clamp": 1.6}]} in steerings
    assert None in steerings
    page.get_by_role("link", name="Open this in Steer").click()
    page.wait_for_selector(".steer .picker")
    assert page.locator(".steer textarea").input_value() == "The old man"
    assert page.locator(".steer .strength .exact").input_value() == "1.6"


def test_without_a_model_the_recorded_texts_are_shown(explorer):
    class Recorded(Answers):
        def run(self):
            run = super().run()
            return run | {"has": run["has"] | {"model": False}}

    page = opened(explorer, answers=Recorded(evaluation=evaluation())).page
    bridge = page.locator("#tour-bridge")
    assert "He slept." in bridge.inner_text()
    assert HOSTILE in bridge.inner_text()
    assert "2.5 times" in bridge.inner_text()
    assert bridge.locator("button.main").count() == 0
    assert bridge.get_by_role("link", name="Open this in Steer").count() == 0


def test_what_a_run_has_not_is_said_in_a_sentence(explorer):
    class Bare(Answers):
        def run(self):
            return super().run() | {"showcase": None, "dictionary": None}

    answers = Bare(has_index=False, tour=nothing())
    page = opened(explorer, answers=answers, expected=(REFUSED,)).page
    text = page.locator(".tour").inner_text()
    for command in ("train", "index", "evaluate", "run"):
        assert f"monoscope {command}" in text
    assert not re.search(r"\b(null|undefined|NaN)\b|–", text)
    learnt(page)


def test_it_grows_with_the_run(explorer):
    """What is coming is said to come, and what a reader wrote stays when it is there."""
    answers = Answers(status="running", has_index=False, tour=nothing() | {"neuron": neuron()})
    page = opened(explorer, answers=answers, expected=(REFUSED,)).page
    assert "comes with a later step of the run: Index the features" in page.locator("#tour-pair").inner_text()
    page.locator("#tour-pair input").first.fill("numbers?")
    answers.tour, answers.status, answers.has_index = tour(), "complete", True
    page.wait_for_selector("#tour-pair .ours")
    assert page.locator("#tour-pair input").first.input_value() == "numbers?"
    assert page.locator("#tour-strength").input_value() == "2.5"
    assert "later step" not in page.locator(".tour").inner_text()
    asked = len(answers.asked)
    page.wait_for_timeout(2500)
    assert len(answers.asked) == asked


def test_a_step_has_an_address_and_the_list_follows(explorer):
    page = opened(explorer, "#/tour?step=universality").page
    until(page, "document.activeElement.id === 'tour-universality-title'")
    top = page.locator("#tour-universality").bounding_box()["y"]
    assert 0 <= top < 200
    until(page, "document.querySelector('.progress [aria-current]').textContent.startsWith('Another')")
    page.locator(".progress a").nth(3).click()
    until(page, "document.activeElement.id === 'tour-splitting-title'")
    assert page.url.endswith("#/tour?step=splitting")


@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=pytest.mark.slow)])
def test_it_is_accessible_on_a_phone_and_in_spanish(explorer, scheme):
    page = opened(explorer, locale="es-ES", width=360, color_scheme=scheme).page
    learnt(page)
    page.get_by_role("button", name="Mostrar las palabras").click()
    page.locator("#tour-bridge button.main").click()
    page.wait_for_selector("#tour-bridge .moved")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    check_accessible(page)
