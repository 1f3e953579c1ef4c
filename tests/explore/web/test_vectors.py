"""The screen of control vectors in a browser: learnt, measured, read along, written with, and taken elsewhere."""

import json
from pathlib import Path

import pytest

from explore.web.answers import HOSTILE
from explore.web.browsing import REFUSED, check_accessible, ready, until
from explore.web.vectors import BEST, N_BLOCKS, Vectors


def opened(explorer, hash_="#/vectors/joy", answers=None, **options):
    """The screen with the vectors listed."""
    made = explorer(hash_, answers=answers or Vectors(), **options)
    made.page.wait_for_selector(".vectors form")
    return made


def asked(answers, path="vectors"):
    """The questions of one kind."""
    return [body for each, body in answers.questions if each == path]


def test_a_first_vector_is_one_click_away_and_steer_knows_it(explorer):
    made = opened(explorer, "#/vectors", Vectors(vectors={}, pairs={}))
    page = made.page
    assert "no vector yet" in page.locator(".vectors").inner_text()
    page.get_by_role("button", name="Learn joy against sadness").click()
    until(page, "location.hash === '#/vectors/joy' && !!document.querySelector('.layers')")
    (body,) = asked(made.answers)
    assert body["name"] == "joy"
    assert body["pairs"] == []
    assert body["personas"]["template"] == "{persona} {suffix}"
    assert [len(body["personas"][side]) for side in ("positive", "negative")] == [2, 2]
    assert body["personas"]["positive"][1] == "Everyone laughed and hugged. A merry song began."
    assert body["personas"]["negative"][1] == "Everyone wept and parted. A sad song began."
    rest = {key: body[key] for key in ("method", "held_out", "seed", "overwrite")}
    assert rest == {"method": "mean_difference", "held_out": 0.2, "seed": 0, "overwrite": False}
    assert page.locator("h1").inner_text() == "joy"
    assert "95 % right · random 50 %" in page.locator(".vector-list li").inner_text().replace("\xa0", " ")
    page.get_by_role("link", name="Steer", exact=True).click()
    page.locator(".picker input").first.fill("jo")
    page.wait_for_selector("[role=option]")
    assert "joy" in page.locator("[role=listbox]").first.inner_text()


def test_pairs_are_typed_pasted_and_kept_in_a_file(explorer, tmp_path):
    made = opened(explorer, "#/vectors")
    page = made.page
    page.get_by_label("Name", exact=True).fill("good")
    page.get_by_role("button", name="Pairs").click()
    page.get_by_label("Positive side of pair 1").fill("good one")
    page.get_by_label("Negative side of pair 1").fill("bad one")
    page.get_by_text("Paste many").click()
    paste = page.locator("textarea.mono")
    paste.fill('{"positive": "good two", "negative": "bad two"}\nnothing\ngood three\tbad three')
    page.get_by_role("button", name="Add these lines").click()
    note = page.locator("form [role=status]").first
    assert note.inner_text() == "Pairs added: 2. Not pairs: lines 2."
    source = tmp_path / "more.jsonl"
    source.write_text('{"positive": "good four", "negative": "bad four"}\n', encoding="utf-8")
    page.locator("input[type=file]").set_input_files(source)
    until(page, "document.querySelectorAll('.pair').length === 4")
    page.get_by_role("button", name="Remove pair 2").click()
    with page.expect_download() as kept:
        page.get_by_role("button", name="Save as .jsonl").click()
    assert kept.value.suggested_filename == "good.jsonl"
    saved = Path(kept.value.path()).read_text(encoding="utf-8")
    wanted = [{"positive": f"good {each}", "negative": f"bad {each}"} for each in ("one", "three", "four")]
    assert [json.loads(line) for line in saved.splitlines()] == wanted
    page.get_by_text("Details").click()
    page.get_by_label("Method").select_option("logistic")
    assert "regression separates" in page.locator(".settings-grid").inner_text()
    page.get_by_label("Share held out").fill("0.5")
    page.get_by_label("Seed").fill("7")
    page.get_by_label("Seed").press("Tab")
    page.get_by_role("button", name="Learn", exact=True).click()
    page.wait_for_selector(".layers")
    (body,) = asked(made.answers)
    assert body["pairs"] == wanted
    assert body["personas"] is None
    assert (body["method"], body["held_out"], body["seed"]) == ("logistic", 0.5, 7)


