"""The command: its options, and what it makes of a run."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from time import monotonic
from typing import Annotated, Any, Literal, get_args

import numpy as np
import tyro
from jaxtyping import Float

from monoscope.commands.explain.parts import Effects, Found, Heldout, Text, found_patterns, read_heldout
from monoscope.commands.explain.summary import pattern_figures, told
from monoscope.commands.indexing import direct_effects
from monoscope.commands.open_run import OpenRun
from monoscope.commands.page import Page
from monoscope.commands.progress import Reporter
from monoscope.commands.run import FINAL
from monoscope.commands.stages import stages_of
from monoscope.errors import UnknownName, WrongUse, nearest
from monoscope.features import FeatureIndex, PatternOptions
from monoscope.features.labels import (
    METHODS,
    ExampleEffect,
    FeatureLabel,
    Labels,
    described,
    near_words,
    write_labels,
)
from monoscope.features.labels.database import LAYOUT
from monoscope.features.logits import chance_deviation, strongest_deviations
from monoscope.manifest import is_complete, read_manifest
from monoscope.models import load_model

Precision = Literal["float32", "auto"]
"""What the model is run in, with and without a feature."""
FEWER = tyro.conf.arg(metavar="N", help_behavior_hint="(default: 3, fewer where features are many)")
MOST_RUNS = 8192
"""Examples that are run without being asked for, where features are many."""
TOGETHER = 2048
"""Examples that are run in one go: those that end at about the same token share a batch."""


@dataclass(frozen=True, kw_only=True)
class ExplainCommand:
    """Describe every feature of a run without a language model, each description with its score.

    By the tokens it fires on, the words around it, n-gram patterns (scored on text that was kept apart), the tokens
    it promotes, and the concept that it marks where the corpus is tagged. Its strongest examples are run again without
    it, to see what the model loses.
    """

    run: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="RUN")]
    """Folder of the run."""
    examples: Annotated[int | None, FEWER] = None
    """Examples of each feature that are run again without it; 0: none."""
    pattern_examples: int = 8
    """Examples of each feature that patterns are looked for in; 0: no patterns."""
    heldout_tokens: int = 200_000
    """Tokens of held-out text that patterns and concepts are scored on, at most."""
    precision: Annotated[Precision, tyro.conf.arg(metavar="float32|auto")] = "float32"
    """What examples are run in: in bfloat16, which auto may choose, a loss is good to some hundredths of a nat."""
    seed: int = 0
    """Seed of the texts that patterns are tried in."""

    def __post_init__(self) -> None:
        for name, least in {"examples": 0, "pattern_examples": 0, "heldout_tokens": 1, "seed": 0}.items():
            value = getattr(self, name)
            if value is not None and value < least:
                raise WrongUse(
                    f"--{name.replace('_', '-')} {value} is below {least}", f"give {least} or more"
                )
        if self.precision not in get_args(Precision):
            raise UnknownName(
                f"{self.precision!r} is no precision", nearest(self.precision, get_args(Precision))
            )

    def resolved(self, n_features: int) -> "ExplainCommand":
        """The same with a number of examples: 3, or so many that ``MOST_RUNS`` are run in all, and one in any case."""
        if self.examples is not None:
            return self
        return replace(self, examples=max(1, min(3, MOST_RUNS // n_features)))

    @property
    def patterns(self) -> PatternOptions:
        """How patterns are looked for: shorter, and in fewer draws, than one would for a few features."""
        return PatternOptions(longest=8, draws=3, seed=self.seed)


@dataclass(frozen=True)
class Promotes:
    """How far the token that each feature promotes most stands out, in standard deviations over the vocabulary."""

    deviations: Float[np.ndarray, " n_features"]
    """See :func:`monoscope.features.logits.strongest_deviations`."""
    chance: float
    """What 95 % of random directions stay below."""
    median: float
    """Of the features that fire."""

    def of(self, feature: int) -> float | None:
        """A feature's; None where it stands out no more than a direction that means nothing."""
        value = float(self.deviations[feature])
        return value if value > self.chance else None


