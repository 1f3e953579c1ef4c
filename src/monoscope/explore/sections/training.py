"""How the dictionary learnt: its curves, and how many features are common, rare or silent."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from monoscope.explore.charts import LOW, NARROW, Plot, figure, histogram, linear
from monoscope.explore.markup import Markup, element
from monoscope.explore.sections.frame import section
from monoscope.explore.terms import METRICS, hint
from monoscope.explore.wording import Number, count, known, number, percent, round_number

CURVES: dict[str, tuple[str, Callable[[Number], str]]] = {
    "fvu": ("variance unexplained (FVU)", round_number),
    "l0": ("features per token (L0)", round_number),
    "dead_share": ("share of silent features", percent),
}
"""Key of a point -> label of its axis, and how its ticks are written."""
POINTS = 200
"""Points drawn of a curve, at most."""


def training(part: Mapping[str, Any]) -> Markup | None:
    """The curves; None before there are two points."""
    curve = part.get("curve") or ()
    if len(curve) < 2:
        return None
    charts = [_chart(key, curve) for key in CURVES if sum(known(point.get(key)) for point in curve) > 1]
    return section(
        "training",
        "How they were learnt",
        "The dictionary sees the model's inner states in random order, redraws each from a few features, and is "
        "corrected by what it missed.",
        element("div", charts, class_="charts"),
    )


def _chart(key: str, curve: Sequence[Mapping[str, Any]]) -> Markup:
    label, written = CURVES[key]
    drawn = [(point["tokens"], point[key]) for point in thinned(curve, POINTS) if known(point.get(key))]
    plot = Plot(
        linear("tokens seen", (tokens for tokens, _ in drawn), written=_tokens),
        linear(label, (value for _, value in drawn), written=written),
        NARROW,
        LOW,
    )
    term, last = METRICS[key], METRICS[key].written(drawn[-1][1])
    chart = plot.svg(
        plot.line(drawn, "fire"),
        plot.dot(*drawn[-1], "fire", tip=f"{last} after {count(drawn[-1][0])} tokens"),
        title=f"{term.name} while training",
        description=f"From {term.written(drawn[0][1])} to {last} after {count(drawn[-1][0])} tokens.",
        name=f"chart-{key.replace('_', '-')}",
    )
    return figure(chart, element("b", f"{term.name}: {last}. "), hint(term.name, term.plain))


def thinned(points: Sequence[Mapping[str, Any]], most: int) -> list[Mapping[str, Any]]:
    """Points at equal distances, the first and the last among them."""
    if len(points) <= most:
        return list(points)
    return [points[round(each * (len(points) - 1) / (most - 1))] for each in range(most)]


def _tokens(value: Number) -> str:
    return f"{value / 1e6:g} M" if value >= 1e6 else f"{value / 1e3:g} k" if value >= 1e3 else f"{value:g}"


def spread(statistics: Mapping[str, Any]) -> Markup | None:
    """How often features fire and how strongly, as histograms over all features."""
    parts = {
        "density": (
            "How often features fire",
            "share of tokens on which a feature fires",
            percent,
            "Most features are rare: that is what lets each mean one thing. Those at the far left may be too rare "
            "to judge, those at the far right fire on nearly everything.",
        ),
        "max_activation": (
            "How strongly features fire",
            "largest activation seen",
            number,
            "A feature is turned up in multiples of its own largest activation, so that strengths compare.",
        ),
    }
    charts = [
        figure(
            histogram(
                list(statistics[key]),
                label=label,
                title=title,
                name=f"chart-{key.replace('_', '-')}",
                written=written,
            ),
            element("b", f"{title}. "),
            said,
        )
        for key, (title, label, written, said) in parts.items()
        if len(statistics.get(key) or ())
    ]
    return element("div", charts, class_="charts") if charts else None
