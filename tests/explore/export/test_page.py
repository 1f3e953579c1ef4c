"""The exported site in a browser, from a host that knows byte ranges and from one that does not."""

import json
import re
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from explore.conftest import Visit
from monoscope.explore.export import site as module
from monoscope.explore.export import write_site
from monoscope.explore.export.postings import LONGEST, words_of
from monoscope.explore.wording import UNSEEN, visible

from .fake_index import HOSTILE, FakeIndex, fake_index, fake_labels
from .searching import brute_force
from .serving import Served, served

PAGE = Path(module.__file__).parents[1] / "page"
Open = Callable[..., Visit]


@pytest.fixture(scope="module")
def index() -> FakeIndex:
    return fake_index(160)


@pytest.fixture(scope="module")
def folder(index: FakeIndex, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    write_site(index, folder, labels=fake_labels(index), shard_bytes=60_000)
    return folder


@pytest.fixture
def host(folder: Path) -> Iterator[Served]:
    with served(folder) as made:
        yield made


@pytest.fixture
def open_page(chromium: Any) -> Iterator[Open]:
    """Opens an address; complaints and requests of other hosts fail the test."""
    opened: list[Visit] = []

    def go(address: str, *, complaints: tuple[str, ...] = (), **options: Any) -> Visit:
        size = {"width": options.pop("width", 1280), "height": options.pop("height", 900)}
        made = Visit(chromium.new_page(viewport=size, reduced_motion="reduce", **options))

        def complain(text: str) -> None:
            if not any(allowed in text for allowed in complaints):
                made.complaints.append(text)

        made.page.on("console", lambda message: complain(f"{message.type}: {message.text}"))
        made.page.on("pageerror", lambda error: complain(f"error: {error}"))
        made.page.on("request", lambda request: made.requests.append(request.url))
        made.page.goto(address)
        opened.append(made)
        return made

    yield go
    for made in opened:
        home = re.match(r"\w+://[^/]*/", made.page.url)
        made.page.close()
        assert made.complaints == []
        assert [
            url for url in made.requests if home and not url.startswith((home[0], "data:", "file:"))
        ] == []


def wait_until(page: Any, expression: str, argument: Any = None) -> None:
    """Looks again and again; the page's own policy forbids that the browser does it."""
    for _ in range(400):
        if page.evaluate(expression, argument):
            return
        page.wait_for_timeout(20)
    pytest.fail(f"it never came to {expression}; list: {page.locator('#found').inner_text()}")


def card_of(page: Any, feature: int) -> str:
    """Text of that card, once it is there."""
    page.wait_for_selector(f"#card[data-feature='{feature}'] .which")
    return page.locator("#card").inner_text()


def listed(page: Any) -> list[int]:
    return [int(number) for number in page.locator("#list .number").all_inner_texts()]


def results(page: Any, query: str) -> list[int]:
    """Everything that a search lists, scrolled to its end."""
    page.fill("#query", query)
    wait_until(
        page,
        "query => location.hash === '#/search/' + encodeURIComponent(query) && !found.textContent.includes('…')",
        query,
    )
    told = re.match(r"([\d,]+) of", page.locator("#found").inner_text())
    expected = int(told[1].replace(",", "")) if told else 0
    wait_until(
        page,
        "count => { list.scrollTop = 1e6; list.dispatchEvent(new Event('scroll'));"
        " return list.children.length === count }",
        expected,
    )
    return listed(page)


def test_the_page_opens_with_the_best_feature(open_page: Open, host: Served, index: FakeIndex) -> None:
    page = open_page(host.url).page
    page.wait_for_selector("#card .which")
    best = listed(page)[0]
    assert index.cards[best]["description"] in card_of(page, best)
    assert page.locator("#found").inner_text() == "160 features"
    assert page.title() == f"Feature {best} · Features of builtin"
    assert page.locator("#list [aria-current]").get_attribute("href") == f"#/feature/{best}"


def test_a_link_opens_its_card_with_few_requests(open_page: Open, host: Served, index: FakeIndex) -> None:
    page = open_page(f"{host.url}#/feature/101").page
    text = card_of(page, 101)
    card = index.cards[101]
    assert card["description"] in text
    assert card["address"] in text
    assert f"{card['n_active']:,} tokens" in text
    rows = page.locator("#card .examples .text")
    assert rows.count() == len(card["examples"])
    first = "".join(card["examples"][0]["tokens"]).strip(" ").replace("\n", "↵")
    assert rows.nth(0).text_content() == first
    assert rows.nth(0).locator(".most").text_content() == card["examples"][0]["tokens"][16].strip()
    assert not re.search(r"\b(null|undefined|NaN)\b", text)
    assert host.count_of("cards") == 2
    assert host.count_of("words") == 0
    assert all(asked for path, asked, _ in host.requests if path.endswith(".bin"))
    assert host.bytes_of("cards") < 20_000


def test_neighbours_steps_and_back(open_page: Open, host: Served) -> None:
    page = open_page(f"{host.url}#/feature/37").page
    card_of(page, 37)
    neighbour = page.locator("#card .related a").last
    target = int(neighbour.locator(".number").inner_text())
    neighbour.hover()
    wait_until(page, "!tip.hidden && tip.textContent.includes('cosine')")
    wait_until(
        page, "!document.querySelector('#card .related li:last-child .words').textContent.includes('…')"
    )
    neighbour.click()
    card_of(page, target)
    assert page.url.endswith(f"#/feature/{target}")
    page.go_back()
    card_of(page, 37)
    page.select_option("#order", "number")
    wait_until(page, "list.querySelector('.number').textContent === '0'")
    page.locator("#list a").nth(4).click()
    card_of(page, 4)
    page.keyboard.press("ArrowRight")
    card_of(page, 5)
    page.get_by_label("Previous feature").click()
    card_of(page, 4)
    page.evaluate("location.hash = '#/feature/150'")
    card_of(page, 150)
    page.keyboard.press("ArrowLeft")
    card_of(page, 149)


@pytest.mark.parametrize("ranges", [True, False], ids=["ranges", "no ranges"])
def test_search_finds_what_a_look_at_every_card_finds(
    open_page: Open, folder: Path, index: FakeIndex, ranges: bool
) -> None:
    with served(folder, ranges=ranges) as host:
        page = open_page(host.url).page
        page.wait_for_selector("#card .which")
        queries = ("bridge", "pengu", "penguin krill", "131", "niña", "bri fog tow", "promotes", "x" * 60)
        for query in queries if ranges else queries[:2]:
            assert results(page, query) == brute_force(index, query), query
        page.fill("#query", "xylophone")
        wait_until(page, "found.textContent === 'No feature goes with all of these words'")
        assert listed(page) == []
        sizes = {
            len((folder / path[1:]).read_bytes()) for path, _, _ in host.requests if path.endswith(".bin")
        }
        whole = [size for path, _, size in host.requests if path.endswith(".bin") and size in sizes]
        names = [path for path, _, _ in host.requests if path.endswith(".bin")]
        if not ranges:
            assert len(whole) == len(names) == len(set(names)), "each file came whole, once"


def test_a_search_has_an_address(open_page: Open, host: Served, index: FakeIndex) -> None:
    page = open_page(f"{host.url}#/search/{quote('fog bridge')}").page
    found = brute_force(index, "fog bridge")
    card_of(page, found[0])
    assert page.locator("#query").input_value() == "fog bridge"
    assert listed(page) == found
    page.fill("#query", "penguin")
    page.keyboard.press("Enter")
    first = brute_force(index, "penguin")[0]
    card_of(page, first)
    assert page.url.endswith(f"#/feature/{first}")
    page.go_back()
    wait_until(page, "location.hash === '#/search/penguin'")
    page.evaluate("location.hash = '#/search/%F0%9F'")
    wait_until(page, "query.value === '%F0%9F'")


def test_only_a_part_of_the_index_is_read(open_page: Open, tmp_path: Path) -> None:
    index = FakeIndex([{**card, "feature": place} for place, card in enumerate(fake_index(160).cards * 8)])
    write_site(index, tmp_path)
    total = {
        name: sum(path.stat().st_size for path in (tmp_path / name).iterdir()) for name in ("cards", "rows")
    }
    with served(tmp_path) as host:
        page = open_page(f"{host.url}#/feature/1000").page
        card_of(page, 1000)
        assert host.bytes_of("cards") < total["cards"] / 60
        assert host.bytes_of("rows") < total["rows"] / 12
        assert page.locator("#list li").count() == 64


def test_labels_are_told_as_in_the_report(open_page: Open, host: Served, index: FakeIndex) -> None:
    page = open_page(f"{host.url}#/feature/100").page
    text = card_of(page, 100)
    label = fake_labels(index)[100]
    shown = [each["text"].replace("_", " ") for each in label["descriptions"]]
    assert page.locator("#card .said").all_inner_texts() == shown
    assert "finds 19\u00a0% of its activations" in text
    assert page.locator("#card .effect").count() == len(label["effects"])
    assert page.locator("#card .pattern").count() == min(4, len(label["patterns"]))
    tips = (
        page.locator("#card .examples .text")
        .first.locator("span")
        .evaluate_all("spans => spans.map((span) => span.dataset.tip)")
    )
    effects = [loss for loss in label["effects"][0]["loss"] if loss is not None and abs(loss) >= 0.01]
    assert sum("without the feature" in tip for tip in tips) == len(effects)


def test_examples_drawn_among_all_activations_stay_in_the_record(open_page: Open, tmp_path: Path) -> None:
    index = FakeIndex(deepcopy(fake_index(8).cards))
    examples = index.cards[3]["examples"]
    for place, kind in ((-1, "random"), (-2, "quantile 10"), (-3, "near miss")):
        examples[place]["kind"] = kind
    write_site(index, tmp_path)
    with served(tmp_path) as host:
        page = open_page(f"{host.url}#/feature/3").page
        text = card_of(page, 3)
    assert page.locator("#card .examples > li").count() == len(examples) - 2
    assert "At 75\u00a0% to 100\u00a0% of the largest" in text
    assert "–" not in text


def test_hostile_text_is_text(open_page: Open, host: Served, index: FakeIndex) -> None:
    broken = [card for card in index.cards if any(text in card["description"] for text in HOSTILE)]
    assert len(broken) == len(HOSTILE)
    page = open_page(host.url, width=390).page
    page.wait_for_selector("#card .which")
    for card in broken:
        page.evaluate("feature => { location.hash = `#/feature/${feature}` }", card["feature"])
        card_of(page, card["feature"])
        whole = visible(card["description"]).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        shown = page.locator("#card h3").text_content()
        assert shown.encode("utf-16", "surrogatepass").decode("utf-16", "replace") == whole
        for place in (".said", ".pattern", ".vote", ".sayings dt"):
            assert not UNSEEN.search(page.locator(f"#card {place}").last.text_content()), place
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), card["description"][:40]
    assert page.locator("img").count() == 0
    assert page.title().startswith("Feature ")
    for query in ("</script><img", "\u202eevil", "half", "<!--"):
        assert results(page, query) == brute_force(index, query)


