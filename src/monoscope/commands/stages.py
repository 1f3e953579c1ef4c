"""The stages of a run. Each makes one artefact, its manifest last, and can tell whether it is there already."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from monoscope.activations import ActivationStore
from monoscope.commands.beside import compared, do_compare, is_compared
from monoscope.commands.glimpse import glimpse
from monoscope.commands.indexing import index_store
from monoscope.commands.open_run import OpenRun
from monoscope.commands.recipe import Recipe
from monoscope.commands.run_folder import check_parents, write_record, write_text
from monoscope.commands.showcase import showcase
from monoscope.errors import MismatchedArtefact
from monoscope.evaluate.report import evaluate
from monoscope.features import FeatureIndex
from monoscope.manifest import check_parent, is_complete, read_manifest
from monoscope.train import ALONE, Mesh, train

Renew = Callable[[bool], None]
"""Writes the page again: True now, False when that is due."""


def is_harvested(run: OpenRun) -> bool:
    """Whether what the dictionary learns from is there, or no longer needed."""
    return run.harvested() or (is_trained(run) and is_indexed(run))


def do_harvest(run: OpenRun, renew: Renew) -> None:
    """Read the corpus; the first picture comes before the bulk of it."""
    if not run.folder.glimpse.is_file():
        picture = glimpse(run.lm, run.calibration(), run.neuron_site)
        write_text(run.folder.glimpse, json.dumps(picture, ensure_ascii=False))
        renew(True)
    run.training()


def is_trained(run: OpenRun) -> bool:
    """Whether the dictionary is there.

    Raises:
        MismatchedArtefact: there is one, and it is not the one that this run describes.
    """
    folder = run.folder.dictionary
    if not is_complete(folder):
        return False
    manifest = read_manifest(folder, "dictionary")
    check_parents(folder, manifest, run.parents)
    made, asked = manifest.content["dictionary"], run.recipe.dictionary.to_record()
    if made != asked:
        raise MismatchedArtefact(
            f"{folder} was made as {made}, and {run.folder.recipe_file} says {asked}",
            "put back the dictionary that this run made, or begin anew in another folder",
        )
    return True


def do_train(run: OpenRun, renew: Renew) -> None:
    """Learn the dictionary."""
    learn(run, run.training(), renew)


def learn(run: OpenRun, store: ActivationStore, renew: Renew, mesh: Mesh = ALONE) -> None:
    """Learn the dictionary of a run, with the other processes of the mesh."""
    with run.reporter.stage("train") as advance:

        def both(done: int, total: int) -> None:
            advance(done, total)
            renew(False)

        train(
            store,
            run.recipe.dictionary,
            run.recipe.training,
            out=run.folder.dictionary,
            site=str(run.site),
            parents=run.parents,
            progress=both,
            mesh=mesh,
        )


def is_indexed(run: OpenRun) -> bool:
    """Whether the index is there, made with the options of this run and in the layout of this version.

    Raises:
        MismatchedArtefact: there is one, of another dictionary.
    """
    folder = run.folder.features
    if not FeatureIndex.is_there(folder):
        return False
    manifest = read_manifest(folder, "features")
    check_parent(folder, manifest, "dictionary", run.dictionary_hash)
    return manifest.options == asdict(run.recipe.index)


def do_index(run: OpenRun, renew: Renew) -> None:
    """Note what every feature fires on and writes."""
    index_store(run, run.training())


def is_evaluated(run: OpenRun) -> bool:
    """Whether the report card is there, made with the options of this run."""
    return _is_made(run, run.folder.evaluation, "evaluation", asdict(run.recipe.evaluation))


def do_evaluate(run: OpenRun, renew: Renew) -> None:
    """Measure the dictionary beside its baselines, on text that was kept apart."""
    dictionary, calibration, heldout = run.model_dictionary, run.calibration(), run.heldout()
    options = run.recipe.evaluation
    with run.reporter.stage("evaluate") as advance:
        report = evaluate(run.lm, dictionary, heldout, calibration, options=options, progress=advance)
    parents = {"dictionary": run.dictionary_hash, "heldout": heldout.hash, "calibration": calibration.hash}
    write_record(
        run.folder.evaluation, "evaluation", "report.json", report, options=asdict(options), parents=parents
    )


def is_shown(run: OpenRun) -> bool:
    """Whether one feature has been shown at work, with the options of this run."""
    return _is_made(run, run.folder.showcase, "showcase", asdict(run.recipe.showcase))


def do_showcase(run: OpenRun, renew: Renew) -> None:
    """Turn one feature up."""
    options, features = run.recipe.showcase, run.features()
    with run.reporter.stage("showcase", "steps") as advance:
        shown = showcase(run.lm, run.model_dictionary, features, run.corpus, options, advance)
    parents = {"dictionary": run.dictionary_hash, "features": features.manifest.hash}
    write_record(
        run.folder.showcase, "showcase", "showcase.json", shown, options=asdict(options), parents=parents
    )


def _is_made(run: OpenRun, folder: Path, kind: str, options: dict[str, Any]) -> bool:
    """Whether a record is there that was made with these options from this run's dictionary.

    Raises:
        MismatchedArtefact: there is one of another dictionary.
    """
    if not is_complete(folder):
        return False
    manifest = read_manifest(folder, kind)
    check_parents(folder, manifest, {"dictionary": run.dictionary_hash})
    return manifest.options == json.loads(json.dumps(options))


@dataclass(frozen=True)
class Stage:
    """One step of the line."""

    name: str
    """What it is called in records and on the page."""
    is_done: Callable[[OpenRun], bool]
    """Whether its artefact is there and fits."""
    do: Callable[[OpenRun, Renew], None]
    """Makes the artefact."""
    is_wanted: Callable[[Recipe], bool] = lambda recipe: True
    """Whether a recipe asks for it."""


STAGES: tuple[Stage, ...] = (
    Stage("harvest", is_harvested, do_harvest),
    Stage("train", is_trained, do_train),
    Stage("index", is_indexed, do_index),
    Stage("evaluate", is_evaluated, do_evaluate),
    Stage("showcase", is_shown, do_showcase),
    Stage("beside", is_compared, lambda run, renew: do_compare(run), lambda recipe: bool(compared(recipe))),
)
"""The whole line, in order; the page is written around each."""


def stages_of(recipe: Recipe) -> tuple[Stage, ...]:
    """Those of the line that a recipe asks for."""
    return tuple(stage for stage in STAGES if stage.is_wanted(recipe))
