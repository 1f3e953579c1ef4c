"""Tokens and numbers as single characters, which UTF-8 and deflate make short; ``page/decode.js`` reads them."""

from collections.abc import Iterable

from monoscope.explore.wording import Number

LEVELS = 90
"""Steps between 0 and a feature's largest activation."""
FIRST_CODE = 0x20
"""Character of the vocabulary's first token, and of activation 0."""
SURROGATES = range(0xD800, 0xE000)
"""Characters that cannot stand alone."""
STEPS = [chr(FIRST_CODE + level) for level in range(LEVELS + 1)]
"""Character of each step."""
UNKNOWN = chr(FIRST_CODE + LEVELS + 1)
"""Character of a loss that is not known."""


def character(place: int) -> str:
    """The character that stands for a place in the vocabulary."""
    code = FIRST_CODE + place
    return chr(code if code < SURROGATES.start else code + len(SURROGATES))


def levels(activations: Iterable[Number], largest: Number) -> str:
    """Activations as characters; whatever is above 0 is at least one step, and nothing more than the largest."""
    if largest <= 0:
        return "".join(STEPS[0] for _ in activations)
    scale = LEVELS / largest
    return "".join(
        [STEPS[min(LEVELS, int(each * scale + 0.5)) or 1] if each > 0 else STEPS[0] for each in activations]
    )


def signed_levels(values: Iterable[Number | None], largest: Number) -> str:
    """Numbers from ``-largest`` to ``largest`` as characters, the middle one for 0, and ``UNKNOWN`` for None."""
    middle, whole = LEVELS // 2, largest or 1.0
    return "".join(
        UNKNOWN if each is None else STEPS[middle + round(each / whole * middle)] for each in values
    )


def largest_of(values: Iterable[Number | None]) -> Number:
    """What is farthest from 0, to three significant digits."""
    return float(f"{max((abs(each) for each in values if each is not None), default=0.0):.3g}")
