"""Features that fire on some texts and not on others.

Two questions, from the same counts:

- *a few examples*: more active on these texts than on those, on all of these and none of those
  (:func:`contrast_texts`); the unit is a text.
- *two corpora*: active more often here than there (:func:`contrast_corpora`); the unit is a token, and texts tell
  how far its rate can be trusted, since tokens of one text are no independent witnesses.

Every interval is of 95 % and of one feature: among thousands, a few exceed theirs by chance.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, Int

from monoscope.dictionaries import SparseCodes
from monoscope.errors import WrongUse
from monoscope.features.filters import Filter
from monoscope.features.finding import Searchable, results
from monoscope.features.record import SearchResult

Z = 1.959963984540054
"""Standard deviations to either end of a 95 % interval."""
PRIOR_TOKENS = 1000
"""Tokens at the indexed corpus' own rate that are added to either side of :func:`contrast_corpora`."""
COUNTS = ("texts", "tokens", "means", "mean_squares", "squares", "products")
"""What :class:`Seen` holds for each feature."""


@dataclass
class Seen:
    """What fired on a set of texts, counted: parts merged are the whole."""

    n_features: int
    """Features in the dictionary."""
    lengths: list[int] = field(default_factory=list)
    """Tokens of each text."""
    texts: Int[np.ndarray, " n_features"] = field(default_factory=lambda: np.zeros(0, np.int64))
    """Texts in which each feature was active."""
    tokens: Int[np.ndarray, " n_features"] = field(default_factory=lambda: np.zeros(0, np.int64))
    """Tokens on which each feature was active."""
    means: Float[np.ndarray, " n_features"] = field(default_factory=lambda: np.zeros(0))
    """Sum over texts of each feature's mean activation over the text's tokens."""
    mean_squares: Float[np.ndarray, " n_features"] = field(default_factory=lambda: np.zeros(0))
    """Sum over texts of that mean squared."""
    squares: Float[np.ndarray, " n_features"] = field(default_factory=lambda: np.zeros(0))
    """Sum over texts of the active tokens' number squared."""
    products: Float[np.ndarray, " n_features"] = field(default_factory=lambda: np.zeros(0))
    """Sum over texts of active tokens times tokens."""

    def __post_init__(self) -> None:
        for name in COUNTS:
            if not len(getattr(self, name)):
                kind = np.int64 if name in ("texts", "tokens") else np.float64
                setattr(self, name, np.zeros(self.n_features, kind))

    @classmethod
    def on(cls, n_features: int, texts: Iterable[SparseCodes]) -> "Seen":
        """What fired on some texts, given what fires on each one's tokens."""
        seen = cls(n_features)
        for codes in texts:
            seen.add(codes)
        return seen

    @property
    def n_texts(self) -> int:
        """Texts counted."""
        return len(self.lengths)

    @property
    def n_tokens(self) -> int:
        """Tokens counted."""
        return sum(self.lengths)

    def add(self, codes: SparseCodes) -> None:
        """Count one text, given what fires on its tokens ``[token, slot]``."""
        values = codes.values.float().flatten().cpu().numpy()
        features = codes.indices.flatten().cpu().numpy()[values > 0]
        values = values[values > 0]
        active, counts = np.unique(features, return_counts=True)
        length = len(codes.values)
        means = np.bincount(features, weights=values, minlength=self.n_features) / max(length, 1)
        self.lengths.append(length)
        self.texts[active] += 1
        self.tokens[active] += counts
        self.means += means
        self.mean_squares += means**2
        self.squares[active] += counts.astype(np.float64) ** 2
        self.products[active] += counts * length

    def merge(self, other: "Seen") -> None:
        """Add what was counted on other texts."""
        self.lengths += other.lengths
        for name in COUNTS:
            getattr(self, name)[:] += getattr(other, name)


def contrast_texts(
    index: Searchable,
    positive: Seen,
    negative: Seen | None = None,
    *,
    strict: bool = False,
    where: Filter | str | None = None,
    limit: int = 10,
) -> list[SearchResult]:
    """Features that are active on examples and not on counterexamples.

    Formula: ``score_i = M_i - N_i``, where M_i is the mean over the examples of feature i's mean activation over a
    text's tokens, and N_i the same over the counterexamples or, where there are none, on the indexed corpus: its
    density times its mean activation. The interval is Welch's (1947); it takes two texts or more on either side.

    Args:
        index: what the features are.
        positive: what fired on the examples.
        negative: what fired on the counterexamples.
        strict: only features active on every example and on no counterexample.
        where: a filter, or its text.
        limit: results at most.

    Returns:
        Results with ``positive`` and ``negative`` (texts in which the feature is active at all), ``here`` and
        ``there`` (M_i and N_i), ``low`` and ``high`` where there is an interval, and, without counterexamples,
        ``by_chance``: the share of texts as long as the examples in which a feature of that density fires,
        ``1 - (1 - p)^n``.

    Raises:
        WrongUse: there is no example, or the filter cannot be read.
        UnknownName: the filter names something unknown.
    """
    if not positive.n_texts:
        raise WrongUse("there is no text that features should be active on", "give one or more")
    here, variance = _level(positive)
    number = index.statistics()
    parts = {"positive": positive.texts, "here": here}
    met = positive.texts == positive.n_texts
    if negative is None or not negative.n_texts:
        n_negative, there, its_variance = (
            0,
            number["density"] * number["mean_activation"],
            np.zeros_like(here),
        )
        parts |= {"there": there, "by_chance": by_chance(index, positive.lengths)}
    else:
        n_negative, (there, its_variance) = negative.n_texts, _level(negative)
        parts |= {"there": there, "negative": negative.texts}
        met &= negative.texts == 0
    score = here - there
    if positive.n_texts > 1 and n_negative != 1:
        half = _half_width(variance, positive.n_texts, its_variance, n_negative)
        parts |= {"low": score - half, "high": score + half}

    def why(part: Mapping[str, float | int]) -> str:
        counts = f"on {part['positive']} of {positive.n_texts}"
        other = (
            f" and {part['negative']} of {n_negative}" if n_negative else f", chance {part['by_chance']:.0%}"
        )
        return f"{counts}{other}; {part['here']:.2f} against {part['there']:.2f}"

    return results(index, np.where(met, score, 0) if strict else score, parts, why, where=where, limit=limit)