def test_the_policy_lets_in_nothing_else(open_page: Open, host: Served) -> None:
    smuggle = (Path(__file__).parents[1] / "smuggle.js").read_text(encoding="utf-8")
    refused = ("violates the following", "Content Security Policy", "TrustedHTML", "TrustedScript")
    with served(Path(__file__).parent) as stranger:
        made = open_page(host.url, complaints=refused)
        made.page.wait_for_selector("#card .which")
        made.page.evaluate(smuggle, stranger.url)
        made.page.wait_for_timeout(100)
        assert made.page.evaluate("window.smuggled") is None
        assert stranger.requests == []
        made.requests.clear()  # It lists what was refused as well.


def test_what_cannot_be_read_is_said(open_page: Open, folder: Path, host: Served) -> None:
    page = open_page(f"{host.url}#/feature/999").page
    wait_until(page, "card.textContent === 'There is no feature 999: they go up to 159.'")
    html = (folder / "index.html").as_uri()
    page = open_page(html).page
    wait_until(page, "card.textContent.includes('python -m http.server')")


def test_a_file_that_is_missing_is_said(open_page: Open, tmp_path: Path) -> None:
    write_site(fake_index(40), tmp_path)
    (tmp_path / "cards" / "00000.bin").unlink()
    with served(tmp_path) as host:
        page = open_page(host.url, complaints=("404",)).page
        wait_until(page, "card.textContent === 'The server answers 404 for cards/00000.bin.'")
        assert len(listed(page)) == 40
    (tmp_path / "manifest.json").unlink()
    with served(tmp_path) as host:
        page = open_page(host.url, complaints=("404",)).page
        wait_until(page, "card.textContent === 'The server answers 404 for manifest.json.'")


