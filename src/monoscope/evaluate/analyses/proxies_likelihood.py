"""How much likelier a token is in a context than in all text: contexts that are known by how they are written."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from monoscope.activations.rows import TokenRows

OUTSIDE = 1e-10
"""Probability of a character that the context does not have."""
BYTES = re.compile(r"(?:<0x[0-9A-F]{2}>)+")
"""How a token is written that is no whole character."""


@dataclass(frozen=True)
class Alphabet:
    """A context whose characters are drawn evenly from few: ``P(s | context) = Π 1/n``, 1e-10 for any other."""

    characters: frozenset[str]
    """The characters."""
    least: int = 1
    """Tokens in a row that are looked at, at least."""


@dataclass(frozen=True)
class Script:
    """A context that is all text in a script: ``P(script | s) = 1`` where every character is, else 1e-10."""

    blocks: tuple[tuple[int, int], ...]
    """First and last code point of each Unicode block."""

    def holds(self, character: str) -> bool:
        """Whether a character is of the script."""
        return any(first <= ord(character) <= last for first, last in self.blocks)


LETTERS = "abcdefghijklmnopqrstuvwxyz"
CONTEXTS: Mapping[str, Alphabet | Script] = {
    "arabic": Script(((0x600, 0x6FF), (0x750, 0x77F))),
    "hebrew": Script(((0x590, 0x5FF),)),
    "dna": Alphabet(frozenset("ACGT"), least=2),
    "base64": Alphabet(frozenset(LETTERS + LETTERS.upper() + "0123456789+/")),
}
"""The four of Bricken et al. 2023."""


@dataclass(frozen=True)
class Vocabulary:
    """What is known of tokens before any context is looked for."""

    texts: Sequence[str]
    """Readable text of each token."""
    special: tuple[int, ...]
    """Tokens that stand for no text."""
    unigram: Float[np.ndarray, " vocabulary"]
    """``p(t)``: (count + 1) / (tokens + vocabulary) in calibration text."""

    @classmethod
    def of(cls, texts: Sequence[str], rows: TokenRows) -> "Vocabulary":
        """Count a text."""
        counts = np.bincount(rows.tokens[rows.usable], minlength=len(texts))[: len(texts)]
        return cls(texts, rows.special, (counts + 1) / (counts.sum() + len(texts)))


def likelihood_ratio(
    context: Alphabet | Script, vocabulary: Vocabulary, calibration: TokenRows, rows: TokenRows
) -> Float[np.ndarray, "row token"]:
    """``max over s of log P(s | context) / P(s)``, s being the strings of tokens that end at each token.

    ``P(s) = Π p(t)``. For a script, by Bayes, ``P(s | script) / P(s) = P(script | s) / P(script)``, which is largest
    for the last token alone; a token that is no whole character gets the share of its occurrences that are part of
    one of the script. The space before a word is left aside there. Minus infinity where a token stands for no text, or
    where fewer tokens than asked for precede it.

    Reference: Bricken et al. 2023 (Towards Monosemanticity), "Proxies". The four contexts are its case studies.
    """
    if isinstance(context, Script):
        shares = script_shares(context, vocabulary.texts, calibration)
        overall = float(shares[calibration.tokens[calibration.usable]].mean())
        # A text without the script gives every token the ratio 1e-10 / 1e-10.
        ratio = np.log(shares.clip(OUTSIDE)) - np.log(max(overall, OUTSIDE))
        return np.where(rows.usable, ratio[rows.tokens], -np.inf)
    alphabet = np.array([alphabet_log(context, text) for text in vocabulary.texts])
    ratio = alphabet - np.log(vocabulary.unigram)
    return best_suffix(np.where(rows.usable, ratio[rows.tokens], -np.inf), context.least)


def alphabet_log(alphabet: Alphabet, text: str) -> float:
    """``log P(text | context)``; bytes that are no character count as characters outside."""
    inside = 0 if BYTES.fullmatch(text) else sum(character in alphabet.characters for character in text)
    outside = len(text) // 6 if BYTES.fullmatch(text) else len(text) - inside
    return -inside * float(np.log(len(alphabet.characters))) + outside * float(np.log(OUTSIDE))


def best_suffix(ratio: Float[np.ndarray, "row token"], least: int) -> Float[np.ndarray, "row token"]:
    """The largest sum of a row's entries that ends at each entry and has ``least`` (1 or 2) of them or more."""
    best = np.empty_like(ratio)
    before = np.full(len(ratio), -np.inf)
    for token in range(ratio.shape[1]):
        here = ratio[:, token]
        best[:, token] = here + before if least > 1 else np.maximum(here, here + before)
        before = np.maximum(here, here + before)
    return best


def script_shares(script: Script, texts: Sequence[str], rows: TokenRows) -> Float[np.ndarray, " vocabulary"]:
    """``P(script | token)``: 1 or 0 for whole characters, else the share of its occurrences in the text."""
    shares = np.array([all(map(script.holds, text.strip())) and bool(text.strip()) for text in texts], float)
    pieces = {number: as_bytes(text) for number, text in enumerate(texts) if BYTES.fullmatch(text)}
    inside, seen = np.zeros(len(texts)), np.zeros(len(texts))
    for run in runs_of(rows.tokens, np.isin(rows.tokens, list(pieces))):
        flags = inside_script(script, [pieces[int(token)] for token in run])
        np.add.at(inside, run, flags)
        np.add.at(seen, run, 1)
    broken = np.fromiter(pieces, np.int64, len(pieces))
    shares[broken] = inside[broken] / seen[broken].clip(1)
    return shares


def as_bytes(text: str) -> bytes:
    """``<0xD8><0xA7>`` as two bytes."""
    return bytes.fromhex(text.replace("<0x", "").replace(">", ""))


def runs_of(
    tokens: Shaped[np.ndarray, "row token"], chosen: Bool[np.ndarray, "row token"]
) -> Iterator[Int[np.ndarray, " run"]]:
    """Stretches of chosen tokens, row by row."""
    for row, here in zip(np.asarray(tokens, np.int64), chosen, strict=True):
        if here.any():
            edges = np.flatnonzero(np.diff(np.concatenate([[False], here, [False]]).astype(np.int8)))
            for start, end in edges.reshape(-1, 2):
                yield row[start:end]


def inside_script(script: Script, pieces: Sequence[bytes]) -> list[bool]:
    """Of pieces of text that follow one another: whether each is only part of characters of the script."""
    joined = b"".join(pieces)
    flags = np.zeros(len(joined), bool)
    start = 0
    while start < len(joined):
        length = width(joined[start])
        try:
            flags[start : start + length] = script.holds(joined[start : start + length].decode())
        except (UnicodeDecodeError, TypeError):
            length = 1
        start += length
    ends = np.cumsum([len(piece) for piece in pieces])
    kept = [flags[end - len(piece.lstrip()) : end] for piece, end in zip(pieces, ends, strict=True)]
    return [bool(len(part)) and bool(part.all()) for part in kept]


def width(first: int) -> int:
    """Bytes of a UTF-8 character, from its first."""
    return 1 + (first >= 0xC0) + (first >= 0xE0) + (first >= 0xF0)
