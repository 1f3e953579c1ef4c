"""Features that fire on some texts and not on others.

Two questions, from the same counts:

- *a few examples*: active on all of these and on none of those (:func:`contrast_texts`); the unit is a text.
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
from monoscope.features.finding import Searchable, rarity, relative, results
from monoscope.features.record import SearchResult

Z = 1.959963984540054
"""Standard deviations to either end of a 95 % interval."""
PRIOR_TOKENS = 1000
"""Tokens at the indexed corpus' own rate that are added to either side of :func:`contrast_corpora`."""


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
    peaks: Float[np.ndarray, " n_features"] = field(default_factory=lambda: np.zeros(0))
    """Sum over texts of each feature's largest activation."""
    squares: Float[np.ndarray, " n_features"] = field(default_factory=lambda: np.zeros(0))
    """Sum over texts of the active tokens' number squared."""
    products: Float[np.ndarray, " n_features"] = field(default_factory=lambda: np.zeros(0))
    """Sum over texts of active tokens times tokens."""

    def __post_init__(self) -> None:
        for name in ("texts", "tokens", "peaks", "squares", "products"):
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
        peaks = np.zeros(self.n_features)
        np.maximum.at(peaks, features, values)
        self.lengths.append(length)
        self.texts[active] += 1
        self.tokens[active] += counts
        self.peaks += peaks
        self.squares[active] += counts.astype(np.float64) ** 2
        self.products[active] += counts * length

    def merge(self, other: "Seen") -> None:
        """Add what was counted on other texts."""
        self.lengths += other.lengths
        for name in ("texts", "tokens", "peaks", "squares", "products"):
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

    Formula: ``score_i = a_i / A - b_i / B``, with a_i of A positive and b_i of B negative texts in which feature i
    is active anywhere; its interval is Newcombe's (1998, method 10, from two Wilson intervals). Without negative
    texts ``score_i = a_i / A`` with Wilson's interval, of the features whose interval lies above chance: a feature
    of density p fires in a text of n tokens with ``1 - (1 - p)^n``, here the mean over the texts. Of equal scores, the
    higher strength times rarity goes first.

    Args:
        index: what the features are.
        positive: what fired on the examples.
        negative: what fired on the counterexamples.
        strict: only features active on every example and on no counterexample.
        where: a filter, or its text.
        limit: results at most.

    Returns:
        Results with ``positive`` and ``negative`` (counts of texts), ``low`` and ``high`` (the interval of the
        score), ``strength`` (mean largest activation on an example, in units of the largest on the corpus), and
        ``by_chance`` where there are no counterexamples.

    Raises:
        WrongUse: there is no example, or the filter cannot be read.
        UnknownName: the filter names something unknown.
    """
    if not positive.n_texts:
        raise WrongUse("there is no text that features should be active on", "give one or more")
    share = positive.texts / positive.n_texts
    low, high = wilson(positive.texts, positive.n_texts)
    strength = relative(index, positive.peaks / positive.n_texts)
    parts = {"positive": positive.texts, "strength": strength}
    if negative is None or not negative.n_texts:
        chance = by_chance(index, positive.lengths)
        score = np.where(low > chance, share, 0)
        parts |= {"by_chance": chance, "low": low, "high": high}
        n_negative, against = 0, np.zeros_like(positive.texts)
    else:
        other, n_negative, against = negative.texts / negative.n_texts, negative.n_texts, negative.texts
        under, over = wilson(negative.texts, negative.n_texts)
        score = share - other
        parts |= {
            "negative": negative.texts,
            "low": score - np.hypot(share - low, over - other),
            "high": score + np.hypot(high - share, other - under),
        }
    if strict:
        score = np.where((positive.texts == positive.n_texts) & (against == 0), score, 0)

    def why(part: Mapping[str, float | int]) -> str:
        here = f"on {part['positive']} of {positive.n_texts}"
        if n_negative:
            return f"{here} and {part['negative']} of {n_negative}, {part['strength']:.0%} of its largest"
        return f"{here}, by chance {part['by_chance']:.0%}, {part['strength']:.0%} of its largest"

    return results(index, score, parts, why, ties=strength * rarity(index), where=where, limit=limit)


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


def wilson(
    successes: Int[np.ndarray, " n_features"], trials: int
) -> tuple[Float[np.ndarray, " n_features"], Float[np.ndarray, " n_features"]]:
    """Both ends of the 95 % Wilson score interval of ``successes / trials`` (Wilson 1927)."""
    share = successes / trials
    centre = share + Z * Z / (2 * trials)
    spread = Z * np.sqrt(share * (1 - share) / trials + Z * Z / (4 * trials * trials))
    scale = 1 + Z * Z / trials
    return np.maximum((centre - spread) / scale, 0), np.minimum((centre + spread) / scale, 1)
