"""How far the features can be trusted: every metric beside its baselines, with formula and interval."""

from collections.abc import Mapping
from typing import Any

from monoscope.explore.markup import Markup, element
from monoscope.explore.sections.frame import section
from monoscope.explore.terms import COLUMNS, GROUPS, METRICS, Term, hint
from monoscope.explore.wording import bounds, known, number, percent

Numbers = Mapping[str, Any]


def report_card(part: Mapping[str, Any], formulas: Mapping[str, str]) -> Markup:
    """The headline numbers and the table.

    Args:
        part: what the ``evaluate`` command prints.
        formulas: metric -> its formula in one line.
    """
    words = {
        metric: element("p", element("code", formula), " ", (part.get("misleads") or {}).get(metric))
        for metric, formula in formulas.items()
    }
    columns = {"": _with_recovery(part, "")}
    for name in part.get("baselines") or {}:
        columns[name] = _with_recovery(part, name)
    bodies = [
        _group(question, metrics, columns, words)
        for question, metrics in _questions(columns).items()
        if any(known(numbers.get(metric)) for metric in metrics for numbers in columns.values())
    ]
    names = [element("th", element("span", "Measure", class_="spoken"), scope="col")]
    names.extend(
        element("th", *_column(name), scope="col", class_="us" if not name else None) for name in columns
    )
    table = element(
        "table",
        element("caption", "Report card"),
        element("thead", element("tr", names)),
        bodies,
        class_="card-table figures",
    )
    return section(
        "report-card",
        "Can they be trusted?",
        "Measured on text that was not used for training, and beside what is there for free: the model's own "
        "neurons, principal and independent components and random directions, all allowed as many units at once.",
        _headlines(columns[""], part),
        element("div", table, class_="scroll", tabindex=0, role="region", aria_label="Report card"),
        element(
            "p", "Small print under a number: 95 % interval. A question mark: formula.", class_="soft small"
        ),
    )


def _with_recovery(part: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A column's metrics, with its share of concepts found and its intervals among them."""
    numbers = dict((part.get("baselines") or {}).get(name) or {}) if name else dict(part.get("metrics") or {})
    intervals = dict(numbers.get("intervals") or (part.get("intervals") or {} if not name else {}))
    recovery = part.get("recovery") or {}
    share = f"share_{name}" if name else "share_recovered"
    if share in recovery:
        numbers["share_recovered"] = recovery[share]
        intervals["share_recovered"] = (recovery.get("intervals") or {}).get(share)
    return numbers | {"intervals": intervals}


def _questions(columns: Mapping[str, Numbers]) -> dict[str, tuple[str, ...]]:
    """The questions, and last whatever was measured that none of them asks for."""
    asked = {metric for metrics in GROUPS.values() for metric in metrics}
    others = tuple(
        metric
        for metric, value in columns[""].items()
        if metric not in asked and isinstance(value, int | float)
    )
    return {**GROUPS, "Also measured": others}


def _column(name: str) -> tuple[str | Markup, ...]:
    if not name:
        return ("Features",)
    title, plain = COLUMNS.get(name, (name, ""))
    return (element("span", title, data_tip=plain or None, tabindex=0 if plain else None),)


def _group(
    question: str, metrics: tuple[str, ...], columns: Mapping[str, Numbers], words: Mapping[str, Markup]
) -> Markup:
    rows = []
    for metric in metrics:
        if not any(known(numbers.get(metric)) for numbers in columns.values()):
            continue
        term = METRICS.get(metric, Term(name=metric, symbol="", plain=""))
        arrow = {"lower": "↓", "higher": "↑"}.get(term.better)
        better = (
            element("span", arrow, class_="better", data_tip=f"{term.better} is better") if arrow else None
        )
        explained = [element("p", term.plain) if term.plain else None, words.get(metric)]
        name = element(
            "th",
            element("span", term.name, class_="name"),
            element("span", " ", term.symbol, class_="symbol"),
            better,
            hint(term.name, *explained) if any(explained) else None,
            scope="row",
        )
        cells = [
            _cell(numbers, metric, term, "us" if not column else None) for column, numbers in columns.items()
        ]
        rows.append(element("tr", name, cells))
    head = element(
        "tr", element("th", question, colspan=1 + len(columns), scope="rowgroup", class_="question")
    )
    return element("tbody", head, rows)


def _cell(numbers: Numbers, metric: str, term: Term, class_: str | None) -> Markup:
    ends = bounds(numbers["intervals"].get(metric))
    low, high = map(term.written, ends or (None, None))
    interval = f"{low} – {high}" if low != high else None
    return element(
        "td",
        element("span", term.written(numbers.get(metric)), class_="value"),
        element("span", interval, class_="interval") if interval else None,
        class_=class_,
    )


def _headlines(numbers: Numbers, part: Mapping[str, Any]) -> Markup:
    tiles = []
    if known(numbers.get("fvu")):
        at = f", with {number(numbers['l0'])} features at a time" if known(numbers.get("l0")) else ""
        tiles.append((percent(1 - numbers["fvu"]), f"of the model's inner state redrawn{at}"))
    if known(numbers.get("ce_recovered_mean")):
        tiles.append(
            (percent(numbers["ce_recovered_mean"]), "of the model's skill kept when it runs on the copy")
        )
    recovery = part.get("recovery") or {}
    if recovery.get("concepts"):
        total = len(recovery["concepts"])
        found = round(recovery["share_recovered"] * total)
        neurons = recovery.get("share_neurons")
        beside = f"; neurons: {round(neurons * total)}" if known(neurons) else ""
        tiles.append((f"{found} of {total}", f"concepts have a feature of their own{beside}"))
    if known(numbers.get("dead_share")):
        tiles.append((percent(numbers["dead_share"]), "of the features never fired"))
    return element(
        "ul",
        [element("li", element("b", figure), element("span", words)) for figure, words in tiles],
        class_="tiles",
    )
