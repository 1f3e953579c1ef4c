"""The map beside the table, in a browser."""

import re

import numpy as np
import pytest

from explore.web.browsing import check_accessible, until
from explore.web.model import Model

GPU = ("GL Driver Message", "GroupMarkerNotSet")
"""What Chromium says of drawing without a graphics card."""

PAINTED = """() => {
  const canvas = document.querySelector('.map canvas');
  const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext('2d', { willReadFrequently: true });
  copy.drawImage(canvas, 0, 0);
  const all = copy.getImageData(0, 0, canvas.width, canvas.height).data;
  let [painted, blue] = [0, 0];
  for (let place = 0; place < all.length; place += 4) {
    painted += all[place + 3] > 0;
    blue += all[place + 3] > 0 && all[place + 2] > all[place];
  }
  return [painted, blue];
}"""
"""Pixels of a plain canvas that have a colour, and those of them that are rather blue than red."""


def cloud(count: int) -> np.ndarray:
    """Places of so many features, the first in the middle and nothing else near it."""
    places = np.random.default_rng(0).uniform(-1, 1, (count, 2)).astype(np.float32)
    places[np.hypot(*places.T) < 0.1] = 0.9
    places[0] = 0
    return places


def opened(explorer, answers, hash_="#/features", **options):
    """The features with their map shown."""
    made = explorer(hash_, answers=answers, expected=GPU, **options)
    made.page.wait_for_selector("[data-map]")
    made.page.locator("[data-map]").click()
    made.page.wait_for_selector(".map canvas")
    return made


def middle(page) -> tuple[float, float]:
    """Where the middle of the map is."""
    page.locator(".map").scroll_into_view_if_needed()
    box = page.locator(".map").bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def test_it_says_that_it_is_drawn_and_waits(explorer):
    page = opened(explorer, Model(n_features=500, points=cloud(500), drawings=1)).page
    page.wait_for_selector(".map .wait")
    assert "is being drawn" in page.locator(".map .wait").inner_text()
    until(page, "document.querySelector('.features').textContent.includes('500 features, those')")
    assert page.locator(".map .wait").count() == 0
    page.reload()
    page.wait_for_selector(".map canvas")


def test_a_point_is_named_and_opened_and_the_map_moves(explorer):
    page = opened(explorer, Model(n_features=500, points=cloud(500))).page
    until(page, "!document.querySelector('.map .wait')")
    x, y = middle(page)
    page.mouse.move(x + 3, y + 3)
    page.wait_for_selector(".map .card")
    until(page, "/^0 \\w/.test(document.querySelector('.map .card').textContent)")
    page.mouse.move(x + 30, y)
    page.mouse.down()
    page.mouse.move(x + 90, y + 20, steps=3)
    page.mouse.up()
    assert page.url.endswith("#/features")
    page.mouse.move(x + 60, y + 20)
    until(page, "document.querySelector('.map .card b')?.textContent === '0'")
    page.mouse.wheel(0, -600)
    page.mouse.move(x + 61, y + 20)
    assert page.locator(".map .card b").inner_text() == "0"
    page.locator(".map .reset").click()
    page.mouse.move(x, y)
    page.mouse.click(x, y)
    page.wait_for_selector(".feature .measures")
    assert page.url.endswith("#/feature/0")


def test_colours_tell_how_often_features_fire(explorer):
    page = opened(explorer, Model(n_features=500, points=cloud(500))).page
    page.wait_for_selector(".map-head")
    crowded, often = page.locator(".map-head button").all()
    assert crowded.get_attribute("aria-pressed") == "true"
    assert page.locator(".frequencies").count() == 0
    page.wait_for_timeout(100)
    before = page.locator(".map").screenshot()
    often.click()
    legend = page.locator(".frequencies").inner_text()
    assert re.findall(r"[≤≥]? ?[\d.]+\u00a0%", legend) == ["≤ 0.01\u00a0%", "0.1\u00a0%", "≥ 1\u00a0%"]
    assert "never fires" in legend
    assert "how often each fires" in page.locator(".features").inner_text()
    page.wait_for_timeout(100)
    assert page.locator(".map").screenshot() != before
    page.reload()
    page.wait_for_selector(".frequencies")
    page.locator(".map-head button").first.click()
    assert page.locator(".frequencies").count() == 0


