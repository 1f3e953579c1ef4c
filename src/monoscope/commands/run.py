"""``monoscope run``: from a model and a corpus to a report, in stages that are made once."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import monotonic
from typing import Annotated, Any

import tyro

from monoscope.activations.corpus import read_corpus
from monoscope.commands.dials import Dials, turned
from monoscope.commands.open_run import OpenRun
from monoscope.commands.page import Page
from monoscope.commands.progress import Reporter
from monoscope.commands.recipe import Recipe, check_same, read_recipe
from monoscope.commands.run_folder import RunFolder, read_record
from monoscope.commands.stages import STAGES, Stage, stages_of
from monoscope.errors import MonoscopeError
from monoscope.models import LanguageModel, load_model

FINAL = "report"
"""The last stage: the page, complete."""


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """The whole line: harvest, train, index, evaluate, show one feature at work, write the report.

    The same command again goes on where it stopped, and does nothing when all is done.
    """

    recipe: Annotated[
        tyro.conf.Positional[Path | None], tyro.conf.arg(metavar="[RECIPE.toml]", help_behavior_hint="")
    ] = None
    """A complete run in TOML; a run's own run.toml is one."""
    out: Annotated[Path, tyro.conf.arg(metavar="RUN")]
    """Folder of the run."""
    dials: Annotated[Dials, tyro.conf.arg(name="")] = field(default_factory=Dials)
    """What is done; the recipe, or the run that is gone on with, says the rest."""
    showcase: Annotated[str | None, tyro.conf.arg(metavar="WORDS", help_behavior_hint="")] = None
    """Words of a feature to turn up, for instance Golden Gate Bridge; by default the most telling feature."""
    keep_activations: bool = False
    """Keep the activations when the run is complete; they are large, and can be harvested again."""


def run(options: RunOptions, *, reporter: Reporter | None = None) -> dict[str, Any]:
    """Make a run, or go on with it.

    Returns:
        ``run`` and ``report`` (paths), ``seconds`` of this call, ``stages`` (name -> seconds, whenever it was made),
        ``evaluation``.

    Raises:
        WrongUse: an option is wrong, or not what the run was begun with.
        MismatchedArtefact: the folder holds parts that were not made from each other.
        MonoscopeError: whatever a stage raises.
    """
    folder = RunFolder(options.out)
    base = read_recipe(options.recipe) if options.recipe else folder.recipe() if folder.begun else Recipe()
    recipe = turned(base, options.dials)
    if options.showcase is not None:
        recipe = replace(recipe, showcase=replace(recipe.showcase, query=options.showcase))
    return make(folder, recipe, reporter=reporter or Reporter(), keep_activations=options.keep_activations)


def make(
    folder: RunFolder,
    recipe: Recipe,
    *,
    reporter: Reporter,
    keep_activations: bool,
    stages: Sequence[Stage] | None = None,
    on_page: Callable[[Path], None] = lambda path: None,
) -> dict[str, Any]:
    """Make what a recipe says in a folder, or go on with it.

    Args:
        folder: where.
        recipe: what; its site may be any name that the model knows.
        reporter: told how far it is.
        keep_activations: whether activations stay when all is done.
        stages: those that are wanted; None: all that the recipe asks for, which completes the run.
        on_page: called once, when there is something to look at.
    """
    began = monotonic()
    opened = prepared(folder, recipe, reporter)
    with folder.held():
        folder.record(keep_activations=keep_activations)
        through(opened, stages, on_page)
        folder.tidy()
    return summary(folder, monotonic() - began)


