"""What every page of this package is put together from: its own files, and a policy that lets nothing else in."""

import base64
import hashlib
from collections.abc import Iterable
from importlib import resources

from monoscope.explore.markup import Markup, trusted


def page_file(name: str) -> Markup:
    """A file of a page, as it is in the package."""
    return trusted(resources.files("monoscope.explore").joinpath("page", name).read_text(encoding="utf-8"))


def style_of(names: Iterable[str]) -> str:
    """Style sheets, one after the other."""
    return "".join(page_file(name) for name in names)


def script_of(names: Iterable[str]) -> str:
    """Scripts, one after the other in one scope; the last starts the others."""
    return '(() => {\n"use strict";\n' + "".join(page_file(name) for name in names) + "})();\n"


def policy(style: str, script: str, *also: str) -> str:
    """Content security policy: this script, this style, a drawn icon, what ``also`` says, and nothing else.

    Args:
        style: the page's style sheet.
        script: the page's script.
        also: further directives, for instance ``connect-src 'self'`` for a page that fetches data of its host.
    """
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src {_source(script)}",
            f"style-src {_source(style)}",
            "img-src data:",
            *also,
            "base-uri 'none'",
            "form-action 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        )
    )


def _source(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"
