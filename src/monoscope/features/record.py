"""What is known about a feature, as plain frozen records: no rendering, no reading of files."""

from collections.abc import Mapping
from dataclasses import dataclass, is_dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Example:
    """A stretch of the corpus where the feature is active, with its activation on every token."""

    kind: str
    """Why it was chosen:

    - ``top``: among the largest activations, each from another row;
    - ``interval I``: in the I-th of the equal parts of (0, maximum], counted from 1, the weakest; drawn at random
      as :func:`monoscope.features.tables.interval_examples` says, and not among the top ones;
    - ``random``: drawn uniformly among all activations of the feature;
    - ``quantile Q``: drawn uniformly too, and in the Q-th group when those so drawn are sorted and cut into groups
      of equal size, the weakest first;
    - ``near miss``: the feature is silent on a token that it often fires on, and on all tokens shown; see
      :mod:`monoscope.features.near_misses`.
    """
    position: int
    """Flat position (row * context + token) of the token that it was chosen for."""
    document: int
    """Number of the document in the corpus."""
    start: int
    """Flat position of the first token shown."""
    tokens: tuple[str, ...]
    """Texts of the tokens shown, spaces kept; joined they are the text."""
    activations: tuple[float, ...]
    """The feature's activation on each of these tokens, within 1.9 %; 0 where it is silent. What is below a
    ten-thousandth of the maximum is given as that."""
    peak: float
    """Activation at ``position``, exactly."""


@dataclass(frozen=True, slots=True)
class TokenShare:
    """How much of a feature one token of the vocabulary accounts for."""

    token: int
    """Token id."""
    text: str
    """The token's text."""
    count: int
    """Times the feature was active on this token."""
    share: float
    """Share of the feature's summed activation that fell on this token."""
    lift: float
    """P(active | token) / P(active): how many times more often than on any token."""


@dataclass(frozen=True, slots=True)
class LogitWeight:
    """What a feature does directly to the logit of one token: see
    :func:`monoscope.features.logit_weights`.
    """

    token: int
    """Token id."""
    text: str
    """The token's text."""
    weight: float
    """Change of the logit, against the median token, for one unit of activation, before the last norm's
    division."""


@dataclass(frozen=True, slots=True)
class Neighbour:
    """Another feature whose direction is near."""

    feature: int
    """Its number."""
    cosine: float
    """Cosine between the two directions."""


@dataclass(frozen=True, slots=True)
class CoActivation:
    """Another feature that is active on the same tokens, counted on a sample of tokens."""

    feature: int
    """Its number."""
    correlation: float
    """How far the two go together, above 0: see :mod:`monoscope.features.coactivation`."""
    share: float
    """The share of this feature's activations, in the sample, on which the other is active too."""


@dataclass(frozen=True, slots=True)
class Histogram:
    """How often which activation was seen, zeros apart, in bins of equal width on a logarithmic axis."""

    edges: tuple[float, ...]
    """log10 of the bins' edges: one more than there are counts; both empty for a feature that never fired."""
    counts: tuple[int, ...]
    """Tokens in each bin; they add up to ``n_active``."""


@dataclass(frozen=True, slots=True)
class FeatureRecord:
    """Everything the index knows about one feature."""

    feature: int
    """Its number in the dictionary."""
    address: str
    """``MODEL/SITE/DICTIONARY#412``: the same everywhere."""
    description: str
    """A line made without a language model: what it fires on, what it promotes."""
    density: float
    """Share of the corpus' tokens on which it is active."""
    n_active: int
    """Tokens on which it is active."""
    max_activation: float
    """Largest activation seen on the indexed corpus."""
    mean_activation: float
    """Mean activation over the tokens on which it is active."""
    histogram: Histogram
    """Distribution of its activations."""
    examples: tuple[Example, ...]
    """The top ones first, then intervals and quantiles from strongest to weakest, random ones and near misses."""
    tokens: tuple[TokenShare, ...]
    """The tokens it fires on, by ``share * (lift - 1)``: those that are just common come last."""
    promoted: tuple[LogitWeight, ...]
    """Tokens whose logits it raises most; empty when the index was made without logit weights."""
    suppressed: tuple[LogitWeight, ...]
    """Tokens whose logits it lowers most, the lowest first."""
    neighbours: tuple[Neighbour, ...]
    """The features with the nearest directions, nearest first."""
    coactive: tuple[CoActivation, ...]
    """The features that are active on the same tokens, the closest first."""

    def to_json(self) -> dict[str, Any]:
        """The record as dictionaries, lists and numbers."""
        return _plain(self)


@dataclass(frozen=True, slots=True)
class SearchResult:
    """A feature that answers a search, whatever was searched by."""

    feature: int
    """Its number in the dictionary."""
    address: str
    """``MODEL/SITE/DICTIONARY#412``."""
    score: float
    """What the results are sorted by, above 0; each kind of search says its formula."""
    description: str
    """The feature's description."""
    density: float
    """Share of the corpus' tokens on which it is active."""
    max_activation: float
    """Largest activation seen on the indexed corpus."""
    why: str
    """What the score was given for, in a few words."""
    parts: Mapping[str, float | int | str]
    """The numbers that the score is made of, by name."""

    @property
    def id(self) -> int:
        """The feature's number, for ``{result.id: Clamp(10)}``."""
        return self.feature

    def to_json(self) -> dict[str, Any]:
        """The result as one flat dictionary of plain values, the parts of the score among them."""
        own = {name: getattr(self, name) for name in self.__slots__ if name != "parts"}
        return own | dict(self.parts)


def _plain(value: Any) -> Any:
    """Records as dictionaries and tuples as lists, many times faster than ``dataclasses.asdict``."""
    if isinstance(value, tuple):
        return [_plain(each) for each in value] if value and is_dataclass(value[0]) else list(value)
    if is_dataclass(value):
        return {name: _plain(getattr(value, name)) for name in value.__slots__}  # type: ignore[attr-defined]
    return value