def _level(seen: Seen) -> tuple[Float[np.ndarray, " n_features"], Float[np.ndarray, " n_features"]]:
    """Mean over texts of a feature's mean activation, and the variance of that mean; 0 for a single text."""
    n = seen.n_texts
    spread = np.maximum(seen.mean_squares - seen.means**2 / n, 0)
    return seen.means / n, spread / max(n - 1, 1) / n


def _half_width(
    variance: Float[np.ndarray, " n_features"],
    n: int,
    other: Float[np.ndarray, " n_features"],
    n_other: int,
) -> Float[np.ndarray, " n_features"]:
    """Half of Welch's 95 % interval of a difference of means, given their variances."""
    from scipy.special import stdtrit

    both = variance + other
    parts = variance**2 / max(n - 1, 1) + other**2 / max(n_other - 1, 1)
    freedom = np.where(parts > 0, both**2 / np.where(parts > 0, parts, 1), 1)
    return stdtrit(freedom, 0.975) * np.sqrt(both)


def contrast_corpora(
    index: Searchable,
    here: Seen,
    there: Seen,
    *,
    where: Filter | str | None = None,
    limit: int = 10,
) -> list[SearchResult]:
    """Features that are active more often in one corpus than in another, by what is certain of it.

    Formulas: with y_i of n tokens active in a corpus of J texts, and α_i = 1000 p_i for the density p_i on the
    indexed corpus, the rate is ``r_i = (y_i + α_i) / (n + 1000)`` and
    ``log_odds = logit(r_here) - logit(r_there)``: the log-odds ratio with an informative prior of Monroe, Colaresi
    and Quinn (2008), which draws what was hardly seen back to 0. The variance of ``y_i`` is the larger of
    ``n r (1 - r)`` and ``J / (J - 1) Σ_j (y_ij - n_j y_i / n)^2`` over texts j (a ratio's linearised variance);
    ``standard_error^2`` is the sum over both corpora of ``variance / (r (1 - r) (n + 1000))^2``.
    ``score = log_odds - 1.96 standard_error``: the log-odds at least.

    Args:
        index: what the features are.
        here: what fired in the corpus that features are sought for.
        there: what fired in the corpus that it is compared with.
        where: a filter, or its text.
        limit: results at most.

    Returns:
        Results with ``log_odds``, ``standard_error``, ``low``, ``high``, and for either corpus the share of active
        tokens (``rate``, ``rate_against``) and the texts with any (``texts``, ``texts_against``).

    Raises:
        WrongUse: a corpus is empty, or the filter cannot be read.
        UnknownName: the filter names something unknown.
    """
    if not here.n_tokens or not there.n_tokens:
        raise WrongUse("a corpus to compare is empty", "give two corpora with text")
    number = index.statistics()
    least = 1 / max(1.0, float((number["n_active"] / np.maximum(number["density"], 1e-300)).max()))
    prior = PRIOR_TOKENS * np.clip(number["density"].astype(np.float64), least, 1 - least)
    (logit, variance), (other, its_variance) = (_log_odds(seen, prior) for seen in (here, there))
    difference, error = logit - other, np.sqrt(variance + its_variance)
    parts = {
        "log_odds": difference,
        "standard_error": error,
        "low": difference - Z * error,
        "high": difference + Z * error,
        "rate": here.tokens / here.n_tokens,
        "rate_against": there.tokens / there.n_tokens,
        "texts": here.texts,
        "texts_against": there.texts,
    }

    def why(part: Mapping[str, float | int]) -> str:
        return (
            f"{part['rate']:.3%} against {part['rate_against']:.3%} of tokens, log-odds "
            f"{part['log_odds']:.1f} ± {part['standard_error']:.1f}"
        )

    return results(index, parts["low"], parts, why, where=where, limit=limit)


def _log_odds(
    seen: Seen, prior: Float[np.ndarray, " n_features"]
) -> tuple[Float[np.ndarray, " n_features"], Float[np.ndarray, " n_features"]]:
    """Log-odds of a token being active, and their variance."""
    n, total = seen.n_tokens, seen.n_tokens + PRIOR_TOKENS
    rate = (seen.tokens + prior) / total
    variance = n * rate * (1 - rate)
    if seen.n_texts > 1:
        raw = seen.tokens / n
        lengths = np.asarray(seen.lengths, np.float64)
        spread = seen.squares - 2 * raw * seen.products + raw**2 * np.square(lengths).sum()
        variance = np.maximum(variance, spread * seen.n_texts / (seen.n_texts - 1))
    return np.log(rate / (1 - rate)), variance / (rate * (1 - rate) * total) ** 2


def by_chance(index: Searchable, lengths: list[int]) -> Float[np.ndarray, " n_features"]:
    """Chance that a feature fires anywhere in a text, if its tokens were drawn from the corpus: mean over lengths."""
    density = index.statistics()["density"].astype(np.float64)
    sizes, counts = np.unique(lengths, return_counts=True)
    chance = np.zeros_like(density)
    for size, count in zip(sizes.tolist(), counts.tolist(), strict=True):
        chance += count * (1 - (1 - density) ** size)
    return chance / len(lengths)
