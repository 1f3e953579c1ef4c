"""What happens when one feature is turned up: texts side by side, the curve of doses, and the controls."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from monoscope.explore.charts import Plot, figure, ordinal, shares
from monoscope.explore.markup import Child, Markup, element
from monoscope.explore.sections.frame import section, table
from monoscope.explore.wording import (
    Number,
    bounds,
    hundredths,
    known,
    number,
    percent,
    plain,
    readable,
    times,
)

FIRST_PAIRS = 2
"""Pairs of texts that are open from the start."""

CANDIDATE: dict[str, str] = {
    "score": "Score",
    "overlap": "Overlap",
    "effect": "Effect",
    "tried": "When turned up",
}
"""Key of a candidate -> its column, shown where any candidate has it."""

Dose = Mapping[str, Any]


def steering(part: Mapping[str, Any]) -> Markup:
    """The whole section."""
    feature = part.get("feature")
    who = (
        element("a", f"feature {feature}", href=f"#feature-{feature}")
        if feature is not None
        else "one feature"
    )
    lead = [
        "The same model, the same prompts, the same dice. On the right ",
        who,
        " is held at ",
        element("b", times(_shown(part))) if _shown(part) is not None else "a multiple of",
        " the largest activation it ever had by itself, at every token.",
        " No strength that was tried brings the topic and leaves the text readable; this one brings it most."
        if "recommended" in part and part["recommended"] is None
        else None,
    ]
    return section(
        "steer",
        "Turn one feature up",
        lead,
        _described(part),
        _pairs(part),
        _doses(part),
        element("div", _search(part), _table(part), _checks(part), class_="more"),
    )


def marked(text: str, words: Sequence[str]) -> list[str | Markup]:
    """The text with the topic's words marked: whole words, whatever their case."""
    if not words:
        return [text]
    pattern = re.compile(rf"(?<!\w)({'|'.join(map(re.escape, words))})(?!\w)", re.IGNORECASE)
    pieces = pattern.split(text)
    return [element("mark", piece) if place % 2 else piece for place, piece in enumerate(pieces)]


def _described(part: Mapping[str, Any]) -> Markup | None:
    if not part.get("description"):
        return None
    return element("p", "It fires on: ", element("b", plain(part["description"])), class_="soft described")


def _pairs(part: Mapping[str, Any]) -> list[Markup | None]:
    pairs = [_pair(pair, part) for pair in part.get("pairs", ())]
    more = pairs[FIRST_PAIRS:]
    rest = element("details", element("summary", f"{len(more)} more"), more, class_="fold") if more else None
    return [*pairs[:FIRST_PAIRS], rest]


def _pair(pair: Mapping[str, str], part: Mapping[str, Any]) -> Markup:
    def side(name: str, text: str, class_: str) -> Markup:
        prompt = element("span", plain(pair["prompt"]), class_="prompt")
        written = element("p", prompt, marked(plain(text), part.get("words", ())), class_="text", dir="auto")
        return element("div", element("h3", name), written, class_=f"panel {class_}")

    feature, multiple = part.get("feature"), _shown(part)
    turned = "Turned up" if feature is None else f"Feature {feature}"
    at = "" if multiple is None else f" held at {times(multiple)}"
    return element(
        "div",
        side("As it is", pair["default"], "neuron"),
        side(turned + at, pair["steered"], "feature"),
        class_="pair",
    )


def _shown(part: Mapping[str, Any]) -> Number | None:
    """The multiple of the texts side by side: the recommended one unless the report says otherwise."""
    return part["shown"] if part.get("shown") is not None else part.get("recommended")


def _interval(dose: Dose) -> tuple[Number, Number] | None:
    return bounds(dose.get("interval") or (dose.get("mention_low"), dose.get("mention_high")))


def _doses(part: Mapping[str, Any]) -> Markup | None:
    doses = [dose for dose in part.get("doses", ()) if dose.get("multiple") is not None]
    if not doses:
        return None
    return element("div", _topic_chart(doses, part), _text_chart(doses, part), class_="charts")


def _topic_chart(doses: Sequence[Dose], part: Mapping[str, Any]) -> Markup:
    multiples = [dose["multiple"] for dose in doses]
    plot = Plot(_dose_axis(doses), shares("share of the samples"))
    points = [(place, dose["mention_share"]) for place, dose in enumerate(doses)]
    marks: list[Child] = [_recommended(plot, doses, part)]
    baseline = _baseline(part)
    if baseline is not None:
        marks.append(plot.level(baseline, "cool dashed", "untouched"))
    for place, dose in enumerate(doses):
        ends = _interval(dose)
        marks.append(plot.whisker(place, *ends, "fire") if ends else None)
    marks.append(plot.line(points, "fire"))
    for (place, share), dose in zip(points, doses, strict=True):
        ends = _interval(dose)
        range_ = f" (95 %: {percent(ends[0])} to {percent(ends[1])})" if ends else ""
        tip = f"{times(dose['multiple'])}: {percent(share)} of samples speak of it{range_}"
        marks.append(plot.dot(place, share, "fire", tip=tip))
    title = "How often the topic comes up, at each strength"
    said = "; ".join(f"{times(dose['multiple'])}: {percent(dose['mention_share'])}" for dose in doses)
    chart = plot.svg(marks, title=title, description=said, name="chart-topic")
    caption = [
        "Samples that mention the topic, with 95 % intervals, after prompts that have nothing to do with it."
    ]
    return figure(
        chart,
        element("b", "Does it take over? "),
        caption,
        _control_sentence(part, multiples),
        legend=[
            ("fire", "this feature"),
            *([("cool dashed", "untouched model")] if baseline is not None else []),
        ],
    )


