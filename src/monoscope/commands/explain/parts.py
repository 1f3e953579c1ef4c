"""What labels are put together from: the indexed text, patterns, held-out text, effects."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Int, Integer

from monoscope.activations import ActivationStore, TokenRows
from monoscope.commands.open_run import OpenRun
from monoscope.dictionaries import SparseAutoencoder
from monoscope.errors import MissingInput
from monoscope.evaluate.marking import FeatureMarks, Marking
from monoscope.evaluate.tags import KINDS, Tags
from monoscope.features import FeatureIndex, FeaturePatterns, PatternOptions, PatternTally
from monoscope.features.firings import stream_firings
from monoscope.features.labels import Description, ExampleEffect
from monoscope.features.passages import passages
from monoscope.features.patterns import Examples, activations_at_the_end, find_patterns, token_patterns
from monoscope.features.record import FeatureRecord
from monoscope.intervene.stretches import Stretches, stretch_effects
from monoscope.manifest import is_complete
from monoscope.models import LanguageModel

Progress = Callable[[int, int], None]
MARKED = 0.5
"""F1 from which a feature is called by a concept: below, more of what it marks and should mark is wrong than right."""
LEAST_TAGGED = 20
"""Tokens of a concept in either half of the text below which no feature is called by it."""


@dataclass(frozen=True)
class Text:
    """The text that an index was made from, as its examples refer to it."""

    tokens: Integer[np.ndarray, "row token"]
    """Token ids."""
    passage: Int[np.ndarray, " position"]
    """Passage number by position."""

    @classmethod
    def of(cls, index: FeatureIndex) -> "Text":
        """The text of an index.

        Raises:
            MissingInput: the index was made without its state.
        """
        if not is_complete(index.folder / "rows"):
            raise MissingInput(
                f"the index in {index.folder} was made without its state, so its documents are not known",
                "index again with keep_state, or explain with --pattern-examples 0 --examples 0",
            )
        rows = TokenRows.open(index.folder / "rows")
        return cls(rows.tokens, passages(rows))


@dataclass(frozen=True)
class Found:
    """Patterns of every feature, and the baseline's."""

    patterns: Sequence[FeaturePatterns] = ()
    """Those found by running the model."""
    baseline: Sequence[FeaturePatterns] = ()
    """The tokens of the same examples and nothing else."""


def found_patterns(
    opened: OpenRun, index: FeatureIndex, text: Text, most: int, options: PatternOptions, progress: Progress
) -> Found:
    """The patterns of all features, in ``most`` examples of each, and the tokens of these examples."""
    examples = Examples.of_records(map(index.record, index.alive.tolist()), most)
    largest = index.statistics()["max_activation"].astype(np.float64)
    tokens = text.tokens.reshape(-1)
    activate = activations_at_the_end(opened.lm, opened.model_dictionary)
    patterns = find_patterns(
        examples, tokens, text.passage, activate, largest=largest, options=options, progress=progress
    )
    return Found(patterns, token_patterns(examples, tokens, largest=largest))


@dataclass(frozen=True)
class Heldout:
    """What came of the text kept apart."""

    hash: str
    """Content hash of its activations."""
    n_tokens: int
    """Tokens of it that were read."""
    found: Found = field(default_factory=Found)
    """The patterns with their scores."""
    concepts: tuple[str, ...] = ()
    """Concepts that it is tagged with often enough in either half."""
    marks: FeatureMarks | None = None
    """What each feature marks; None where nothing is tagged."""

    def planted(self, feature: int) -> Description | None:
        """The concept that a feature may be called by; None where it marks none well enough."""
        marks = self.marks
        if marks is None or marks.f1[feature] < MARKED:
            return None
        scores = {name: float(getattr(marks, name)[feature]) for name in ("f1", "precision", "recall")}
        return Description(
            "planted", self.concepts[marks.concept[feature]], scores, KINDS[marks.kind[feature]]
        )


