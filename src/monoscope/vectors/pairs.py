"""Pairs of texts that differ in one thing: what a control vector is learnt from."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from monoscope.errors import WrongUse
from monoscope.models import LanguageModel


@dataclass(frozen=True)
class ContrastPair:
    """The same text twice, with and without what the vector shall stand for."""

    positive: str
    """The text of the side that the vector points to."""
    negative: str
    """The text of the other side; parallel to the first, so that nothing else differs."""
    group: int | str | None = None
    """Pairs of one group are no independent witnesses and fall on the same side of a split; None: a group of this
    pair and its repetitions."""


def contrast_pairs(
    template: str,
    positive: str | Sequence[str],
    negative: str | Sequence[str],
    suffixes: Sequence[str] = ("",),
) -> list[ContrastPair]:
    """Every suffix said by every pair of opposite personas, as repeng's notebooks make their data.

    A suffix that begins with the one before it, as those of :func:`prefixes` do, belongs to the same group; one that
    was there already is left out.

    Args:
        template: a text with ``{persona}``, and with ``{suffix}`` where the suffix goes.
        positive: the persona, or personas, that the vector points to: "extremely happy".
        negative: its opposite, or as many opposites in the same order; parallel in grammar and length.
        suffixes: what either persona goes on to say.

    Raises:
        WrongUse: the template lacks a place, the personas do not pair up, or there is none, or no suffix.
    """
    ones, others = ([side] if isinstance(side, str) else list(side) for side in (positive, negative))
    needed = ["{persona}"] + ["{suffix}"] * any(suffixes)
    if lacking := [place for place in needed if place not in template]:
        raise WrongUse(
            f"the template {template!r} has no {lacking[0]}", f"write {' and '.join(needed)} in it"
        )
    if not ones or len(ones) != len(others):
        raise WrongUse(
            f"{len(ones)} positive personas and {len(others)} negative ones do not pair up",
            "give as many of one as of the other, one or more",
        )
    if not suffixes:
        raise WrongUse("there are no suffixes", "give some beginnings of answers, or leave them out")
    suffixes = list(dict.fromkeys(suffixes))
    found = []
    for suffix, group in zip(suffixes, _groups(suffixes), strict=True):
        before, *after = template.split("{suffix}")
        for one, other in zip(ones, others, strict=True):
            sides = (
                suffix.join(part.replace("{persona}", persona) for part in (before, *after))
                for persona in (one, other)
            )
            found.append(ContrastPair(*sides, group=group))
    return found


def prefixes(lm: LanguageModel, texts: Sequence[str], drop: int = 5) -> list[str]:
    """Every beginning of some texts, token by token: suffixes at which a persona can be read.

    repeng's ``make_dataset`` notebooks do the same; the last ``drop`` tokens are left for the end of the sentence
    not to be read. A beginning that ends inside a character is left out, and so is one that was there already.

    Args:
        lm: whose tokens are counted.
        texts: sample outputs.
        drop: tokens at the end of each text at which no beginning ends.

    Raises:
        WrongUse: ``drop`` is negative, or no text is longer than it.
    """
    if drop < 0:
        raise WrongUse(f"drop={drop} drops nothing", "give a number from 0 up")
    found: dict[str, None] = {}
    for text in texts:
        tokens = lm.tokenize(text, bos=False).tolist()
        whole = lm.decode(tokens)
        beginnings = (lm.decode(tokens[:end]) for end in range(1, len(tokens) + 1 - drop))
        found |= dict.fromkeys(part for part in beginnings if part and whole.startswith(part))
    if not found:
        raise WrongUse(
            f"none of {len(texts)} texts has more than {drop} tokens", "give longer texts, or a smaller drop"
        )
    return list(found)


def check_pairs(pairs: Sequence[ContrastPair]) -> None:
    """Refuse pairs that nothing can be learnt from.

    Raises:
        WrongUse: there are none, or the two sides of one are equal.
    """
    if not pairs:
        raise WrongUse("there are no pairs to learn from", "give ten or more; a hundred is better")
    for number, pair in enumerate(pairs):
        if pair.positive == pair.negative:
            raise WrongUse(
                f"both sides of pair {number} are {pair.positive!r}",
                "a pair shows what differs: leave it out",
            )


def pairs_hash(pairs: Sequence[ContrastPair]) -> str:
    """The SHA-256 of the texts in their order, in hexadecimal."""
    digest = hashlib.sha256()
    for pair in pairs:
        for text in (pair.positive, pair.negative):
            digest.update(text.encode() + b"\0")
    return digest.hexdigest()


def _groups(suffixes: Sequence[str]) -> list[int]:
    """A number for each run of suffixes of which each begins with the one before."""
    groups: list[int] = []
    for number, suffix in enumerate(suffixes):
        before = suffixes[number - 1] if number else ""
        same = bool(before) and suffix.startswith(before)
        groups.append(groups[-1] if same else number)
    return groups
