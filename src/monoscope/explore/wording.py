"""Numbers and names as people read them."""

import math
import re
from collections.abc import Sequence
from typing import Any, TypeGuard

Number = float | int
"""As JSON has them."""
UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""Controls, line separators and marks of writing direction: a replacement character stands for them."""
MISSING = "–"
"""What stands where a number is not known."""
SPACE = "\u00a0"
"""Between a number and its unit: a line does not break there."""


def known(value: Any) -> TypeGuard[Number]:
    """Whether it is a finite number."""
    return isinstance(value, int | float) and math.isfinite(value)


def number(value: Number | None, digits: int = 3) -> str:
    """To that many significant digits, without an exponent between 0.0001 and a million: ``0.0312``, ``4,096``."""
    if value is None or not known(value):
        return MISSING
    if isinstance(value, int) or (value == round(value) and abs(value) < 1e6):
        return f"{int(value):,}"
    if abs(value) >= 1e6 or abs(value) < 1e-4:
        return f"{value:.{digits - 1}e}"
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    return f"{value:,.{decimals}f}"


def percent(value: Number | None) -> str:
    """A share: ``41 %``, ``0.52 %``, ``0.0031 %``."""
    if value is None or not known(value):
        return MISSING
    if value == 0 or abs(value) >= 0.0995:
        return f"{100 * value:.0f}{SPACE}%"
    return f"{100 * value:.2g}{SPACE}%"


def tenths(value: Number | None) -> str:
    """A share to a tenth of a percent, for tables: ``41.0 %``."""
    return MISSING if value is None or not known(value) else f"{100 * value:.1f}{SPACE}%"


def hundredths(value: Number | None) -> str:
    """A score between 0 and 1, to two places."""
    return MISSING if value is None or not known(value) else f"{value:.2f}"


def thousandths(value: Number | None) -> str:
    """A number for a table whose rows are compared, to three places."""
    return MISSING if value is None or not known(value) else f"{value:,.3f}"


def round_number(value: Number) -> str:
    """A number that is round already, as ticks are: ``0.75``, ``2,000``."""
    return f"{value:,.6g}"


def count(value: Number | None) -> str:
    """A large number in words: ``4,096``, ``1.5 million``."""
    if value is None or not known(value):
        return MISSING
    if value < 1e6:
        return f"{value:,.0f}"
    name, unit = ("billion", 1e9) if value >= 1e9 else ("million", 1e6)
    return f"{value / unit:.3g}{SPACE}{name}"


def duration(seconds: Number | None) -> str:
    """``41 s``, ``4 min 20 s``, ``2 h 05 min``."""
    if seconds is None or not known(seconds):
        return MISSING
    whole = round(seconds)
    if whole < 60:
        return f"{whole}{SPACE}s"
    if whole < 3600:
        return f"{whole // 60}{SPACE}min {whole % 60:02d}{SPACE}s"
    return f"{whole // 3600}{SPACE}h {whole % 3600 // 60:02d}{SPACE}min"


def times(multiple: Number | None) -> str:
    """A strength in multiples of the largest activation seen: ``5×``, ``0.5×``."""
    return MISSING if multiple is None else f"{round_number(multiple)}×"


def readable(name: str) -> str:
    """A concept's or stage's name: ``golden_gate_bridge`` becomes ``golden gate bridge``."""
    return name.replace("_", " ")


def bounds(interval: Sequence[Number | None] | None) -> tuple[Number, Number] | None:
    """An interval whose ends are both known, or None."""
    if interval is None or len(interval) != 2 or not all(known(end) for end in interval):
        return None
    low, high = interval
    return (low, high) if low is not None and high is not None else None


def visible(token: str) -> str:
    """A token's text in running text: line breaks are shown, and characters that would turn the text around."""
    return plain(token).replace("\n", "↵")


def plain(text: str) -> str:
    """A text without characters that are not seen and yet change what is."""
    return UNSEEN.sub("\ufffd", text.replace("\r", ""))