def test_a_hidden_page_does_not_ask_for_the_map(explorer):
    answers = Model(n_features=500, points=cloud(500), drawings=10**6)
    page = opened(explorer, answers).page
    page.wait_for_selector(".map .wait")
    turned = (
        "hidden => { Object.defineProperty(document, 'hidden', { value: hidden, configurable: true });"
        " document.dispatchEvent(new Event('visibilitychange')) }"
    )
    page.evaluate(turned, True)
    asked = 10**6 - answers.drawings
    page.wait_for_timeout(1300)
    assert 10**6 - answers.drawings == asked
    answers.drawings = 0
    page.evaluate(turned, False)
    until(page, "!document.querySelector('.map .wait')", seconds=0.9)


def test_what_a_search_finds_is_counted_and_marked(explorer):
    made = opened(
        explorer, Model(n_features=500, points=cloud(500)), "#/features?where=feature%3D3|feature%3D4"
    )
    until(made.page, "document.querySelector('.features').textContent.includes('2 of the search are bright')")
    assert any(asked.get("limit") == "1000" for path, asked in made.answers.asked if path == "features")


def test_without_webgl_a_sample_is_drawn_and_said(explorer):
    made = explorer("#/", answers=Model(n_features=60_000, points=cloud(60_000)), expected=GPU)
    page = made.page
    page.evaluate(
        "() => { const get = HTMLCanvasElement.prototype.getContext;"
        " HTMLCanvasElement.prototype.getContext = function (kind, ...rest)"
        " { return kind.startsWith('webgl') ? null : get.call(this, kind, ...rest) } }"
    )
    page.evaluate("location.hash = '#/features'")
    page.wait_for_selector("[data-map]")
    page.locator("[data-map]").click()
    until(page, "document.querySelector('.features').textContent.includes('50,000 of 60,000 points')")
    page.wait_for_timeout(200)
    painted, blue = page.evaluate(PAINTED)
    assert painted > 10_000
    assert blue < painted / 100
    page.locator(".map-head button").nth(1).click()
    page.wait_for_timeout(200)
    painted, blue = page.evaluate(PAINTED)
    assert painted > 10_000
    assert blue > painted / 100


@pytest.mark.slow
@pytest.mark.parametrize("colour", [0, 1])
def test_two_hundred_thousand_points_are_panned_frame_by_frame(explorer, record_property, colour):
    page = opened(explorer, Model(n_features=200_000, points=cloud(200_000))).page
    until(page, "document.querySelector('.features').textContent.includes('200,000 features, those')")
    page.locator(".map-head button").nth(colour).click()
    x, y = middle(page)
    measured = page.evaluate(
        """([x, y]) => new Promise(done => {
          const canvas = document.querySelector('.map canvas'), times = [];
          const event = (kind, at) => canvas.dispatchEvent(new PointerEvent(kind,
            { clientX: x + at, clientY: y, pointerId: 1, pointerType: 'mouse', bubbles: true }));
          canvas.setPointerCapture = () => {};
          event('pointerdown', 0);
          let before = performance.now();
          const step = now => {
            times.push(now - before); before = now;
            event('pointermove', times.length * 2);
            if (times.length < 60) requestAnimationFrame(step);
            else { event('pointercancel', 0); done(times.slice(5).sort((a, b) => a - b)) }
          };
          requestAnimationFrame(step);
        })""",
        [x, y],
    )
    record_property("milliseconds_a_frame", measured[len(measured) // 2])
    assert len(measured) == 55
    page.wait_for_selector(".map .reset")


@pytest.mark.parametrize("width", [360, 1280])
def test_it_is_accessible_and_fits(explorer, width):
    page = opened(explorer, Model(n_features=500, points=cloud(500)), width=width).page
    until(page, "!document.querySelector('.map .wait')")
    page.locator(".map-head button").nth(1).click()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator(".map canvas").first.get_attribute("aria-hidden") == "true"
    assert "with the keyboard, the table" in page.locator(".features").text_content()
    check_accessible(page)
