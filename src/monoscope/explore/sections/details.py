"""How the page came about: addresses, versions, and where the words and methods are from."""

from collections.abc import Mapping
from typing import Any

from monoscope.explore.markup import Markup, element
from monoscope.explore.sections.frame import section, table

SOURCES = (
    ("Bricken et al. 2023", "Towards Monosemanticity: Decomposing Language Models With Dictionary Learning"),
    (
        "Templeton et al. 2024",
        "Scaling Monosemanticity: Extracting Interpretable Features from Claude 3 Sonnet",
    ),
    ("Gao et al. 2024", "Scaling and evaluating sparse autoencoders (arXiv 2406.04093)"),
)
"""Where the methods on this page are from."""


def details(run: Mapping[str, Any]) -> Markup:
    """The section."""
    rows = [[name, element("code", value)] for name, value in _flat(run)]
    sources = [element("li", element("b", who), f" {title}") for who, title in SOURCES]
    return section(
        "details",
        "How this was made",
        None,
        table(["What", "Value"], rows, caption="The run", class_="plain") if rows else None,
        element("h3", "Where the methods are from"),
        element("ul", sources, class_="sources"),
    )


def _flat(run: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Every entry of the run, those of mappings inside it under ``OUTER INNER``."""
    rows: list[tuple[str, str]] = []
    for key, value in run.items():
        name = f"{prefix}{key}".replace("_", " ")
        if isinstance(value, Mapping):
            rows.extend(_flat(value, f"{name} "))
        elif value is not None:
            rows.append((name, f"{value:,}" if isinstance(value, int) else str(value)))
    return rows