def prepared(folder: RunFolder, recipe: Recipe, reporter: Reporter) -> OpenRun:
    """The run of that recipe in that folder, begun unless it was.

    Raises:
        WrongUse: it was begun with another recipe, or the folder holds something else.
        UnknownSite: the model has no such site.
    """
    if folder.begun and folder.recipe() == recipe:
        return OpenRun(folder, recipe, reporter)
    lm = load_model(recipe.model)
    resolved = replace(recipe, site=str(lm.resolve(recipe.site or middle(lm))))
    if folder.begun:
        check_same(folder.recipe(), resolved, str(folder))
        return OpenRun(folder, resolved, reporter, lm=lm)
    corpus = read_corpus(recipe.corpus)
    folder.begin(resolved, {"model": lm.hash, "tokenizer": lm.tokenizer_hash, "corpus": corpus.hash})
    return OpenRun(folder, resolved, reporter, lm=lm, corpus=corpus)


def middle(lm: LanguageModel) -> str:
    """The residual stream after the block in the middle: late enough to mean something, early enough to matter."""
    return f"blocks.{lm.n_blocks // 2}.resid_post"


def through(opened: OpenRun, stages: Sequence[Stage] | None, on_page: Callable[[Path], None]) -> None:
    """Make the stages that are not made, the page around each of them; None: all, which completes the run."""
    folder, page, whole = opened.folder, Page(opened, on_page), stages is None
    stages = stages_of(opened.recipe) if stages is None else stages
    if folder.complete and all(stage.is_done(opened) for stage in stages) and folder.report.is_file():
        on_page(folder.report)
        return
    done: list[str] = []
    for stage in stages:
        if not stage.is_done(opened):
            began = monotonic()
            page.write(stage.name, done)
            try:
                stage.do(opened, lambda now, name=stage.name: page.renew(name, done, now=now))
            except (Exception, KeyboardInterrupt) as error:
                with suppress(MonoscopeError, OSError):
                    page.write(stage.name, done, error=error_text(error))
                raise
            record_seconds(folder, stage.name, monotonic() - began)
        done.append(stage.name)
    began = monotonic()
    page.write(FINAL, done, complete=True)
    record_seconds(folder, FINAL, monotonic() - began)
    if whole:
        folder.record(status="complete")


def error_text(error: BaseException) -> str:
    """Why a run stopped, for its page."""
    return (
        error.sentence if isinstance(error, MonoscopeError) else "stopped; the same command goes on from here"
    )


def record_seconds(folder: RunFolder, stage: str, seconds: float) -> None:
    """Note what a stage took."""
    folder.record(stages=folder.manifest().content["stages"] | {stage: round(seconds, 2)})


def summary(folder: RunFolder, seconds: float) -> dict[str, Any]:
    """What there is now."""
    evaluation = folder.evaluation / "report.json"
    taken = folder.manifest().content["stages"]
    return {
        "run": str(folder),
        "report": str(folder.report),
        "seconds": round(seconds, 2),
        "stages": {name: taken[name] for name in (*(stage.name for stage in STAGES), FINAL) if name in taken},
        "evaluation": read_record(evaluation) if evaluation.is_file() else None,
    }


def run_text(result: dict[str, Any]) -> str:
    """The result for people."""
    stages = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in result["stages"].items())
    lines = [f"done in {result['seconds']:.0f} s ({stages})"]
    metrics = (result["evaluation"] or {}).get("metrics", {})
    if metrics:
        lines.append(key_figures(result["evaluation"]))
    return "\n".join([*lines, f"report: {result['report']}"])


def key_figures(evaluation: dict[str, Any]) -> str:
    """The report card in a line or two."""
    metrics = evaluation["metrics"]
    names = ("fve", "l0", "ce_recovered_mean", "kl", "dead_share")
    known = [f"{name} {metrics[name]:.3g}" for name in names if metrics.get(name) is not None]
    recovery = evaluation.get("recovery")
    if not recovery:
        return ", ".join(known)
    others = ", ".join(
        f"{name} {recovery[f'share_{name}']:.0%}"
        for name in ("neurons", "pca", "random")
        if f"share_{name}" in recovery
    )
    return f"{', '.join(known)}\nconcepts with a feature of their own: {recovery['share_recovered']:.0%} ({others})"
