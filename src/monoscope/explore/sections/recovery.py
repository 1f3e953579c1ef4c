"""Which known concepts have a feature of their own: a chart against how rare they are, and a table."""

from collections.abc import Mapping
from typing import Any

from monoscope.explore.charts import Axis, Plot, figure, logarithmic
from monoscope.explore.markup import Markup, element
from monoscope.explore.sections.frame import section
from monoscope.explore.wording import Number, bounds, hundredths, known, percent, readable, round_number

Concept = Mapping[str, Any]

COLUMNS: dict[str, str] = {
    "f1": "F1",
    "precision": "Precision",
    "recall": "Recall",
    "neuron_f1": "Best neuron",
    "pca_f1": "Best PCA",
    "random_f1": "Best random",
}
"""Key of a concept's record -> its column, shown where any concept has it."""
MISSED = 8
"""Concepts named of those that were missed, at most."""


def recovery(part: Mapping[str, Any]) -> Markup | None:
    """The section; None for a corpus without tagged concepts."""
    concepts: Mapping[str, Concept] = part.get("concepts") or {}
    if not concepts:
        return None
    needed = part.get("f1_needed", 0.7)
    found = round(part["share_recovered"] * len(concepts))
    ends = bounds((part.get("intervals") or {}).get("share_recovered"))
    within = f" (95 % interval over concepts: {percent(ends[0])} to {percent(ends[1])})" if ends else ""
    lead = [
        f"In this corpus it is known which words are about which of {len(concepts)} concepts. ",
        element("b", f"{found} of them"),
        f" have one feature that marks them with an F1 of {round_number(needed)} or more{within}.",
    ]
    chart = _chart(concepts, needed)
    content = element("div", chart, _reading(part, concepts, needed), class_="charts") if chart else None
    return section("concepts", "One concept, one feature", lead, content, _table(concepts))


def _reading(part: Mapping[str, Any], concepts: Mapping[str, Concept], needed: Number) -> Markup:
    """How to read the chart, and what was missed."""
    missed = [readable(name) for name, each in sorted(concepts.items(), key=lambda item: item[1]["f1"])]
    missed = missed[: sum(each["f1"] < needed for each in concepts.values())]
    more = f" and {len(missed) - MISSED} more" if len(missed) > MISSED else ""
    return element(
        "div",
        element("h3", "How to read this"),
        element(
            "p",
            "Each concept is a line from its best neuron to its best feature. The higher a dot, the better that one "
            "unit marks the concept; those at the left are rare in the text. A click on a dot opens its card.",
        ),
        element(
            "p",
            element("b", "F1"),
            " joins two questions. Precision: of the tokens on which the unit is on, how many are about the concept? "
            "Recall: of the tokens about the concept, on how many is it on? F1 is high only when both are.",
        ),
        element("p", element("b", "Missed: "), ", ".join(missed[:MISSED]), more, ".") if missed else None,
        element("details", element("summary", "How it was measured"), element("p", part["protocol"]))
        if part.get("protocol")
        else None,
        class_="aside",
    )


def _chart(concepts: Mapping[str, Concept], needed: Number) -> Markup | None:
    placed = {name: each for name, each in concepts.items() if (each.get("frequency") or 0) > 0}
    if not placed:
        return None
    rates = [each["frequency"] for each in placed.values()]
    y = Axis(label="F1 of the best unit", low=0.0, high=1.0, ticks=(0.0, 0.25, 0.5, 0.75, 1.0))
    plot = Plot(logarithmic("how common the concept is, share of tokens", rates, written=percent), y)
    stems, neurons, features = [], [], []
    for name, each in sorted(placed.items(), key=lambda item: item[1]["f1"]):
        x, title = each["frequency"], readable(name)
        if known(each.get("neuron_f1")):
            low, high = sorted((each["neuron_f1"], each["f1"]))
            stems.append(plot.whisker(x, low, high, "stem"))
            tip = f"{title}: best neuron, F1 {hundredths(each['neuron_f1'])}"
            neurons.append(plot.dot(x, each["neuron_f1"], "hollow", tip=tip, radius=3.5))
        tip = f"{title}: feature {each.get('feature')}, F1 {hundredths(each['f1'])}"
        dot = plot.dot(x, each["f1"], "fire", tip=tip)
        linked = each.get("feature") is not None
        features.append(element("a", dot, href=f"#feature-{each['feature']}", tabindex=-1) if linked else dot)
    line = plot.level(needed, "dashed")
    said = "; ".join(
        f"{readable(name)}: feature {hundredths(each['f1'])}, neuron {hundredths(each.get('neuron_f1'))}"
        for name, each in placed.items()
    )
    title = "How well one unit marks each concept, against how common the concept is"
    chart = plot.svg(stems, neurons, features, line, title=title, description=said, name="chart-concepts")
    legend = [
        ("fire", "best feature"),
        *([("hollow", "best neuron")] if neurons else []),
        ("dashed", "a unit of its own"),
    ]
    return figure(chart, legend=legend)


def _table(concepts: Mapping[str, Concept]) -> Markup:
    columns = {key: name for key, name in COLUMNS.items() if any(key in each for each in concepts.values())}
    rows = [
        element(
            "tr",
            element("th", readable(name), scope="row", data_sort=readable(name)),
            _cell(_link(each.get("feature")), each.get("feature")),
            _cell(percent(each.get("frequency")), each.get("frequency")),
            [
                _cell(hundredths(each.get(key)), each.get(key), "us" if key == "f1" else None)
                for key in columns
            ],
        )
        for name, each in sorted(concepts.items(), key=lambda item: -item[1]["f1"])
    ]
    names = ["Concept", "Feature", "Share of tokens", *columns.values()]
    head = [
        element("th", element("button", name, type="button"), scope="col", aria_sort=_sorted(name))
        for name in names
    ]
    table = element(
        "table",
        element("caption", "Concepts"),
        element("thead", element("tr", head)),
        element("tbody", rows),
        class_="figures sortable",
    )
    return element("div", table, class_="scroll tall", tabindex=0, role="region", aria_label="Concepts")


def _sorted(name: str) -> str:
    return "descending" if name == "F1" else "none"


def _cell(shown: str | Markup, value: Any, class_: str | None = None) -> Markup:
    return element("td", shown, data_sort=str(value) if known(value) else "", class_=class_)


def _link(feature: int | None) -> Markup | str:
    return hundredths(None) if feature is None else element("a", str(feature), href=f"#feature-{feature}")
