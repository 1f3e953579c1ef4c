"""Examples on trial: how much of its activation a feature keeps when an example's context is changed."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from monoscope.errors import BrokenInput
from monoscope.features.grouping import run_starts
from monoscope.features.patterns.examples import Examples
from monoscope.features.patterns.options import PatternOptions
from monoscope.features.patterns.probe import Activate


@dataclass(frozen=True)
class Suffixes:
    """What is left of each example's context."""

    sizes: Int[np.ndarray, " example"]
    """Tokens, the last of which is the example's own; 0 where no suffix obeys the law."""
    whole: Bool[np.ndarray, " example"]
    """True where the suffix is the beginning of the text and has to be."""

    def of(self, chosen: Int[np.ndarray, " chosen"]) -> "Suffixes":
        """Those of some examples."""
        return Suffixes(self.sizes[chosen], self.whole[chosen])


class Trial:
    """The examples' contexts, what is drawn to change them with, and the model.

    Attributes:
        context: the last tokens up to each example's own, ``[example, longest]``; what lies before its passage is
            not looked at.
        available: tokens of these that lie in its passage.
        at_start: true where ``context`` reaches back to the beginning of the passage.

    Raises:
        BrokenInput: an example lies outside the passages, or the corpus has too little to draw from.
    """

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
        suffixes: Suffixes,
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