def explain_run(options: ExplainCommand, *, reporter: Reporter | None = None) -> dict[str, Any]:
    """Make the labels of a run's features, or read what came of it before.

    Labels of another index, or made with other options, are made anew; what is there stays until the new ones are
    complete.

    Returns:
        - ``run`` and ``labels``: folders;
        - ``n_features``, and ``methods``: how many features each describes;
        - ``patterns``: beside the token baseline, see :func:`monoscope.commands.explain.summary.pattern_figures`;
        - ``planted``: concepts ``tried`` (tagged often enough), ``concepts`` and ``features`` called by one; None where
          nothing is tagged;
        - ``promotes``: standard deviations, the ``median`` feature's and the ``chance`` that 95 % of random directions
          stay below: only what is above is told; None where directions don't reach the logits;
        - ``effects``: ``examples`` run again;
        - ``heldout_tokens`` read, and ``seconds`` of each part and of ``all`` this call.

    Raises:
        MissingInput: the run has no dictionary or no index, or its index was made without ``keep_state``.
        MismatchedArtefact: its parts were not made from each other.
    """
    began = monotonic()
    opened = OpenRun.at(options.run, reporter or Reporter())
    index = opened.features()
    options = options.resolved(index.n_features)
    with opened.folder.held():
        labels = _current(opened, index, options) or _made(opened, index, options)
        opened.folder.tidy()
    figures = labels.manifest.content["figures"]
    return {
        "run": str(opened.folder),
        "labels": str(labels.folder),
        "n_features": labels.n_features,
        **figures,
        "methods": {name: figures["methods"][name] for name in METHODS},
        "seconds": {**figures["seconds"], "all": round(monotonic() - began, 2)},
    }


explain_run_text = told
"""The result for people."""


def _options(options: ExplainCommand) -> dict[str, Any]:
    """What the labels depend on, as their manifest has it."""
    return json.loads(json.dumps({name: each for name, each in vars(options).items() if name != "run"}))


def _current(opened: OpenRun, index: FeatureIndex, options: ExplainCommand) -> Labels | None:
    """The labels that are there, if they are of this index and made with these options."""
    if not is_complete(opened.folder.labels):
        return None
    manifest = read_manifest(opened.folder.labels, "labels")
    made_from = (manifest.parents.get("features"), manifest.options, manifest.content.get("layout"))
    if made_from != (index.manifest.hash, _options(options), LAYOUT):
        return None
    return opened.labels(index)


def _made(opened: OpenRun, index: FeatureIndex, options: ExplainCommand) -> Labels:
    """Look for patterns, read the text kept apart, run the examples, write."""
    seconds: dict[str, float] = {}
    text, found = None, Found()
    if options.pattern_examples or options.examples:
        text = Text.of(index)
    if text is not None and options.pattern_examples:
        with _timed(seconds, "patterns"), opened.reporter.stage("patterns", "rounds") as advance:
            found = found_patterns(opened, index, text, options.pattern_examples, options.patterns, advance)
    with _timed(seconds, "heldout"):
        heldout = read_heldout(opened, index, found, options.heldout_tokens, options.patterns)
    effects = None
    if text is not None and options.examples:
        effects = _effects(opened, text, options)
    figures: dict[str, Any] = {
        "methods": dict.fromkeys(METHODS, 0),
        "patterns": pattern_figures(heldout.found.patterns, heldout.found.baseline),
        "planted": None
        if heldout.marks is None
        else {"tried": len(heldout.concepts), "concepts": 0, "features": 0},
        "promotes": None,
        "effects": {"examples": 0},
        "heldout_tokens": heldout.n_tokens,
        "seconds": seconds,
    }
    parents = {
        "dictionary": opened.dictionary_hash,
        "features": index.manifest.hash,
        "heldout": heldout.hash,
        "model": opened.lm.hash,
    }
    with opened.reporter.stage("labels", "features") as advance:
        promotes = _promotes(opened, index, options.seed)
        figures["promotes"] = promotes and {"chance": promotes.chance, "median": promotes.median}
        made = _labels(opened, index, heldout, effects, promotes, advance)
        labels = write_labels(
            opened.folder.labels,
            _counted(made, figures, monotonic()),
            parents=parents,
            options=_options(options),
            content={"figures": figures},
        )
    Page(opened).write(
        FINAL, [stage.name for stage in stages_of(opened.recipe)], complete=opened.folder.complete
    )
    return labels


