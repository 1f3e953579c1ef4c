"""Find patterns: cut an example's context short, replace what is left token by token, and see what the feature
needs.

Every test is a short text with the example's token at its end, and the law of each pattern is the same: with other
text in front of it, and with other tokens under its wildcards, the feature keeps ``kept`` of the activation that
its example has in the corpus, on average over the draws (an activation above the example's counts as the
example's, so that no single draw makes up for others).

1.  *Prune* (Foote et al. 2023, 2305.19911, section 3): the shortest tried suffix of the context that obeys the law.
    The paper puts nothing in front of it, so that everything stands near the beginning of the text and features of
    beginnings look like features of tokens; here a stretch of other text stands in front unless the whole
    beginning of the text is needed, which is then part of the pattern.
2.  *Saliency*: 1 - (activation with the token replaced) / (activation of the suffix), for each token.
3.  *Wildcards*: as many of the least salient tokens as can be replaced together under the law, one more at a time.
    One by one they may all be dispensable and not together; the paper does not look.

Replacements are tokens drawn from the corpus by frequency, so that a wildcard stands for what usually stands
there, and the stretches in front are drawn from the corpus as they are. All are drawn once, by seed, and serve
every feature: the same short texts come again for many of them, and each runs through the model once.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, Integer

from monoscope.errors import BrokenInput
from monoscope.features.grouping import run_starts
from monoscope.features.patterns.examples import Examples
from monoscope.features.patterns.options import PatternOptions
from monoscope.features.patterns.probe import Activate
from monoscope.features.patterns.record import START, WILDCARD, FeaturePatterns, Pattern

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
        BrokenInput: an example lies outside the passages, or the corpus has too few different tokens to draw from.
    """
    if not len(examples):
        return _merged(examples, np.zeros((0, 1), np.int64), np.zeros(0), largest)
    options = options or PatternOptions()
    trial = _Trial(examples, tokens, passage, activate, options)
    rounds = len(options.lengths) + 1 + 2 * options.longest
    done = 0

    def advance() -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(min(done, rounds), rounds)

    suffixes = _prune(trial, advance)
    wild, kept = _wildcards(trial, suffixes, _without(trial, suffixes, advance), advance)
    return _merged(examples, _rows(trial, suffixes, wild), kept * examples.values, largest)


def token_patterns(
    examples: Examples,
    tokens: Integer[np.ndarray, " position"],
    *,
    largest: Float[np.ndarray, " n_features"],
) -> list[FeaturePatterns]:
    """The baseline: every example's own token and nothing else, without running the model."""
    return _merged(examples, tokens[examples.positions].astype(np.int64)[:, None], examples.values, largest)


@dataclass(frozen=True)
class _Suffixes:
    """What is left of each example's context."""

    sizes: Int[np.ndarray, " example"]
    """Tokens, the last of which is the example's own; 0 where no suffix obeys the law."""
    whole: Bool[np.ndarray, " example"]
    """True where the suffix is the beginning of the text and has to be."""
    kept: Float[np.ndarray, " example"]
    """Share of the example's activation that it keeps."""

    def of(self, chosen: Int[np.ndarray, " chosen"]) -> "_Suffixes":
        return _Suffixes(self.sizes[chosen], self.whole[chosen], self.kept[chosen])


