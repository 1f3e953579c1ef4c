"""The place to look features up: a list with a search, a card, and the data from which scripts draw both."""

from collections.abc import Mapping
from typing import Any

from monoscope.explore.cards import Packed, pack
from monoscope.explore.markup import Markup, element, trusted
from monoscope.explore.sections.frame import legend, section
from monoscope.explore.sections.training import spread
from monoscope.explore.wording import count

ORDERS: dict[str, str] = {
    "best": "best first",
    "common": "most common",
    "rare": "rarest",
    "strong": "strongest",
    "number": "number",
    "random": "shuffled",
}
"""Orders of the list; ``page/list.js`` knows how."""


def browser(part: Mapping[str, Any], opened: int | None) -> Markup | None:
    """The section; ``opened`` is the feature whose card is open when no other is asked for."""
    cards = part.get("cards") or ()
    statistics = part.get("statistics") or {}
    if not cards:
        return None
    packed = pack(cards)
    return section(
        "features",
        "Browse the features",
        f"{_how_many(len(cards), statistics)} Orange marks the tokens on which a feature is active.",
        legend(),
        element(
            "noscript",
            element("p", "The cards are drawn by a script, and scripts are off.", class_="problem"),
        ),
        element("div", _list(), _card(opened), class_="browser", id="browser"),
        _left_out(packed),
        spread(statistics),
        element("template", _data(packed), id="cards"),
    )


def _how_many(cards: int, statistics: Mapping[str, Any]) -> str:
    alive, features = statistics.get("alive"), len(statistics.get("density") or ())
    if alive is None or not features:
        return f"{count(cards)} cards."
    fire = f"All {count(features)}" if alive == features else f"Of {count(features)} features {count(alive)}"
    return f"{fire} fire on the text" + ("." if cards == alive else f"; {count(cards)} have a card here.")


def _list() -> Markup:
    options = [element("option", name, value=key) for key, name in ORDERS.items()]
    return element(
        "div",
        element(
            "form",
            element(
                "input",
                type="search",
                id="query",
                placeholder="bridge, sadness, 412 …",
                aria_label="Search features by description, token or number",
                autocomplete="off",
                spellcheck="false",
            ),
            element("label", "Order ", element("select", options, id="order")),
            element("button", "Surprise me", type="button", id="surprise"),
            class_="tools",
            role="search",
        ),
        element("p", class_="soft small", id="found", role="status"),
        element("ol", class_="list", id="list", tabindex=-1),
        class_="side",
    )


def _card(opened: int | None) -> Markup:
    return element("article", class_="feature-card", id="card", data_feature=opened, aria_live="polite")


def _left_out(packed: Packed) -> Markup | None:
    if not packed.left_out:
        return None
    total = packed.examples + packed.left_out
    words = (
        f"To keep this page small it holds {count(packed.examples)} of the index's {count(total)} examples."
    )
    return element("p", words, class_="soft small")


def _data(packed: Packed) -> list[Markup]:
    """Base64 alone, so nothing in it can be taken for markup."""
    blocks = [element("data", trusted(block)) for block in packed.blocks]
    return [element("data", trusted(packed.summary)), *blocks]