def _text_chart(doses: Sequence[Dose], part: Mapping[str, Any]) -> Markup:
    series = {
        "topic_rate": ("fire", "words of the topic"),
        "distinct_2": ("cool", "variety (distinct-2)"),
    }
    plot = Plot(_dose_axis(doses), shares("share"))
    marks: list[Child] = [_recommended(plot, doses, part)]
    for key, (class_, text) in series.items():
        points = [(place, dose[key]) for place, dose in enumerate(doses) if known(dose.get(key))]
        marks.append(plot.line(points, class_))
        marks.extend(
            plot.dot(place, share, class_, tip=f"{times(doses[place]['multiple'])}: {percent(share)} {text}")
            for place, share in points
        )
    control = _controls(part)
    at = [place for place, dose in enumerate(doses) if dose["multiple"] == control.get("multiple")]
    rates = control.get("topic_rates") or {}
    others = [
        plot.dot(place, rate, "other", tip=f"Feature {name} instead: {percent(rate)}", radius=3)
        for place in at
        for name, rate in rates.items()
    ]
    title = "How much is about the topic, and how varied the text stays"
    said = "; ".join(
        f"{times(dose['multiple'])}: {percent(dose.get('topic_rate'))} of words, "
        f"variety {number(dose.get('distinct_2'))}"
        for dose in doses
    )
    chart = plot.svg(marks, others, title=title, description=said, name="chart-text")
    legend = list(series.values())
    return figure(
        chart,
        element("b", "Does the text stay whole? "),
        "Variety is the share of neighbouring word pairs that are not repeats: text that says one word over and "
        "over has none.",
        legend=[*legend, *([("other", "other features: words of the topic")] if others else [])],
    )


def _dose_axis(doses: Sequence[Dose]) -> Any:
    return ordinal(
        "strength, in multiples of its largest activation", [times(dose["multiple"]) for dose in doses]
    )


def _recommended(plot: Plot, doses: Sequence[Dose], part: Mapping[str, Any]) -> Markup | None:
    places = [place for place, dose in enumerate(doses) if dose["multiple"] == _shown(part)]
    return plot.band(places[0] - 0.32, places[0] + 0.32, "shown above") if places else None


def _baseline(part: Mapping[str, Any]) -> Number | None:
    share = (part.get("baseline") or {}).get("mention_share")
    return share if known(share) else None


def _controls(part: Mapping[str, Any]) -> Mapping[str, Any]:
    return part.get("controls") or (part.get("checks") or {}).get("control") or {}


def _control_sentence(part: Mapping[str, Any], multiples: Sequence[Number]) -> str | None:
    control = _controls(part)
    rates = control.get("topic_rates") or {}
    if not rates:
        return None
    random = control.get("random_direction_topic_rate")
    direction = f", and a random direction {percent(random)}" if known(random) else ""
    at = control.get("multiple", multiples[-1])
    return (
        f" Turning up {len(rates)} other features to {times(at)} instead gives at most "
        f"{percent(max(rates.values()))} of words about it{direction}."
    )


def _search(part: Mapping[str, Any]) -> Markup | None:
    candidates = part.get("candidates") or ()
    if not candidates:
        return None
    columns = {key: name for key, name in CANDIDATE.items() if any(key in each for each in candidates)}
    rows = [
        [
            element("a", str(each["feature"]), href=f"#feature-{each['feature']}"),
            each.get("description") or "",
            *(hundredths(each.get(key)) for key in columns),
        ]
        for each in candidates
    ]
    words = [
        f"How the candidates came about: {part.get('chosen') or 'searched for “' + str(part.get('query', '')) + '”'}. ",
        "Overlap tells how closely a feature's activity goes with the words nearby; effect, how far it pushes the "
        "model towards writing them. The one that did most when turned up, while the text stayed readable, is shown.",
    ]
    head = ["Feature", "Description", *columns.values()]
    return _fold(
        "How it was found", element("p", words, class_="soft"), table(head, rows, caption="Candidates")
    )


def _table(part: Mapping[str, Any]) -> Markup | None:
    doses = part.get("doses") or ()
    if not doses:
        return None
    rows = []
    for dose in [*([part["baseline"]] if part.get("baseline") else []), *doses]:
        ends = _interval(dose)
        rows.append(
            [
                "untouched" if dose.get("multiple") is None else times(dose["multiple"]),
                percent(dose.get("topic_rate")),
                percent(dose.get("mention_share")),
                f"{percent(ends[0])} to {percent(ends[1])}" if ends else number(None),
                number(dose.get("distinct_2")),
                number(dose.get("perplexity")),
            ]
        )
    head = ["Strength", "Words of the topic", "Samples that mention it", "95 %", "Distinct-2", "Perplexity"]
    meaning = (
        "Distinct-2 is the variety of the chart above. Perplexity is how surprised the untouched model is."
    )
    said = element("p", meaning, class_="soft")
    return _fold("Every dose in numbers", said, table(head, rows, caption="Doses", class_="figures"))


def _checks(part: Mapping[str, Any]) -> Markup | None:
    checks = part.get("checks") or {}
    if not checks:
        return None
    rows = [
        [readable(name), "passed" if check.get("passed") else "not passed", check.get("criterion", "")]
        for name, check in checks.items()
    ]
    passed = sum(bool(check.get("passed")) for check in checks.values())
    head = ["Check", "Outcome", "What is asked"]
    return _fold(f"Checks: {passed} of {len(checks)} passed", table(head, rows, caption="Checks"))


def _fold(title: str, *content: Child) -> Markup:
    return element("details", element("summary", title), *content, class_="fold")