def _effects(opened: OpenRun, text: Text, options: ExplainCommand) -> Effects:
    """What runs the examples, in the precision asked for."""
    lm = opened.lm
    if options.precision == "float32" and str(lm.dtype) != "torch.float32":
        lm = load_model(opened.recipe.model, dtype="float32")
    return Effects(lm, opened.model_dictionary, text, options.examples or 0, lm.vocabulary_strings())


def _labels(
    opened: OpenRun,
    index: FeatureIndex,
    heldout: Heldout,
    effects: Effects | None,
    promotes: Promotes | None,
    advance: Callable[[int, int], None],
) -> Iterator[FeatureLabel]:
    """The labels of all features, some at a time."""
    vocabulary, near = opened.lm.vocabulary_strings(), near_words(index)
    patterns = heldout.found.patterns
    size = max(1, TOGETHER // max(1, effects.examples)) if effects is not None else TOGETHER
    records = map(index.record, range(index.n_features))
    while block := list(islice(records, size)):
        run_again: Sequence[tuple[ExampleEffect, ...]] = [()] * len(block)
        if effects is not None:
            done = partial(_share_of_block, advance, block[0].feature, len(block), index.n_features)
            run_again = effects.of(block, done)
        for record, effect in zip(block, run_again, strict=True):
            feature = record.feature
            descriptions, shown = described(
                record,
                near[feature],
                None if promotes is None else promotes.of(feature),
                patterns[feature] if patterns else None,
                vocabulary,
            )
            planted = heldout.planted(feature)
            yield FeatureLabel(
                feature, (*descriptions, *([planted] if planted is not None else [])), shown, effect
            )
        advance(block[-1].feature + 1, index.n_features)


def _share_of_block(
    advance: Callable[[int, int], None], first: int, size: int, n_features: int, done: int, total: int
) -> None:
    """Tell how many features are done, from the examples of a block of them."""
    advance(first + size * done // total, n_features)


def _promotes(opened: OpenRun, index: FeatureIndex, seed: int) -> Promotes | None:
    """How far what features promote stands out; None where directions don't reach the logits."""
    weights = direct_effects(opened.lm, opened.site)
    if weights is None:
        return None
    directions = opened.model_dictionary.directions
    found = strongest_deviations(directions, weights)
    chance = chance_deviation(directions.shape[1], weights, seed=seed)
    return Promotes(found, chance, float(np.median(found[index.alive])))


def _counted(labels: Iterator[FeatureLabel], figures: dict[str, Any], began: float) -> Iterator[FeatureLabel]:
    """The same labels; what they hold is counted in ``figures`` as they pass."""
    concepts: Counter[str] = Counter()
    for label in labels:
        for description in label.descriptions:
            figures["methods"][description.method] += 1
            if description.method == "planted":
                concepts[description.text] += 1
        figures["effects"]["examples"] += len(label.effects)
        yield label
    if figures["planted"] is not None:
        figures["planted"] |= {"concepts": len(concepts), "features": concepts.total()}
    figures["seconds"]["labels"] = round(monotonic() - began, 2)


@contextmanager
def _timed(seconds: dict[str, float], name: str) -> Iterator[None]:
    began = monotonic()
    yield
    seconds[name] = round(monotonic() - began, 2)
