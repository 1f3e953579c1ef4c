"""``monoscope sweep``: a dictionary for every combination of some settings, from one reading of the activations."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, fields, replace
from itertools import product
from pathlib import Path
from time import monotonic
from typing import Annotated, Any

import tyro

from monoscope.activations import ActivationStore
from monoscope.commands.arguments import value_of
from monoscope.commands.dials import Dials, turned
from monoscope.commands.harvest import HarvestCommand, harvest_to
from monoscope.commands.open_run import OpenRun
from monoscope.commands.progress import Reporter
from monoscope.commands.recipe import Recipe, built
from monoscope.commands.run import middle, record_seconds, through
from monoscope.commands.run_folder import RunFolder
from monoscope.commands.train import TRAINING, from_store, outcome
from monoscope.errors import WrongUse, nearest
from monoscope.models import load_model
from monoscope.train import TrainOptions, Wanted, train_many
from monoscope.train.trainer import check_shared

Setting = dict[str, Any]
"""Name -> value of what one dictionary of a sweep has for itself."""

DIALS = tuple(
    entry.name for entry in fields(Dials) if entry.name not in ("model", "corpus", "site", "tokens")
)
"""Short names of settings that dictionaries of the same activations can differ in."""
TABLES = ("dictionary.", "training.")
"""Tables of a recipe whose other settings can be named in full."""
SHOWN = ("fvu", "l0", "dead_share")
"""Figures of the table for people."""


@dataclass(frozen=True, kw_only=True)
class SweepCommand:
    """Learn a dictionary for every combination of some settings; the activations are read once for all of them.

    monoscope sweep --over k=8,16,32 --over n-features=1024,4096 --out SWEEP learns six, each a run in a folder of
    SWEEP: monoscope index, evaluate, features and steer take them.
    """

    over: Annotated[tuple[str, ...], tyro.conf.UseAppendAction, tyro.conf.arg(metavar="NAME=A,B,...")]
    """A setting and its values: k, n-features, l0, l1, sparsifier, seed, or for instance training.learning-rate."""
    out: Annotated[Path, tyro.conf.arg(metavar="SWEEP")]
    """Folder of the runs."""
    activations: Annotated[Path | None, tyro.conf.arg(metavar="DIR", help_behavior_hint="")] = None
    """Folder of activations to learn from; in their place, name a model and a corpus."""
    dials: Annotated[Dials, tyro.conf.arg(name="")] = field(default_factory=Dials)
    """What they have in common."""
    training: TrainOptions = field(default_factory=TrainOptions)
    """How all of them are learnt."""


def sweep(options: SweepCommand, *, reporter: Reporter | None = None) -> dict[str, Any]:
    """Learn the dictionaries, or go on where that was stopped.

    Returns:
        ``sweep`` (the folder), ``seconds``, and ``runs``: of each ``settings``, and what ``monoscope train`` tells.

    Raises:
        WrongUse: a setting does not exist, or not that value of it.
        MonoscopeError: whatever harvesting and training raise.
    """
    began, reporter = monotonic(), reporter or Reporter()
    settings = combinations(options.over)
    base = Recipe(training=options.training)
    # Which tokens come when is the same for all, whatever seeds they have: that is what lets them share.
    shared = {"training": {"order_seed": turned(base, options.dials).training.order}}
    recipes = [varied(base, shared | full_names(setting)) for setting in settings]
    # What is harvested here has one site, by whatever name it was asked for.
    common = options.dials if options.activations else replace(options.dials, site=None)
    dials = [with_dials(common, setting) for setting in settings]
    check_shared([wanted(turned(recipe, turn)) for recipe, turn in zip(recipes, dials, strict=True)])
    activations = options.activations or harvested(options, reporter)
    folders = [RunFolder(options.out / folder_name(setting)) for setting in settings]
    store = ActivationStore.open(activations)
    with ExitStack() as held:
        runs = []
        for folder, recipe, turn in zip(folders, recipes, dials, strict=True):
            held.enter_context(folder.held())
            runs.append(OpenRun(folder, from_store(folder, recipe, activations, turn), reporter))
        learn_all([run for run in runs if not TRAINING.is_done(run)], store, reporter)
        for run in runs:
            through(run, (TRAINING,), lambda path: None)
    told = [{"settings": setting} | outcome(run) for setting, run in zip(settings, runs, strict=True)]
    seconds = round(monotonic() - began, 2)
    return {"sweep": str(options.out.expanduser().resolve()), "seconds": seconds, "runs": told}


def combinations(over: Sequence[str]) -> list[Setting]:
    """Every combination of the values of the settings.

    Raises:
        WrongUse: there is no setting, one that does not exist, or one twice.
    """
    axes: dict[str, list[Any]] = {}
    for words in over:
        told, _, values = words.partition("=")
        name = told.strip().replace("-", "_")
        if name not in DIALS and not name.startswith(TABLES):
            raise WrongUse(
                f"--over {words} names no setting that dictionaries can differ in", nearest(name, DIALS)
            )
        if name in axes or not values.strip(", "):
            raise WrongUse(
                f"--over {words} {'is given twice' if name in axes else 'has no values'}",
                "give for instance --over k=8,16,32",
            )
        axes[name] = list(
            dict.fromkeys(value_of(value.strip()) for value in values.split(",") if value.strip())
        )
    if not axes:
        raise WrongUse("a sweep over nothing is one dictionary", "give --over, or use monoscope train")
    return [dict(zip(axes, values, strict=True)) for values in product(*axes.values())]


def full_names(setting: Setting) -> dict[str, Any]:
    """Nested tables of the settings that are named in full."""
    tables: dict[str, Any] = {}
    for name, value in setting.items():
        *path, last = name.split(".")
        table = tables
        for part in path:
            table = table.setdefault(part, {})
        if path:
            table[last] = value
    return tables


def with_dials(common: Dials, setting: Setting) -> Dials:
    """The dials that all have in common, and those of one setting.

    Raises:
        WrongUse: a dial has a value that it cannot have.
    """
    own = {name: value for name, value in setting.items() if name in DIALS}
    built(Dials, own, "--over")
    return replace(common, **own)


def wanted(recipe: Recipe, out: Path | None = None) -> Wanted:
    """The dictionary of a recipe."""
    return Wanted(options=recipe.dictionary, training=recipe.training, out=out)


def varied(base: Recipe, changes: Mapping[str, Any]) -> Recipe:
    """A recipe with some values changed.

    Raises:
        WrongUse: an option does not exist, or has a value that it cannot have.
    """
    return Recipe.from_table(merged(base.to_table(), changes), "the recipe")


def merged(table: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """A nested table with others' values in the place of its own."""
    together = dict(table)
    for name, value in changes.items():
        own = together.get(name)
        nested = isinstance(own, Mapping) and isinstance(value, Mapping)
        together[name] = merged(own, value) if nested else value  # type: ignore[arg-type]
    return together


