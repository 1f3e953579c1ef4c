"""A line about a feature made without a language model: what it fires on, what is near, what it promotes.

For instance ``bridge, towers, Golden (41 % of activation); promotes fog, cables``, or, for a feature that fires on
all kinds of tokens of a topic, ``near bridge, bay, fog; of, a, its (22 % of activation); promotes fog, cables``.
"""

from collections.abc import Sequence

from monoscope.features.record import LogitWeight, TokenShare

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
    own, around, raised, share = _named(tokens, near, promoted, named)
    parts = [f"{', '.join(own)} ({_percent(share)} of activation)"]
    if around:
        parts.insert(0, f"near {', '.join(around)}")
    if raised:
        parts.append(f"promotes {', '.join(raised)}")
    return "; ".join(parts)


def names(
    tokens: Sequence[TokenShare], near: Sequence[str], promoted: Sequence[LogitWeight], *, named: int = 3
) -> tuple[str, str, str]:
    """What :func:`describe` names, without the words between: tokens, words near, tokens promoted."""
    if not tokens:
        return "", "", ""
    own, around, raised, _ = _named(tokens, near, promoted, named)
    return " ".join(own), " ".join(around), " ".join(raised)


def _named(
    tokens: Sequence[TokenShare], near: Sequence[str], promoted: Sequence[LogitWeight], named: int
) -> tuple[list[str], list[str], list[str], float]:
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
    return list(spellings.values()), around, raised, sum(shares.values())


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
