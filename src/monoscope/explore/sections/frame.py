"""What every section is made of: a heading, a lead, and text of the corpus with its tokens coloured."""

from collections.abc import Sequence

from monoscope.explore.markup import Child, Markup, element
from monoscope.explore.wording import Number, known, number, percent, visible

SHADES = 10
"""Steps of the colour from silent to the largest activation; ``page/style.css`` has a class for each."""


def section(name: str, title: str, lead: Child, *content: Child) -> Markup:
    """A section of the page; ``name`` is its anchor."""
    return element(
        "section",
        element("h2", title, id=f"{name}-heading"),
        element("p", lead, class_="lead") if lead else None,
        *content,
        id=name,
        aria_labelledby=f"{name}-heading",
    )


def shade(activation: Number | None, largest: Number, *, faintest: int = 1) -> int:
    """The colour of an activation: 0 for silent or unknown, else ``faintest`` to ``SHADES``."""
    if activation is None or not known(activation) or activation <= 0 or largest <= 0:
        return 0
    return min(SHADES, max(faintest, round(SHADES * activation / largest)))


def coloured(
    tokens: Sequence[str], activations: Sequence[Number], largest: Number, *, faintest: int = 1
) -> Markup:
    """A stretch of text, white where the unit is silent and orange where it is strongest.

    A token's leading spaces are left white. With ``faintest`` 0 so is what is below a twentieth of the largest, as
    suits neurons, which are hardly ever silent.
    """
    spans: list[Child] = []
    for token, activation in zip(tokens, activations, strict=True):
        step = shade(activation, largest, faintest=faintest)
        tip = f"{number(activation)}, {percent(activation / largest)} of the largest" if step else None
        shown = visible(token) if spans else visible(token).lstrip(" ")
        word = shown.lstrip(" ") or shown
        spans.append(shown[: len(shown) - len(word)])
        spans.append(element("span", word, class_=f"s{step}", data_tip=tip) if step else word)
    return element("p", spans, class_="text", dir="auto")


def legend() -> Markup:
    """What the colours mean."""
    steps = [element("i", class_=f"s{step}") for step in range(0, SHADES + 1, 2)]
    ramp = element("span", steps, class_="ramp", aria_hidden="true")
    return element("p", "silent", ramp, "strongest", class_="scale")


def table(
    head: Sequence[Child], rows: Sequence[Sequence[Child]], *, caption: str, class_: str = ""
) -> Markup:
    """A table whose first column names the rows; it scrolls sideways by itself where it is too wide."""
    names = [element("th", name, scope="col") for name in head]
    body = [
        element("tr", element("th", first, scope="row"), [element("td", cell) for cell in rest])
        for first, *rest in rows
    ]
    whole = element(
        "table",
        element("caption", caption),
        element("thead", element("tr", names)),
        element("tbody", body),
        class_=class_ or None,
    )
    return element("div", whole, class_="scroll", tabindex=0, role="region", aria_label=caption)
