"""The patterns of a feature as plain frozen records, to and from JSON."""

from dataclasses import asdict, dataclass
from typing import Any

WILDCARD = -1
"""In a pattern: any token."""
START = -2
"""First in a pattern: the beginning of the text."""


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
