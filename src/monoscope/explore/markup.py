"""HTML and SVG made of elements, so that no text reaches a page unescaped."""

from collections.abc import Iterable
from html import escape
from typing import Any

VOID = frozenset({"br", "hr", "img", "input", "link", "meta"})
"""Elements of HTML that have no end tag."""


class Markup(str):
    """Text that is HTML already. Only :func:`element`, :func:`join` and :func:`trusted` make it."""

    __slots__ = ()


Child = Markup | str | int | None | Iterable[Any]
"""What may stand inside an element: markup, text (which is escaped), nothing, or several of these."""


def element(name: str, *children: Child, **attributes: str | int | float | bool | None) -> Markup:
    """One element with its children.

    Args:
        name: ``p``, ``svg``, ``text`` and so on.
        children: markup goes in as it is, text is escaped, ``None`` is left out, other iterables are joined.
        attributes: a trailing underscore is dropped and the others become hyphens (``class_``, ``data_tip``);
            ``None`` and ``False`` leave the attribute out, ``True`` gives it no value.
    """
    written = "".join(
        f" {key.rstrip('_').replace('_', '-')}" + ("" if value is True else f'="{escape(_attribute(value))}"')
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    if name in VOID:
        return Markup(f"<{name}{written}>")
    return Markup(f"<{name}{written}>{join(children)}</{name}>")


def join(children: Child) -> Markup:
    """Children one after another."""
    if children is None:
        return Markup()
    if isinstance(children, Markup):
        return children
    if isinstance(children, str | int):
        return Markup(escape(str(children)))
    return Markup("".join(join(child) for child in children))


def trusted(html: str) -> Markup:
    """Text of this package's own files that is HTML as it stands; never text from a corpus or a report."""
    return Markup(html)


def _attribute(value: str | int | float | bool) -> str:
    """Numbers short, since a chart holds thousands of them."""
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
