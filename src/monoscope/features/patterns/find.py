"""Find patterns: cut an example's context short, replace what is left token by token, and see what the feature
needs.

Every test is a short text with the example's token at its end, and the law of each pattern is the same: with other
text in front of it, and with other tokens under its wildcards, the feature keeps ``kept`` of the activation that
its example has in the corpus, on average over the draws (an activation above the example's counts as the
example's, so that no single draw makes up for others).

1.  *Prune* (Foote et al. 2023, 2305.19911): the shortest tried suffix of the context that obeys the law.
    The paper puts nothing in front of it, so that everything stands near the beginning of the text and features of
    beginnings look like features of tokens; here a stretch of other text stands in front unless the whole
    beginning of the text is needed, which is then part of the pattern.
2.  *Saliency*: how much of the activation goes when one token is replaced.
3.  *Wildcards*: as many of the least salient tokens as can be replaced together under the law, one more at a time.
    The paper replaces them one by one; each may be dispensable, and all together not.

Replacements are tokens drawn from the corpus by frequency, so that a wildcard stands for what usually stands
there, and the stretches in front are drawn from the corpus as they are. All are drawn once, by seed, and serve
every feature: the same short texts come again for many of them, and each runs through the model once.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float, Int, Integer

from monoscope.errors import BrokenInput
from monoscope.features.patterns.examples import Examples
from monoscope.features.patterns.options import PatternOptions
from monoscope.features.patterns.probe import Activate
from monoscope.features.patterns.record import START, WILDCARD, FeaturePatterns, Pattern
from monoscope.features.patterns.trial import Suffixes, Trial

Progress = Callable[[int, int], None]


def find_patterns(
    examples: Examples,
    tokens: Integer[np.ndarray, " position"],
    passage: Int[np.ndarray, " position"],
    activate: Activate,
    *,
    largest: Float[np.ndarray, " n_features"],
    options: PatternOptions | None = None,
    progress: Progress | None = None,
) -> list[FeaturePatterns]:
    """The patterns of every feature, not yet scored.

    Args:
        examples: where features fire, from documents that no score will be taken on.
        tokens: token ids of the corpus by flat position.
        passage: see :func:`monoscope.features.passages.passages`; contexts don't leave a passage.
        activate: runs the model, for instance :func:`activations_at_the_end`.
        largest: largest activation of each feature; 0 where it never fires.
        options: how they are looked for.
        progress: called with (rounds done, rounds in all): a round is one change to all examples.

    Returns:
        One record for each feature, in order; without patterns where it has no examples, or none that an n-gram
        explains.

    Raises:
        BrokenInput: an example lies outside the passages or has a feature whose largest activation is 0, or the
            corpus has too little to draw from.
    """
    if (examples.features >= len(largest)).any() or (largest[examples.features] <= 0).any():
        raise BrokenInput(
            "there are examples of a feature that never fires, or of none of these features",
            "take examples and largest activations from the same index",
        )
    if not len(examples):
        return _merged(examples, np.zeros((0, 1), np.int64), np.zeros(0), largest)
    options = options or PatternOptions()
    trial = Trial(examples, tokens, passage, activate, options)
    rounds = len(options.lengths) + 1 + 2 * options.longest
    done = 0

    def advance() -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(min(done, rounds), rounds)

    suffixes = _prune(trial, advance)
    wild = _wildcards(trial, suffixes, _without(trial, suffixes, advance), advance)
    return _merged(examples, _rows(trial, suffixes, wild), examples.values, largest)


def token_patterns(
    examples: Examples,
    tokens: Integer[np.ndarray, " position"],
    *,
    largest: Float[np.ndarray, " n_features"],
) -> list[FeaturePatterns]:
    """The baseline: every example's own token and nothing else, without running the model."""
    return _merged(examples, tokens[examples.positions].astype(np.int64)[:, None], examples.values, largest)


