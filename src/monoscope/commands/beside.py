"""Dictionaries beside a run's own, narrower ones and ones of other seeds: what splits, and what is found again."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest

from monoscope.commands.analyse import analyse
from monoscope.commands.indexing import index_store
from monoscope.commands.open_run import OpenRun
from monoscope.commands.recipe import Recipe
from monoscope.commands.run_folder import RunFolder
from monoscope.dictionaries import AutoencoderOptions, BatchTopK, TopK
from monoscope.errors import WrongUse
from monoscope.features import FeatureIndex
from monoscope.manifest import is_complete, read_manifest
from monoscope.train import Wanted, train_many


@dataclass(frozen=True)
class Beside:
    """A dictionary beside the run's own."""

    name: str
    """Its folder, under the run's ``beside``."""
    recipe: Recipe
    """What it is, and how it is learnt."""


def compared(recipe: Recipe) -> dict[str, list[Beside]]:
    """Analysis -> the dictionaries that it compares the run's own with; analyses without any are left out."""
    options = recipe.beside
    # Which tokens come when is the same for all: that is what lets them share one reading.
    training = replace(recipe.training, n_tokens=options.n_tokens, order_seed=recipe.training.order)
    alike = replace(recipe, training=training, beside=type(options)())
    widths = [
        Beside(f"{width}-features", replace(alike, dictionary=as_wide(recipe.dictionary, width, k)))
        for width, k in zip_longest(options.widths, options.k)
    ]
    seeds = [
        Beside(f"seed-{seed}", replace(alike, training=replace(training, seed=seed)))
        for seed in options.seeds
    ]
    return {name: those for name, those in (("splitting", widths), ("universality", seeds)) if those}


def as_wide(options: AutoencoderOptions, width: int, k: int | None) -> AutoencoderOptions:
    """A dictionary's options at another width.

    Raises:
        WrongUse: a k was given, and what makes codes sparse has none.
    """
    sparsifier = options.sparsifier
    if k is not None:
        if not isinstance(sparsifier, TopK | BatchTopK):
            raise WrongUse(
                f"beside.k = {k}, and {sparsifier.name} keeps no fixed number of features", "leave it out"
            )
        sparsifier = replace(sparsifier, k=k)
    return replace(options, n_features=width, sparsifier=sparsifier)


def is_compared(run: OpenRun) -> bool:
    """Whether all comparisons are there, of the run's dictionary as it is."""
    places = [run.folder.analyses / name for name in compared(run.recipe)]
    return all(
        is_complete(place) and read_manifest(place, "analysis").parents["dictionary"] == run.dictionary_hash
        for place in places
    )


def do_compare(run: OpenRun) -> None:
    """Learn the dictionaries beside, note what their features fire on, and ask the analyses."""
    wanted = compared(run.recipe)
    runs = {each.name: begun(run, each) for those in wanted.values() for each in those}
    learn(run, list(runs.values()))
    for each in runs.values():
        # Enough to name its features.
        if not FeatureIndex.is_there(each.folder.features):
            index_store(each, run.calibration())
    for name, those in wanted.items():
        paths = [runs[each.name].folder.path for each in those]
        analyse(run, name, paths, [f"n_tokens={run.recipe.beside.n_compared}"])


def begun(run: OpenRun, beside: Beside) -> OpenRun:
    """A run in a folder beside, of this run's model and activations.

    Raises:
        WrongUse: another was begun there.
    """
    folder = RunFolder(run.folder.beside / beside.name)
    activations = run.recipe.activations or str(run.folder.activations / "training")
    recipe = replace(beside.recipe, activations=activations)
    folder.begin(recipe, run.folder.manifest().parents)
    return OpenRun(folder, recipe, run.reporter, lm=run.lm, corpus=run.corpus)


def learn(run: OpenRun, beside: Sequence[OpenRun]) -> None:
    """Learn those that are not there yet, all from one reading."""
    missing = [each for each in beside if not is_complete(each.folder.dictionary)]
    if not missing:
        return
    wanted = [
        Wanted(options=each.recipe.dictionary, training=each.recipe.training, out=each.folder.dictionary)
        for each in missing
    ]
    store = run.training()
    with run.reporter.stage("train beside") as advance:
        train_many(store, wanted, site=str(run.site), parents=run.parents, progress=advance)
