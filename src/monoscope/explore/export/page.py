"""The exported page: the report's card and colours around data that is fetched."""

from string import Template

from monoscope.explore.document import page_file, policy, script_of, style_of
from monoscope.explore.export.source import Origin
from monoscope.explore.markup import Markup, element, join
from monoscope.explore.sections.browser import ORDERS
from monoscope.explore.sections.frame import legend
from monoscope.explore.wording import Number, count

STYLES = ("style.css", "sections.css", "card.css", "labels.css", "site.css")
"""Style sheets of the page, in their order."""
SCRIPTS = (
    "tooltip.js",
    "card.js",
    "labels.js",
    "rows.js",
    "page.js",
    "site_records.js",
    "site_words.js",
    "site_list.js",
    "site_page.js",
)
"""Scripts of the page, in their order; of the report's they use the card, the tooltip and the theme."""
SHUFFLED = "random"
"""An order of the report's list that would need all rows."""


def site_html(origin: Origin, n_features: int, n_alive: int | None, n_tokens: Number | None) -> str:
    """The page; it is the same for every index but for title and facts.

    Args:
        origin: where the features come from.
        n_features: features in the dictionary.
        n_alive: those that fired, where it is known.
        n_tokens: tokens of the indexed corpus, where it is known.
    """
    style, script = style_of(STYLES), script_of(SCRIPTS)
    model = origin.model.rstrip("/").split("/")[-1]
    orders = [element("option", name, value=key) for key, name in ORDERS.items() if key != SHUFFLED]
    return Template(page_file("site.html")).substitute(
        policy=policy(style, script, "connect-src 'self'"),
        title=join(f"Features of {model}"),
        style=style,
        script=script,
        lead=join(_lead(origin, n_features, n_alive, n_tokens)),
        legend=legend(),
        orders=join(orders),
    )


def _lead(
    origin: Origin, n_features: int, n_alive: int | None, n_tokens: Number | None
) -> list[Markup | str]:
    """What there is to see, in two sentences."""
    read = f", looked at on {count(n_tokens)} tokens of text" if n_tokens else ""
    silent = (
        f" {count(n_features - n_alive)} of them never fired." if n_alive not in (None, n_features) else ""
    )
    return [
        element("b", f"{count(n_features)} features"),
        " of ",
        element("code", origin.site),
        f"{read}.{silent} Orange marks the tokens on which a feature is active.",
    ]