def _prune(trial: Trial, advance: Callable[[], None]) -> Suffixes:
    """The shortest tried suffix of each example that obeys the law."""
    n, least = len(trial.examples), trial.options.kept
    found = Suffixes(np.zeros(n, np.int64), np.zeros(n, bool))
    tried = np.zeros(n, np.int64)
    for length in (*trial.options.lengths, None):
        open_ones = found.sizes == 0
        if length is None:
            chosen = np.flatnonzero(open_ones & trial.at_start)
            sizes = trial.available[chosen]
        else:
            size = np.minimum(length, trial.available)
            chosen = np.flatnonzero(open_ones & (size > tried))
            sizes = tried[chosen] = size[chosen]
        whole = np.full(len(chosen), length is None)
        kept = trial.kept(chosen, Suffixes(sizes, whole))
        good = kept >= least
        found.sizes[chosen[good]] = sizes[good]
        found.whole[chosen[good]] = length is None
        advance()
    return found


def _without(
    trial: Trial, suffixes: Suffixes, advance: Callable[[], None]
) -> Float[np.ndarray, "example longest"]:
    """Share of its activation that each example keeps with one token replaced; -1 for tokens that are not in its
    suffix or stay in any case: the smaller, the more salient the token.
    """
    longest = trial.options.longest
    kept = np.full((len(trial.examples), longest), -1.0)
    for offset in range(longest):
        # A suffix of one token with other text in front of it has to keep that token.
        chosen = np.flatnonzero((suffixes.sizes > offset) & (suffixes.whole | (suffixes.sizes > 1)))
        replaced = np.zeros((len(chosen), longest), bool)
        replaced[:, -1 - offset] = True
        kept[chosen, -1 - offset] = trial.kept(chosen, suffixes.of(chosen), replaced)
        advance()
    return kept


def _wildcards(
    trial: Trial,
    suffixes: Suffixes,
    without: Float[np.ndarray, "example longest"],
    advance: Callable[[], None],
) -> Bool[np.ndarray, "example longest"]:
    """Which tokens become wildcards."""
    wild = np.zeros(without.shape, bool)
    # Of equals the farther from the end first: in front, a wildcard is a token less.
    order = np.argsort(-without, axis=1, kind="stable")
    rank = np.argsort(order, axis=1, kind="stable")
    most = np.minimum((without >= trial.options.kept).sum(1), suffixes.sizes - ~suffixes.whole)
    going = suffixes.sizes > 0
    for count in range(1, trial.options.longest + 1):
        chosen = np.flatnonzero(going & (most >= count))
        replaced = rank[chosen] < count
        share = trial.kept(chosen, suffixes.of(chosen), replaced) if count > 1 else without[chosen].max(1)
        good = share >= trial.options.kept
        wild[chosen[good]] = replaced[good]
        going[chosen[~good]] = False
        advance()
    return wild


def _rows(
    trial: Trial, suffixes: Suffixes, wild: Bool[np.ndarray, "example longest"]
) -> Int[np.ndarray, "example width"]:
    """Patterns as rows that end in the example's token; 0 or more is a token, and what is left of the pattern
    is WILDCARD.
    """
    longest = trial.options.longest
    inside = np.arange(longest) >= longest - suffixes.sizes[:, None]
    rows = np.full((len(wild), longest + 1), WILDCARD)
    rows[:, 1:] = np.where(inside & ~wild, trial.context, WILDCARD)
    at = np.flatnonzero(suffixes.whole)
    rows[at, longest - suffixes.sizes[at]] = START
    return rows


def _merged(
    examples: Examples,
    rows: Int[np.ndarray, "example width"],
    activations: Float[np.ndarray, " example"],
    largest: Float[np.ndarray, " n_features"],
) -> list[FeaturePatterns]:
    """Equal patterns of a feature put together, those of most examples first; rows of wildcards are none."""
    found: list[dict[tuple[int, ...], list[float]]] = [{} for _ in largest]
    first = (rows != WILDCARD).argmax(1)
    any_fixed = (rows != WILDCARD).any(1)
    for feature, start, row, activation in zip(
        examples.features[any_fixed].tolist(),
        first[any_fixed].tolist(),
        rows[any_fixed].tolist(),
        activations[any_fixed].tolist(),
        strict=True,
    ):
        found[feature].setdefault(tuple(row[start:]), []).append(activation / float(largest[feature]))
    looked_at = np.bincount(examples.features, minlength=len(largest)).tolist()
    records = []
    for feature, patterns in enumerate(found):
        parts = [Pattern(row, float(np.mean(values)), len(values)) for row, values in patterns.items()]
        parts.sort(key=lambda part: (-part.examples, -part.activation, part.tokens))
        records.append(FeaturePatterns(feature, float(largest[feature]), looked_at[feature], tuple(parts)))
    return records
