"""What labels add to a card, as a browser shows it."""

import copy
import re

import pytest

from explore import fake
from monoscope.explore import report_html
from monoscope.explore.cards import EFFECTS
from monoscope.explore.labels import with_labels
from monoscope.explore.wording import UNSEEN


def test_features_active_together_stand_beside_those_that_point_the_same_way(visit, html, report):
    page = visit(html, "#feature-131").page
    page.wait_for_selector("#card[data-feature='131']")
    card = report["features"]["cards"][131]
    together, near = page.locator("#card .relations > div").all()
    assert together.locator("h4").inner_text() == "Active together"
    assert together.locator("a").all_inner_texts() == [
        "\n".join((str(each["feature"]), described(report, each["feature"]), "70\u00a0%"))
        for each in card["coactive"]
    ]
    together.locator("a").first.hover()
    told = "on for 70\u00a0% of the tokens that this feature is on for; correlation 0.6"
    assert page.locator("#tip").inner_text() == told
    assert near.locator(".number").all_inner_texts() == [str(each["feature"]) for each in card["neighbours"]]


def described(report, feature):
    """A feature's description as lists show it."""
    return re.sub(r" \([^()]*of activation\)", "", report["features"]["cards"][feature]["description"])


def test_a_card_tells_each_description_with_its_scores(visit, html, report):
    page = visit(html, "#feature-37").page
    page.wait_for_selector("#card[data-feature='37']")
    card = report["features"]["cards"][37]
    texts = [each["text"].replace("_", " ") for each in card["descriptions"]]
    assert page.locator("#card .said").all_inner_texts() == texts
    assert [text.replace("\u00a0", " ") for text in page.locator("#card .score").all_inner_texts()] == [
        "41 % of its activation",
        "overlap of the first 0.37, where 1 is always together",
        "right 97 % of the time it matches, finds 19 % of its activations, which carry 30 % of its strength, "
        "correlation 0.44, on text kept apart",
        "the first 6.1 standard deviations above the average token",
        "F1 0.93, right 95 % of the time it fires, on text kept apart",
    ]
    assert page.locator("#card .sayings dt").last.inner_text() == "Marks mentions of"
    rows = page.locator("#card .fold table tbody tr")
    assert rows.count() == len(card["patterns"])
    first = card["patterns"][0]
    share = f"{100 * first['active'] / first['matches']:.2g}"
    text, matches, right = rows.first.locator("th, td").all_inner_texts()
    assert text == first["text"].replace("[", "").replace("]", "")
    assert (int(matches), right.split("\u00a0")[0]) == (first["matches"], share)
    assert rows.first.locator("mark").inner_text() == re.search(r"\[(.*)\]", first["text"])[1]


def test_a_card_without_labels_tells_of_none(visit, html):
    page = visit(html, "#feature-131").page
    page.wait_for_selector("#card[data-feature='131']")
    assert page.locator("#card").locator(".sayings, .effect, .helped, .hurt, .fold table").count() == 0


def test_an_example_tells_what_the_model_does_without_the_feature(visit, html, report):
    page = visit(html, "#feature-37").page
    page.wait_for_selector("#card[data-feature='37']")
    card = report["features"]["cards"][37]
    told = page.locator("#card .effect")
    assert told.count() == EFFECTS
    for words, effect, example in zip(
        told.all_inner_texts(), card["effects"], card["examples"], strict=False
    ):
        following = example["tokens"][17].replace(" ", "·").replace("\n", "↵")
        nats = effect["next"]
        if abs(nats) < 0.01:
            continue
        way = "harder" if nats > 0 else "easier"
        amount = f"{float(f'{abs(nats):.2g}'):g}"
        assert f"the next token, {following}, would be {amount} nats {way} to predict (" in words
        assert ("here the feature hurts" in words) == (nats < 0)
        for name, before in (("promoted", "It votes for "), ("suppressed", ", against ")):
            votes = "".join(text.replace(" ", "·") for text, _ in effect[name])
            assert before + votes in words.replace("\n", "")


def test_a_token_tells_its_activation_and_then_its_effect(visit, html, report):
    page = visit(html, "#feature-37").page
    page.wait_for_selector("#card[data-feature='37']")
    card = report["features"]["cards"][37]
    example, losses = card["examples"][0], card["effects"][0]["loss"]
    spans = page.locator("#card .examples .text").first.locator("span")
    tips = spans.evaluate_all(
        "spans => spans.map((span) => [span.textContent, span.className, span.dataset.tip])"
    )
    step = max(abs(loss) for loss in losses[1:]) / 45
    told = [place for place, value in enumerate(example["activations"]) if value > 0]
    told += [place for place, loss in enumerate(losses) if loss is not None and abs(loss) > 0.01 + step]
    told = sorted({place for place in told if example["tokens"][place].strip()})
    by_text = {text: (names, tip) for text, names, tip in tips}
    seen = set()
    for place in told:
        text, loss = example["tokens"][place].strip(), losses[place]
        if sum(token.strip() == text for token in example["tokens"]) > 1:
            continue
        names, tip = by_text[text]
        strength, *effect = tip.split("; ")
        assert (strength == "silent here") == (example["activations"][place] == 0)
        if loss is not None and abs(loss) > 0.1 + step:
            (words,) = effect
            way, underline = ("harder", "helped") if loss > 0 else ("easier", "hurt")
            assert float(re.search(r"([\d.]+) nats", words)[1]) == pytest.approx(abs(loss), abs=1.2 * step)
            assert way in words
            assert underline in names.split()
            seen.add(underline)
    assert seen == {"helped", "hurt"}
    page.locator("#card .helped.by3, #card .hurt.by3").first.hover()
    assert "without the feature" in page.locator("#tip").inner_text()


def test_the_keyboard_walks_along_effects(visit, html):
    page = visit(html, "#feature-37").page
    page.wait_for_selector("#card[data-feature='37']")
    text = page.locator("#card .examples .text").first
    text.focus()
    tip = page.locator("#tip")
    assert "100\u00a0% of the largest; without the feature" in tip.inner_text()
    page.keyboard.press("ArrowRight")
    assert "without the feature" in tip.inner_text()


@pytest.mark.parametrize(
    "text", ["x" * 100_000, "nul\0nul", "\u202eevil\u202c", "half \ud83d", "</script><b>"]
)
def test_any_text_of_a_corpus_fits_a_phone_as_text(visit, text):
    changed = copy.deepcopy(fake.report(6))
    card = changed["features"]["cards"][2]
    card["examples"] = card["examples"][:4]
    card["examples"][0]["tokens"][17] = card["tokens"][0]["text"] = text
    changed["features"]["cards"][2] = with_labels(card, {2: fake.hostile_label(card, text)})
    page = visit(report_html(changed), "#feature-2", width=390).page
    page.wait_for_selector("#card[data-feature='2']")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    begins = UNSEEN.sub("\ufffd", text.encode("utf-8", "replace").decode())[:200]
    for place in (".said", ".score", ".sayings dt", ".pattern", ".effect", ".vote", ".text"):
        assert any(begins in shown for shown in page.locator(f"#card {place}").all_text_contents()), place
    assert page.locator("#card b b, #card img").count() == 0