class _Trial:
    """The examples' contexts, what is drawn to change them with, and the model."""

    def __init__(
        self,
        examples: Examples,
        tokens: np.ndarray,
        passage: np.ndarray,
        activate: Activate,
        options: PatternOptions,
    ) -> None:
        if (examples.positions >= len(tokens)).any() or (passage[examples.positions] < 0).any():
            raise BrokenInput(
                "an example lies outside the text, or on padding or a special token",
                "take examples and tokens from the same corpus",
            )
        self.examples, self.options, self._activate = examples, options, activate
        starts = run_starts(passage)
        since = examples.positions - starts[np.searchsorted(starts, examples.positions, side="right") - 1]
        self.available = np.minimum(since + 1, options.longest)
        self.at_start = since < options.longest
        offsets = np.arange(options.longest)[::-1]
        self.context = tokens[np.maximum(examples.positions[:, None] - offsets, 0)].astype(np.int64)
        self._draw(tokens, passage, starts)

    def _draw(self, tokens: np.ndarray, passage: np.ndarray, starts: np.ndarray) -> None:
        """Stretches ``[draw, before]`` and replacements ``[draw + 1, longest]``, all different in a column."""
        options = self.options
        random = np.random.default_rng(options.seed)
        ids, counts = np.unique(tokens[passage >= 0], return_counts=True)
        if len(ids) <= options.draws:
            raise BrokenInput(
                f"the corpus has {len(ids)} different tokens, and {options.draws} replacements are to be drawn",
                "give more text, or ask for fewer draws",
            )
        columns = [
            random.choice(ids, options.draws + 1, replace=False, p=counts / counts.sum())
            for _ in range(options.longest)
        ]
        self._replacements = np.stack(columns, 1).astype(np.int64)
        ends = np.append(starts[1:], len(passage))
        long = np.flatnonzero((passage[starts] >= 0) & (ends - starts >= options.before))
        if not len(long):
            raise BrokenInput(
                f"no document of the corpus has {options.before} tokens in a row", "ask for fewer before"
            )
        room = (ends - starts)[long] - options.before + 1
        chosen = random.choice(len(long), options.draws, p=room / room.sum())
        first = starts[long[chosen]] + random.integers(room[chosen])
        self._before = tokens[first[:, None] + np.arange(options.before)].astype(np.int64)

    def kept(
        self,
        chosen: Int[np.ndarray, " chosen"],
        suffixes: _Suffixes,
        replaced: Bool[np.ndarray, "chosen longest"] | None = None,
    ) -> Float[np.ndarray, " chosen"]:
        """Share of each chosen example's activation that its suffix keeps, with the ``replaced`` tokens drawn."""
        share = np.zeros(len(chosen))
        for size, whole in np.unique(np.stack([suffixes.sizes, suffixes.whole], 1), axis=0).tolist():
            group = np.flatnonzero((suffixes.sizes == size) & (suffixes.whole == bool(whole)))
            change = None if replaced is None else replaced[group, -size:]
            texts = [
                self._text(self.context[chosen[group], -size:], change, draw, bool(whole))
                for draw in range(self.options.draws)
            ]
            unique, which = np.unique(np.concatenate(texts), axis=0, return_inverse=True)
            features = np.tile(self.examples.features[chosen[group]], len(texts))
            values = self._activate(unique, which.reshape(-1), features).reshape(len(texts), -1)
            share[group] = np.minimum(values / self.examples.values[chosen[group]], 1).mean(0)
        return share

    def _text(self, suffix: np.ndarray, change: np.ndarray | None, draw: int, whole: bool) -> np.ndarray:
        """One draw of the texts of some examples ``[example, token]``."""
        if change is not None:
            size = suffix.shape[1]
            drawn, spare = self._replacements[draw, -size:], self._replacements[-1, -size:]
            suffix = np.where(change, np.where(drawn == suffix, spare, drawn), suffix)
        if whole:
            return suffix
        before = np.broadcast_to(self._before[draw], (len(suffix), self.options.before))
        return np.concatenate([before, suffix], 1)


def _prune(trial: _Trial, advance: Callable[[], None]) -> _Suffixes:
    """The shortest tried suffix of each example that obeys the law."""
    n, least = len(trial.examples), trial.options.kept
    found = _Suffixes(np.zeros(n, np.int64), np.zeros(n, bool), np.zeros(n))
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
        kept = trial.kept(chosen, _Suffixes(sizes, whole, np.zeros(len(chosen))))
        good = kept >= least
        found.sizes[chosen[good]] = sizes[good]
        found.whole[chosen[good]] = length is None
        found.kept[chosen[good]] = kept[good]
        advance()
    return found


def _without(
    trial: _Trial, suffixes: _Suffixes, advance: Callable[[], None]
) -> Float[np.ndarray, "example longest"]:
    """Share of its activation that each example keeps with one token replaced; -1 for tokens that are not in its
    suffix or stay in any case. The saliency of a token is 1 - this / (what the suffix keeps).
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
    trial: _Trial,
    suffixes: _Suffixes,
    without: Float[np.ndarray, "example longest"],
    advance: Callable[[], None],
) -> tuple[Bool[np.ndarray, "example longest"], Float[np.ndarray, " example"]]:
    """Which tokens become wildcards, and the share of its activation that each example keeps then."""
    wild, kept = np.zeros(without.shape, bool), suffixes.kept.copy()
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
        wild[chosen[good]], kept[chosen[good]] = replaced[good], share[good]
        going[chosen[~good]] = False
        advance()
    return wild, kept


def _rows(
    trial: _Trial, suffixes: _Suffixes, wild: Bool[np.ndarray, "example longest"]
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