def read_heldout(
    opened: OpenRun, index: FeatureIndex, found: Found, n_tokens: int, options: PatternOptions
) -> Heldout:
    """Score patterns and look for planted concepts in one reading of the text kept apart."""
    store = opened.heldout_site(n_tokens)
    rows = _first_rows(store, n_tokens)
    tokens, passage = store.rows.tokens.reshape(-1), passages(store.rows)
    context = store.rows.context
    positions = store.positions[: np.searchsorted(store.positions, rows.stop * context)]
    tags = Tags.of(store.rows, len(positions))
    concepts = _shown_in_both_halves(tags, store.rows.concepts)
    marking = Marking(index.n_features, positions) if concepts else None
    tallies = [PatternTally(each, options.thresholds) for each in (found.patterns, found.baseline) if each]
    with opened.reporter.stage("kept apart") as advance:
        for firings in stream_firings(
            opened.model_dictionary,
            store,
            rows=rows,
            progress=lambda done, total: advance(done, min(total, len(positions))),
        ):
            here = np.arange(firings.rows.start * context, firings.rows.stop * context)
            for tally in tallies:
                tally.update(firings, tokens, passage, here)
            if marking is not None:
                marking.update(firings)
    return Heldout(
        store.hash,
        len(positions),
        Found(*(tally.scored() for tally in tallies)),
        concepts,
        None if marking is None else marking.marks(tags.members, concepts, least=LEAST_TAGGED),
    )


def _shown_in_both_halves(tags: Tags, concepts: Sequence[str]) -> tuple[str, ...]:
    """The concepts of which a kind has ``LEAST_TAGGED`` tokens in each half."""
    half = tags.n_tokens // 2

    def least(concept: str, kind: str) -> int:
        first = int(np.count_nonzero(tags.of_concept(concept, kind) < half))
        return min(first, tags.count(concept, kind) - first)

    return tuple(each for each in concepts if max(least(each, kind) for kind in KINDS) >= LEAST_TAGGED)


def _first_rows(store: ActivationStore, n_tokens: int) -> range:
    """Whole rows of at most ``n_tokens`` usable tokens, and one in any case."""
    ends = np.cumsum(np.count_nonzero(store.rows.usable, axis=1))
    return range(max(1, int(np.searchsorted(ends, n_tokens, side="right"))))


@dataclass(frozen=True)
class Effects:
    """Runs examples with and without their feature."""

    lm: LanguageModel
    """The model."""
    dictionary: SparseAutoencoder
    """A dictionary of its activations."""
    text: Text
    """What the examples refer to."""
    examples: int
    """Strongest examples of a feature that are run."""
    vocabulary: list[str]
    """Text of every token."""

    def of(
        self, records: Sequence[FeatureRecord], progress: Progress | None = None
    ) -> list[tuple[ExampleEffect, ...]]:
        """The effects of some features, in the order of their records; ``progress`` is told of examples."""
        chosen = [
            [each for each in record.examples if each.kind == "top"][: self.examples] for record in records
        ]
        asked = [
            (record.feature, each.position, each.start, each.start + len(each.tokens) - 1)
            for record, examples in zip(records, chosen, strict=True)
            for each in examples
        ]
        feature, position, first, last = np.array(asked, np.int64).reshape(-1, 4).T
        row, context = position // self.text.tokens.shape[1], self.text.tokens.shape[1]
        stretches = Stretches(
            feature, row, first - row * context, last - row * context, position - row * context
        )
        found = stretch_effects(self.lm, self.dictionary, self.text.tokens, stretches, progress=progress)
        # What follows is the same text, or the text has ended.
        after = np.minimum(position + 1, len(self.text.passage) - 1)
        goes_on = (self.text.passage[after] == self.text.passage[position]) & (after > position)
        effects = iter(
            ExampleEffect(
                int(position[number]),
                tuple(_known(found.loss[number, : last[number] - first[number] + 1])),
                _known(found.next[number : number + 1])[0] if goes_on[number] else None,
                self._named(found.promoted[number], found.promoted_by[number], 1),
                self._named(found.suppressed[number], found.suppressed_by[number], -1),
            )
            for number in range(len(asked))
        )
        return [tuple(next(effects) for _ in examples) for examples in chosen]

    def _named(
        self, tokens: np.ndarray, values: np.ndarray, sign: int
    ) -> tuple[tuple[str, float | None], ...]:
        """Tokens that were moved in the direction of ``sign``: where few were, the list is short."""
        pairs = zip(tokens.tolist(), values.tolist(), strict=True)
        return tuple((self.vocabulary[token], value) for token, value in pairs if sign * value > 0)


def _known(values: np.ndarray) -> list[float | None]:
    return [None if np.isnan(value) else value for value in values.tolist()]
