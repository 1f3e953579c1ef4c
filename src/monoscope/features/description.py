"""A line about a feature made without a language model: what it fires on, what is near, what it promotes.

For instance ``bridge, towers, Golden (41 % of activation); promotes fog, cables``, or, for a feature that fires on
all kinds of tokens of a topic, ``near bridge, bay, fog; of, a, its (22 % of activation); promotes fog, cables``.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from monoscope.features.record import LogitWeight, TokenShare

SHARE = re.compile(r" \([^()]*% of activation\)")
"""What a description adds to the tokens that it names."""
SHARE_THAT_TELLS = 0.33
"""Below this share of activation on named tokens of three letters or more, the words nearby come first."""


def describe(
    tokens: Sequence[TokenShare], near: Sequence[str], promoted: Sequence[LogitWeight], *, named: int = 3
) -> str:
    """Describe a feature.

    Args:
        tokens: what it fires on, most telling first; empty when it never fired.
        near: words around its activations, most telling first.
        promoted: tokens that it promotes, strongest first.
        named: how many of each are named.
    """
    if not tokens:
        return "never active on the indexed corpus"
    found = named_parts(tokens, near, promoted, named)
    parts = [f"{', '.join(found.own)} ({_percent(found.share)} of activation)"]
    if found.near:
        parts.insert(0, f"near {', '.join(found.near)}")
    if found.promoted:
        parts.append(f"promotes {', '.join(found.promoted)}")
    return "; ".join(parts)


def names(
    tokens: Sequence[TokenShare], near: Sequence[str], promoted: Sequence[LogitWeight], *, named: int = 3
) -> tuple[str, str, str]:
    """What :func:`describe` names, without the words between: tokens, words near, tokens promoted."""
    if not tokens:
        return "", "", ""
    found = named_parts(tokens, near, promoted, named)
    return " ".join(found.own), " ".join(found.near), " ".join(found.promoted)


@dataclass(frozen=True)
class NamedParts:
    """What a description names."""

    own: list[str]
    """Tokens that the feature fires on, equal spellings once."""
    near: list[str]
    """Words nearby, where the tokens alone tell little."""
    promoted: list[str]
    """Tokens that it promotes."""
    share: float
    """Share of its activation on the tokens."""


def named_parts(
    tokens: Sequence[TokenShare], near: Sequence[str], promoted: Sequence[LogitWeight], named: int
) -> NamedParts:
    """Tokens, words near and promoted tokens that are named, and the share of activation on the tokens."""
    shares: dict[str, float] = {}
    spellings: dict[str, str] = {}
    for token in tokens:
        key = shown(token.text).casefold()
        if key in shares or len(shares) < named:
            shares[key] = shares.get(key, 0.0) + token.share
            spellings.setdefault(key, shown(token.text))
    telling = sum(part for key, part in shares.items() if len(key) >= 3 and key.isalpha())
    around = list(near[:named]) if telling < SHARE_THAT_TELLS else []
    raised = distinct([weight.text for weight in promoted if weight.weight > 0])[:named]
    return NamedParts(list(spellings.values()), around, raised, sum(shares.values()))


def distinct(texts: Sequence[str]) -> list[str]:
    """Token texts as shown, without those that differ only in case or spaces."""
    first: dict[str, str] = {}
    for text in texts:
        first.setdefault(shown(text).casefold(), shown(text))
    return list(first.values())


def shown(text: str) -> str:
    """A token's text for a line: without spaces around it, and quoted when nothing else is left."""
    return text.strip() or repr(text)


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 0.01 else "under 1 %"


def in_short(description: str) -> str:
    """What a feature fires on, out of its description: ``bridge, towers, Golden`` or ``near bridge, bay, fog``."""
    fires, _, _ = description.partition("; promotes ")
    first, _, _ = fires.partition("; ")
    return SHARE.sub("", first)
