"""Who is there to look, and text that is safe to show: a terminal obeys characters that nobody sees."""

import os
import re
import sys

UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters but tab and line feed, those that turn text around, and halves of characters."""


def visible(text: str) -> str:
    r"""The text with such characters written out, as ``\x1b``; right-to-left script and emoji stay what they are."""
    return UNSEEN.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def visible_json(written: str) -> str:
    """The same for JSON, where they can only stand in strings and have an escape of their own."""
    return UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", written)


def someone_is_there() -> bool:
    """True with a terminal on standard input and a screen to open a browser on."""
    screen = sys.platform in ("darwin", "win32") or any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")
    )
    return sys.stdin is not None and sys.stdin.isatty() and screen
