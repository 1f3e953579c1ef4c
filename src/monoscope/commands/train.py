"""``monoscope train``: learn a dictionary, as the first half of a run."""

import tomllib
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from time import monotonic
from typing import Annotated, Any

import tyro

from monoscope.activations import ActivationStore
from monoscope.activations.harvest import HarvestOptions
from monoscope.commands.dials import Dials, turned
from monoscope.commands.harvest import SOURCE
from monoscope.commands.open_run import OpenRun
from monoscope.commands.progress import Reporter
from monoscope.commands.recipe import Recipe
from monoscope.commands.run import make, through
from monoscope.commands.run_folder import RunFolder
from monoscope.commands.stages import STAGES, Renew, learn
from monoscope.errors import MismatchedArtefact, WrongUse, nearest
from monoscope.train import Mesh, TrainOptions, read_metrics, torchrun
from monoscope.train.sharding import check_mesh

HARVEST, TRAINING = STAGES[:2]
"""The stages that there are in such a run."""


@dataclass(frozen=True, kw_only=True)
class TrainCommand:
    """Learn a dictionary from stored activations, or from a model and a corpus that are harvested first.

    The result is a run: ``monoscope index``, ``evaluate``, ``features`` and ``steer`` take it.

    ``torchrun --nproc-per-node 4 -m monoscope train ...`` learns it in four processes, and any other number of them
    goes on with it.
    """

    out: Annotated[Path, tyro.conf.arg(metavar="RUN")]
    """Folder of the run."""
    activations: Annotated[Path | None, tyro.conf.arg(metavar="DIR", help_behavior_hint="")] = None
    """Folder of activations to learn from; in their place, name a model and a corpus."""
    dials: Annotated[Dials, tyro.conf.arg(name="")] = field(default_factory=Dials)
    """What is learnt from what."""
    training: TrainOptions = field(default_factory=TrainOptions)
    """How it is learnt; --tokens and --seed are short for two of these."""
    feature_ranks: Annotated[int | None, tyro.conf.arg(metavar="N", help_behavior_hint="(default: all)")] = (
        None
    )
    """Of the processes that torchrun started, how many share the features; groups of so many share the batch."""


def train_to(options: TrainCommand, *, reporter: Reporter | None = None) -> dict[str, Any]:
    """Learn a dictionary, or go on where that was stopped.

    Returns:
        ``run``, ``dictionary`` (folders), ``hash``, ``site``, ``n_features``, ``d_model``, ``tokens``, ``seconds``, and
        the last line of the training log: ``fvu``, ``l0``, ``dead_share`` and others.

    Raises:
        SystemExit: this is one of several processes, and not the first, which alone has a result.
    """
    with torchrun(options.feature_ranks) as mesh:
        if mesh.first:
            others = Others(mesh)
            try:
                return learnt(options, reporter or Reporter(), others)
            finally:
                others.dismiss()
        try:
            help_learn(options, mesh)
        except KeyboardInterrupt:
            raise SystemExit(1) from None
        raise SystemExit(0)


class Others:
    """The processes beside the first: they wait until it has prepared what is learnt from."""

    def __init__(self, mesh: Mesh) -> None:
        self.mesh = mesh
        self.wait = True

    def call(self) -> None:
        """Let them learn."""
        self.wait = False
        self.mesh.agree(False)

    def dismiss(self) -> None:
        """Let them go if they wait: there is nothing to learn, or it could not be prepared."""
        if self.wait:
            self.wait = False
            self.mesh.agree(True)


def help_learn(options: TrainCommand, mesh: Mesh) -> None:
    """Learn with the first process when it calls."""
    (dismissed,) = mesh.agree(False)
    if not dismissed:
        run = OpenRun.at(options.out, Reporter())
        store = ActivationStore.open(run.recipe.activations or run.folder.activations / "training")
        learn(run, store, lambda now: None, mesh)


