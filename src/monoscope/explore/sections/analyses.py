"""The analyses: what was asked of the dictionary, what was asked for, and a figure of each."""

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from monoscope.explore.markup import Markup, element
from monoscope.explore.sections.frame import section, table
from monoscope.explore.wording import number

VERDICTS = {True: "holds", False: "falls short", None: "not measured"}
"""What is said of a check."""


def analyses(results: Sequence[Mapping[str, Any]]) -> Markup | None:
    """The section; None where nothing was asked."""
    if not results:
        return None
    return section(
        "analyses",
        "Questions asked of it",
        "Each is an analysis of the papers, with what it asks for, and holds or falls short as it came out here.",
        [element("article", one(result), class_="analysis") for result in results],
    )


def one(result: Mapping[str, Any]) -> list[Markup | None]:
    """One analysis: its title, its checks, its figure, its formulas."""
    picture = base64.b64encode(result["svg"].encode()).decode()
    formulas = [
        element("li", element("b", name), f": {formula}") for name, formula in result["formulas"].items()
    ]
    return [
        element("h3", result["title"]),
        checks(result["checks"]) if result["checks"] else None,
        element("img", src=f"data:image/svg+xml;base64,{picture}", alt=result["title"], loading="lazy"),
        element("ul", formulas, class_="small soft") if formulas else None,
    ]


def checks(found: Sequence[Mapping[str, Any]]) -> Markup:
    """What was asked for, and what came out."""
    rows = [
        [
            check["name"],
            check["what"],
            number(check["figure"]),
            check["target"],
            VERDICTS[check["holds"]] + (f": {check['why']}" if check["why"] else ""),
        ]
        for check in found
    ]
    return table(["Check", "What", "Came out", "Asked for", ""], rows, caption="Checks", class_="plain")