def folder_name(setting: Setting) -> str:
    """What the run of a setting is called: ``k-8_n_features-1024``."""
    return "_".join(f"{name.rpartition('.')[2]}-{value}" for name, value in setting.items())


def harvested(options: SweepCommand, reporter: Reporter) -> Path:
    """Folder of the activations that all learn from, harvested unless they are there."""
    recipe = turned(Recipe(training=options.training), options.dials)
    site = recipe.site or middle(load_model(recipe.model))
    out = options.out / "activations"
    harvest_to(
        HarvestCommand(
            model=recipe.model, corpus=recipe.corpus, site=(site,), out=out, harvest=recipe.harvest
        ),
        reporter=reporter,
    )
    return out


def learn_all(runs: Sequence[OpenRun], store: ActivationStore, reporter: Reporter) -> None:
    """Learn the dictionaries of these runs together."""
    if not runs:
        return
    began = monotonic()
    dictionaries = [wanted(run.recipe, run.folder.dictionary) for run in runs]
    with reporter.stage("train") as advance:
        train_many(store, dictionaries, site=str(runs[0].site), parents=runs[0].parents, progress=advance)
    for run in runs:
        record_seconds(run.folder, TRAINING.name, monotonic() - began)


def sweep_text(result: dict[str, Any]) -> str:
    """The result for people."""
    names = list(result["runs"][0]["settings"])
    heads = [*names, *SHOWN, "run"]
    rows = [
        [
            *(str(run["settings"][name]) for name in names),
            *(f"{run[name]:.3g}" if name in run else "" for name in SHOWN),
            Path(run["run"]).name,
        ]
        for run in result["runs"]
    ]
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in (heads, *rows)
    ]
    n_runs = len(result["runs"])
    return "\n".join(
        [*(line.rstrip() for line in lines), f"{n_runs} runs in {result['seconds']:.0f} s: {result['sweep']}"]
    )
