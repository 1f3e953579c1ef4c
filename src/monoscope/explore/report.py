"""The report of a run as one HTML file: nothing else is loaded, and nothing in it can run but this package's script.

:func:`report_html` takes plain data, every part of it optional, so that a run can write the page from its first
minute on and a reader sees it grow::

    title       str
    run         {"model", "site", "corpus", "n_tokens", "dictionary": {"n_features", "sparsifier", "k"}, "seconds",
                 "versions": {name: version}, "address"}: facts; whatever else is in it is listed too
    status      {"stage", "done": [stage], "seconds", "complete": bool, "error": str}: an incomplete page renews
                 itself every 5 seconds, unless there is an error
    glimpse     {"title", "text", "rows": [{"tokens": [str], "values": [float]}]}: one neuron's strongest texts
    training    {"curve": [{"tokens", "fvu", "l0", "dead_share"}]}
    evaluation  what ``monoscope evaluate --json`` prints: "metrics", "baselines", "formulas", "misleads",
                 "intervals" ({metric: [low, high]}, also inside a baseline), "recovery" with "concepts"
    features    {"statistics": {"density": [float], "max_activation": [float], "alive": int},
                 "cards": [FeatureRecord.to_json(), with "descriptions", "patterns" and "effects" where
                 monoscope.explore.labels added them]}
    showcase    {"query", "feature", "address", "description", "words": [str], "recommended": multiple or None,
                 "shown": multiple of the pairs when not the recommended one, "chosen": how it was found,
                 "pairs": [{"prompt", "default", "steered"}],
                 "candidates": [{"feature", "description", "score", "overlap", "effect", "tried"}],
                 "baseline": dose, "doses": [{"multiple", "topic_rate", "mention_share", "interval": [low, high] (or
                 "mention_low", "mention_high"), "distinct_2", "perplexity"}],
                 "controls": {"multiple", "topic_rates": {feature: rate}, "random_direction_topic_rate"},
                 "checks": {name: {"passed", "criterion"}}}
    analyses    [{"title", "checks": [{"name", "what", "figure", "target", "holds", "why"}], "formulas", "svg"}]
    formulas    {metric: one line}: added to those of the evaluation

A number that is None or not finite is shown as a dash.
"""

from collections.abc import Mapping
from string import Template
from typing import Any

from monoscope.errors import BrokenInput
from monoscope.explore.document import page_file, policy, script_of, style_of
from monoscope.explore.markup import Markup, element, join
from monoscope.explore.sections.analyses import analyses
from monoscope.explore.sections.browser import browser
from monoscope.explore.sections.details import details
from monoscope.explore.sections.glimpse import glimpse
from monoscope.explore.sections.opening import RENEWED_EVERY, opening, progress
from monoscope.explore.sections.recovery import recovery
from monoscope.explore.sections.report_card import report_card
from monoscope.explore.sections.steering import steering
from monoscope.explore.sections.training import training

STYLES = ("style.css", "sections.css", "card.css", "labels.css")
"""Style sheets of the page, in their order."""
SCRIPTS = ("decode.js", "tooltip.js", "card.js", "labels.js", "rows.js", "list.js", "page.js")
"""Scripts of the page, in their order; they share one scope, and the last starts the others."""
ANCHORS: dict[str, str] = {
    "idea": "The idea",
    "steer": "Turn one up",
    "features": "Features",
    "report-card": "Report card",
    "concepts": "Concepts",
    "analyses": "Analyses",
    "training": "Training",
    "details": "Details",
}
"""Section -> its name in the navigation."""


def report_html(report: Mapping[str, Any]) -> str:
    """The page.

    Args:
        report: see this module; it must be what JSON can hold, and is not changed.

    Raises:
        BrokenInput: a part of the report lacks something that it cannot be shown without.
    """
    title = str(report.get("title") or "What the model has learnt")
    try:
        sections = _sections(report)
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise BrokenInput(
            f"the report cannot be shown: {type(error).__name__} {error}",
            "monoscope.explore.report says what each part of a report holds",
        ) from error
    status = report.get("status") or {"complete": True}
    complete = bool(status.get("complete"))
    top = [opening(title, report.get("run") or {}, complete=complete), progress(status)]
    style, script = style_of(STYLES), script_of(SCRIPTS)
    return Template(page_file("report.html")).substitute(
        policy=policy(style, script),
        refresh=_refresh(status),
        title=join(f"{title} · monoscope"),
        style=style,
        script=script,
        navigation=_navigation(list(sections)),
        main=join([top, list(sections.values())]),
    )


def _sections(report: Mapping[str, Any]) -> dict[str, Markup]:
    """Anchor -> section, of those that the report has something for."""
    cards = (report.get("features") or {}).get("cards") or ()
    showcase, evaluation = report.get("showcase") or {}, report.get("evaluation") or {}
    opened = showcase.get("feature")
    shown = next((card for card in cards if card["feature"] == opened), None)
    formulas = {**(report.get("formulas") or {}), **(evaluation.get("formulas") or {})}
    found = {
        "idea": glimpse(report["glimpse"], shown) if report.get("glimpse") else None,
        "steer": steering(showcase) if showcase else None,
        "features": browser(report.get("features") or {}, opened),
        "report-card": report_card(evaluation, formulas) if evaluation.get("metrics") else None,
        "concepts": recovery(evaluation.get("recovery") or {}),
        "analyses": analyses(report.get("analyses") or ()),
        "training": training(report.get("training") or {}),
        "details": details(report.get("run") or {}),
    }
    return {anchor: section for anchor, section in found.items() if section is not None}


def _navigation(anchors: list[str]) -> Markup:
    return element("ul", [element("li", element("a", ANCHORS[name], href=f"#{name}")) for name in anchors])


def _refresh(status: Mapping[str, Any]) -> Markup:
    """Renewal where scripts are off; ``page.js`` does it otherwise, also at an address with a fragment."""
    if status.get("complete") or status.get("error"):
        return Markup()
    return element("noscript", element("meta", http_equiv="refresh", content=RENEWED_EVERY))
