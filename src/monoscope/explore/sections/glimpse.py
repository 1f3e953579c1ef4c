"""The first picture: one neuron that means many things, and beside it one feature that means one."""

from collections.abc import Mapping, Sequence
from typing import Any

from monoscope.explore.markup import Markup, element
from monoscope.explore.sections.frame import coloured, legend, section
from monoscope.explore.wording import known

ROWS = 6
"""Texts shown on each side."""


def glimpse(part: Mapping[str, Any], card: Mapping[str, Any] | None) -> Markup:
    """The texts a neuron is strongest on, and beside them, once there is one, a feature's."""
    neuron = _column(part.get("title", "One neuron"), part.get("text", ""), part.get("rows", ()), "neuron")
    if card is None:
        lead = (
            "The texts on which one of the model's own neurons is most active. What do they have in common?"
        )
        return section("idea", "What does one neuron mean?", lead, neuron, legend())
    rows = [
        {"tokens": example["tokens"], "values": example["activations"]}
        for example in card["examples"]
        if example["kind"] == "top"
    ]
    number = card["feature"]
    said = [
        "Its strongest texts in the same corpus. ",
        element("a", "Open its card", href=f"#feature-{number}"),
    ]
    feature = _column(f"One feature: {number}", said, rows, "feature")
    return section(
        "idea",
        "What does one neuron mean? And one feature?",
        "Each side shows the texts on which one unit is most active. What do the texts of each have in common?",
        element("div", neuron, feature, class_="pair"),
        legend(),
    )


def _column(title: str, said: Any, rows: Sequence[Mapping[str, Any]], class_: str) -> Markup:
    shown = rows[:ROWS]
    largest = max((value for row in shown for value in row["values"] if known(value)), default=0.0)
    texts = [
        element("li", coloured(row["tokens"], row["values"], largest, faintest=int(class_ == "feature")))
        for row in shown
    ]
    return element(
        "div",
        element("h3", title),
        element("p", said, class_="soft"),
        element("ol", texts, class_="texts"),
        class_=f"panel {class_}",
    )