def learnt(options: TrainCommand, reporter: Reporter, others: Others) -> dict[str, Any]:
    """What :func:`train_to` returns, from the first process."""

    def do(run: OpenRun, renew: Renew) -> None:
        store = run.training()
        others.call()
        learn(run, store, renew, others.mesh)

    began = monotonic()
    folder = RunFolder(options.out)
    if folder.begun:
        base = folder.recipe()
        if options.training != TrainOptions():
            base = replace(base, training=options.training)
    else:
        base = Recipe(training=options.training)
    recipe, training = turned(base, options.dials), replace(TRAINING, do=do)
    check_mesh(recipe.dictionary, recipe.training, others.mesh)
    if options.activations is None:
        make(folder, recipe, reporter=reporter, keep_activations=True, stages=(HARVEST, training))
    else:
        opened = from_store(folder, base, options.activations, options.dials)
        with folder.held():
            through(OpenRun(folder, opened, reporter), (training,), lambda path: None)
    run = OpenRun(folder, folder.recipe(), reporter)
    return outcome(run) | {"seconds": round(monotonic() - began, 2)}


def outcome(run: OpenRun) -> dict[str, Any]:
    """What has been learnt, and the last line of the log."""
    folder, dictionary = run.folder, run.dictionary
    log = folder.dictionary / "metrics.jsonl"
    last = read_metrics(log)[-1] if log.is_file() else {}
    return {
        **last,
        "run": str(folder),
        "dictionary": str(folder.dictionary),
        "hash": dictionary.hash,
        "site": dictionary.site,
        "n_features": dictionary.n_features,
        "d_model": dictionary.d_model,
        "tokens": run.recipe.training.n_tokens,
    }


def from_store(folder: RunFolder, base: Recipe, activations: Path, dials: Dials) -> Recipe:
    """Begin a run that learns from activations harvested before; no model is loaded for it.

    Raises:
        WrongUse: the store holds several sites and none is named, or not the one that is named.
        MismatchedArtefact: a named model or corpus is not what the store was harvested from.
    """
    place = activations.expanduser().resolve()
    store = ActivationStore.open(place)
    origin = tomllib.loads((place / SOURCE).read_text(encoding="utf-8")) if (place / SOURCE).is_file() else {}
    recipe = turned(base, dials)
    for name in ("model", "corpus"):
        asked = getattr(dials, name)
        if asked is not None and origin and getattr(recipe, name) != origin[name]:
            raise MismatchedArtefact(
                f"{place} was harvested from the {name} {origin[name]}, not from {asked}",
                f"leave --{name} out: the activations say what they were harvested from",
            )
    site = dials.site or (store.site_names[0] if len(store.site_names) == 1 else "")
    if site not in store.site_names:
        there = nearest(site, store.site_names)
        raise WrongUse(
            f"{place} holds no activations of {site}"
            if site
            else f"{place} holds several sites, and none is named",
            f"give --site: {there}",
        )
    known = {entry.name for entry in fields(HarvestOptions)}
    harvested = {name: value for name, value in store.manifest.options.items() if name in known}
    recipe = replace(
        recipe,
        model=origin.get("model", recipe.model),
        corpus=origin.get("corpus", recipe.corpus),
        site=site,
        activations=str(place),
        harvest=HarvestOptions(**harvested),
    )
    parents = {name: store.manifest.parents[name] for name in ("model", "tokenizer", "corpus")}
    folder.begin(recipe, parents)
    return recipe


def train_to_text(result: dict[str, Any]) -> str:
    """The result for people."""
    metrics = ", ".join(
        f"{name} {result[name]:.3g}" for name in ("fvu", "l0", "dead_share") if name in result
    )
    return (
        f"{result['n_features']:,} features of {result['site']} in {result['seconds']:.0f} s ({metrics})\n"
        f"{where_time_went(result)}"
        f"run: {result['run']}"
    )


def where_time_went(result: dict[str, Any]) -> str:
    """A line of the shares of training's time; nothing where nothing was trained."""
    named = {
        "stream": "reading activations",
        "dictionary": "the dictionary",
        "keeping": "log and checkpoints",
    }
    told = [
        f"{words} {result[f'{part}_share']:.0%}" for part, words in named.items() if f"{part}_share" in result
    ]
    return f"time: {', '.join(told)}\n" if told else ""