def test_what_is_refused_is_said_and_a_taken_name_can_be_replaced(explorer):
    made = opened(explorer, "#/vectors", expected=(REFUSED,))
    page = made.page
    page.locator(".presets button").first.click()
    assert asked(made.answers) == []
    page.get_by_label("Name", exact=True).fill("two words")
    page.get_by_role("button", name="Learn", exact=True).click()
    page.wait_for_selector("form .failure")
    assert "give one word" in page.locator("form .failure").inner_text()
    assert page.get_by_role("button", name="Replace").count() == 0
    page.get_by_label("Name", exact=True).fill("joy")
    assert page.locator("form .failure").count() == 0
    page.get_by_role("button", name="Learn", exact=True).click()
    page.get_by_role("button", name="Replace").click()
    until(page, "location.hash === '#/vectors/joy' && !!document.querySelector('.layers')")
    assert [body["overwrite"] for body in asked(made.answers)] == [False, False, True]
    page.get_by_text("pairs it was learnt from").click()
    page.get_by_role("button", name="Change the pairs and learn again").click()
    page.wait_for_selector(".pair")
    assert page.get_by_label("Name", exact=True).input_value() == "joy"
    assert page.locator(".pair").count() == len(made.answers.pairs["joy"])


def test_each_block_is_drawn_beside_random_directions(explorer):
    page = opened(explorer).page
    assert page.locator(".layers .mark-ours").count() == N_BLOCKS
    assert page.locator(".layers .interval").count() == N_BLOCKS
    assert page.locator(".layers polyline.dashed").get_attribute("points").count(",") == N_BLOCKS
    tops = [
        float(each)
        for each in page.eval_on_selector_all(
            ".layers .interval", "lines => lines.map(line => line.getAttribute('y2'))"
        )
    ]
    assert min(range(N_BLOCKS), key=tops.__getitem__) == BEST
    ring = page.locator(".layers .best").bounding_box()
    stripe = page.locator(".layers .middle").bounding_box()
    assert stripe["x"] < ring["x"] < stripe["x"] + stripe["width"]
    page.locator(".layers").focus()
    until(page, "!document.querySelector('#tip').hidden")
    assert "block 6: 95 % [80 %, 99 %], random 50 %" in page.locator("#tip").inner_text().replace("\xa0", " ")
    page.get_by_text("As a table").click()
    cells = page.locator(".wide-table tbody tr").nth(BEST).inner_text().replace("\xa0", " ").split("\t")
    assert cells[1:4] == ["95 %", "80 %–99 %", "50 %"]
    bars = page.locator(".made-of li")
    assert bars.nth(1).locator("rect").get_attribute("class") == "measured"
    assert "45 %" in page.locator(".note", has_text="Together").inner_text().replace("\xa0", " ")
    assert bars.nth(1).locator("a").get_attribute("href") == "#/feature/12"


def test_a_text_is_read_along_it_behind_any_block(explorer):
    made = opened(explorer, expected=(REFUSED,))
    page = made.page
    box = page.get_by_label("Text to read")
    box.fill("one two three four five")
    page.get_by_role("button", name="Read", exact=True).click()
    page.wait_for_selector(".read .text")
    shades = page.eval_on_selector_all(".read .text span", "all => all.map(each => each.className)")
    assert shades == ["n10", "n5", "s0", "s5", "s10"]
    tips = page.eval_on_selector_all(".read .text span", "all => all.map(each => each.dataset.tip)")
    assert tips[0] == "“one” -0.200"
    with page.expect_response("**/reading"):
        page.get_by_label("Behind block").select_option("3")
    assert [body["block"] for body in asked(made.answers, "vectors/joy/reading")] == [BEST, 3]
    box.fill("refused")
    page.get_by_role("button", name="Read", exact=True).click()
    page.wait_for_selector(".failure")
    assert "give a shorter one" in page.locator(".failure").inner_text()
    assert page.locator(".read").count() == 0


