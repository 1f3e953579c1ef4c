"""The patterns of a feature as plain frozen records, to and from JSON and bytes."""

import struct
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from monoscope.errors import BrokenInput

WILDCARD = -1
"""In a pattern: any token."""
START = -2
"""First in a pattern: the beginning of the text."""

HEADER = struct.Struct("<4sIdIHB")
COUNTS = struct.Struct("<dQQQQ")
SUMMARY = struct.Struct("<dd")
ENTRY = np.dtype(
    [
        ("length", "u1"),
        ("activation", "<f8"),
        ("examples", "<u4"),
        ("matches", "<i8"),
        ("active", "<i8"),
        ("share", "<f8"),
    ]
)
MAGIC = b"npat"


@dataclass(frozen=True, slots=True)
class Pattern:
    """Tokens, some of them wildcards, on the last of which a feature fires."""

    tokens: tuple[int, ...]
    """Token ids in reading order; ``WILDCARD`` stands for any token, ``START`` for the beginning of the text."""
    activation: float
    """Activation that it predicts, as a share of the feature's largest: the mean over the examples it was found
    in, in their own contexts."""
    examples: int
    """Training examples that it was found in."""
    matches: int | None = None
    """Held-out tokens that it matches; None before it is scored."""
    active: int | None = None
    """Of these, tokens on which the feature is active at all."""
    share: float | None = None
    """Share of the feature's summed held-out activation on these tokens; None where it is silent there."""


@dataclass(frozen=True, slots=True)
class Counts:
    """How often a feature's patterns say that it is active on held-out text, and how often it is."""

    threshold: float
    """Share of the largest activation above which a token counts as active, and as predicted to be."""
    n_tokens: int
    """Tokens looked at."""
    n_predicted: int
    """Tokens that the patterns predict active."""
    n_active: int
    """Tokens that are active."""
    n_both: int
    """Tokens that are both."""

    @property
    def precision(self) -> float | None:
        """``n_both / n_predicted``; None where nothing is predicted."""
        return self.n_both / self.n_predicted if self.n_predicted else None

    @property
    def recall(self) -> float | None:
        """``n_both / n_active``; None where nothing is active."""
        return self.n_both / self.n_active if self.n_active else None


@dataclass(frozen=True, slots=True)
class FeaturePatterns:
    """What a feature fires on, as far as n-grams can say it."""

    feature: int
    """Its number."""
    largest: float
    """The activation that predictions are shares of."""
    n_examples: int
    """Training examples looked at; those in which no pattern was found count too."""
    patterns: tuple[Pattern, ...]
    """Those found in most examples first; empty where no n-gram keeps the feature active."""
    counts: tuple[Counts, ...] = ()
    """Over held-out text, one for each threshold; empty before it is scored."""
    share: float | None = None
    """Share of its summed held-out activation that lies where any pattern matches; None where it is silent."""
    correlation: float | None = None
    """Pearson correlation of predicted and actual activation over held-out tokens; None where either is constant."""

    @property
    def explained_examples(self) -> int:
        """Training examples in which a pattern was found."""
        return sum(pattern.examples for pattern in self.patterns)

    def to_json(self) -> dict[str, Any]:
        """The record as dictionaries, lists and numbers, precision and recall with the counts they come from."""
        record = asdict(self)
        record["patterns"] = [part | {"tokens": list(part["tokens"])} for part in record["patterns"]]
        record["counts"] = [
            asdict(each) | {"precision": each.precision, "recall": each.recall} for each in self.counts
        ]
        return record

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> "FeaturePatterns":
        """The record that ``to_json`` gave."""
        patterns = tuple(Pattern(**(part | {"tokens": tuple(part["tokens"])})) for part in record["patterns"])
        derived = {"precision", "recall"}
        counts = tuple(
            Counts(**{key: value for key, value in part.items() if key not in derived})
            for part in record["counts"]
        )
        return cls(**(record | {"patterns": patterns, "counts": counts}))

    def to_bytes(self) -> bytes:
        """The record in few bytes: some 40 for each pattern, and 4 for each of its tokens."""
        entries = np.array(
            [
                (
                    len(each.tokens),
                    each.activation,
                    each.examples,
                    -1 if each.matches is None else each.matches,
                    -1 if each.active is None else each.active,
                    np.nan if each.share is None else each.share,
                )
                for each in self.patterns
            ],
            ENTRY,
        )
        tokens = np.array([token for each in self.patterns for token in each.tokens], "<i4")
        parts = [
            HEADER.pack(
                MAGIC, self.feature, self.largest, self.n_examples, len(self.patterns), len(self.counts)
            ),
            SUMMARY.pack(*(np.nan if each is None else each for each in (self.share, self.correlation))),
            *(
                COUNTS.pack(each.threshold, each.n_tokens, each.n_predicted, each.n_active, each.n_both)
                for each in self.counts
            ),
            entries.tobytes(),
            tokens.tobytes(),
        ]
        return b"".join(parts)

    @classmethod
    def from_bytes(cls, data: bytes) -> "FeaturePatterns":
        """The record that ``to_bytes`` gave.

        Raises:
            BrokenInput: these are other bytes, or not all of them.
        """
        try:
            return cls._read(data)
        except (struct.error, ValueError) as error:
            raise BrokenInput(f"{len(data)} bytes are no patterns: {error}", "index again") from error

    @classmethod
    def _read(cls, data: bytes) -> "FeaturePatterns":
        magic, feature, largest, n_examples, n_patterns, n_counts = HEADER.unpack_from(data)
        if magic != MAGIC:
            raise ValueError(f"they begin with {magic!r}")
        place = HEADER.size
        share, correlation = SUMMARY.unpack_from(data, place)
        place += SUMMARY.size
        counts = tuple(Counts(*COUNTS.unpack_from(data, place + i * COUNTS.size)) for i in range(n_counts))
        place += n_counts * COUNTS.size
        entries = np.frombuffer(data, ENTRY, n_patterns, place)
        place += entries.nbytes
        bounds = np.concatenate([[0], np.cumsum(entries["length"], dtype=np.int64)])
        tokens = np.frombuffer(data, "<i4", int(bounds[-1]), place).tolist()
        if place + 4 * len(tokens) != len(data):
            raise ValueError(f"{len(data) - place - 4 * len(tokens)} are left over")
        patterns = tuple(
            Pattern(
                tuple(tokens[start:stop]),
                activation,
                examples,
                None if matches < 0 else matches,
                None if active < 0 else active,
                _known(share),
            )
            for start, stop, (_, activation, examples, matches, active, share) in zip(
                bounds[:-1].tolist(), bounds[1:].tolist(), entries.tolist(), strict=True
            )
        )
        return cls(feature, largest, n_examples, patterns, counts, _known(share), _known(correlation))


def _known(value: float) -> float | None:
    return None if np.isnan(value) else value