def test_the_keyboard_is_enough(open_page: Open, host: Served, index: FakeIndex) -> None:
    page = open_page(host.url).page
    page.wait_for_selector("#card .which")
    page.keyboard.press("/")
    page.keyboard.type("keeper lamp")
    wait_until(page, "location.hash.startsWith('#/search/') && found.textContent.includes(' of 160')")
    found = brute_force(index, "keeper lamp")
    page.focus("#list a")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    card_of(page, found[1])
    page.get_by_role("button", name="Surprise me").focus()
    page.keyboard.press("Enter")
    wait_until(page, f"card.dataset.feature !== '{found[1]}'")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_and_fits_a_phone(open_page: Open, host: Served, scheme: str) -> None:
    contrast = (Path(__file__).parents[1] / "contrast.js").read_text(encoding="utf-8")
    page = open_page(f"{host.url}#/feature/25", width=390, color_scheme=scheme).page
    card_of(page, 25)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    places = ["h1", ".lead", "#found", "#list .rate", "#card .which", "#card .text", ".text .s10", ".amount"]
    places += [".said", ".score", ".effect", ".vote", ".pattern mark", ".related .words"]
    for place, found in page.evaluate(contrast, places):
        assert found >= 4.5, place


def test_words_are_the_same_in_the_page_and_here(chromium: Any) -> None:
    texts = [
        *HOSTILE,
        "near Bridge, TOWERS (41 % of activation); promotes don't",
        "Cafe\u0301 ΣΑΣ İstanbul ǅ 中文字 नमस्ते ½ ² _x_ \u3000 a\u00a0b",
        *("a" * 49 + "🐧", "🐧" * 60),
    ]
    page = chromium.new_page()
    source = (PAGE / "site_words.js").read_text(encoding="utf-8")
    for text in texts:
        called = "wordsOf(JSON.parse(text), longest).map((word) => JSON.stringify(word))"
        found = page.evaluate(
            f"([text, longest]) => {{ {source}; return {called} }}", [json.dumps(text), LONGEST]
        )
        assert [json.loads(word) for word in found] == list(dict.fromkeys(words_of(text))), text[:60]
    page.close()