def test_it_writes_beside_the_untouched_model_and_steer_goes_on(explorer):
    made = opened(explorer)
    page = made.page
    exact = page.get_by_label("Strength, exactly")
    assert exact.input_value() == "0.25"
    page.get_by_label("Strength", exact=True).focus()
    page.keyboard.press("ArrowRight")
    assert exact.input_value() == "0.3"
    exact.fill("40")
    exact.press("Tab")
    assert exact.get_attribute("aria-invalid") == "true"
    exact.fill("-2.5")
    exact.press("Tab")
    page.get_by_label("Tokens").fill("8")
    page.get_by_label("Tokens").press("Tab")
    page.get_by_role("button", name="Write").click()
    until(page, "document.querySelectorAll('.column .along').length === 2")
    plain, steered = sorted(
        asked(made.answers, "v1/completions"), key=lambda each: each["steering"] is not None
    )
    assert steered["steering"] == {"edits": [{"vector": "joy", "add": -2.5}]}
    assert {**plain, "steering": None} == {**steered, "steering": None}
    means = [float(each.split()[4]) for each in page.locator(".along").all_inner_texts()]
    assert means[1] > means[0]
    page.get_by_role("link", name="Open in Steer").click()
    page.wait_for_selector(".steer .picker")
    assert "joy" in page.locator(".picker input").first.input_value()
    assert page.locator(".edit .exact").first.input_value() == "-2.5"


def test_files_and_code_take_it_elsewhere(explorer):
    made = opened(explorer)
    page = made.page
    scale = page.get_by_label("Strength that is its scale 1")
    scale.fill("0.5")
    scale.press("Tab")
    for name, wanted in (("joy.gguf", "joy gguf 0.5"), ("joy.npz", "joy npz None")):
        with page.expect_download() as kept:
            page.get_by_role("button", name=f"Download {name}").click()
        assert kept.value.suggested_filename == name
        assert Path(kept.value.path()).read_text() == wanted
    llama, python = page.locator(".code pre").all_inner_texts()
    assert llama == "llama-cli --control-vector-scaled joy.gguf:0.5"
    assert 'vector = load("runs/story <b>teller</b>/vectors/joy")' in python
    assert "[ms.Rule(edit=ms.Add(0.25), vector=vector)]" in python
    assert not any("token" in url for url in made.requests if "/file" in url)


def test_a_vector_of_elsewhere_says_what_is_not_known(explorer):
    page = opened(explorer, "#/vectors/made_elsewhere").page
    text = page.locator(".vectors").inner_text()
    assert "not measured" in text
    assert "how well it tells pairs apart is not known" in text
    assert HOSTILE[0] in text
    assert page.locator(".vectors img").count() == 0
    assert page.locator(".layers").count() == 0
    assert page.get_by_label("Strength, exactly").input_value() == "0.3"


def test_a_vector_that_is_not_there_is_said(explorer):
    page = explorer("#/vectors/nobody", answers=Vectors(), expected=(REFUSED,)).page
    page.wait_for_selector(".failure")
    assert "there is no vector nobody" in page.locator(".failure").inner_text()
    page.get_by_role("link", name="joy").click()
    page.wait_for_selector(".layers")
    assert page.locator(".failure").count() == 0


@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=pytest.mark.slow)])
def test_it_is_accessible_on_a_phone_and_in_spanish(explorer, scheme):
    page = opened(explorer, locale="es-ES", width=360, color_scheme=scheme).page
    page.get_by_role("button", name="Escribir").click()
    page.get_by_role("button", name="Leer").click()
    until(page, "document.querySelectorAll('.vectors .text').length === 3")
    page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true })")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    check_accessible(page)
    page.evaluate("location.hash = '#/vectors'")
    ready(page)
    page.get_by_role("button", name="Pares").click()
    page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true })")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    check_accessible(page)
