"""``monoscope evaluate``: the report card of a dictionary; and the same for notebooks."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from monoscope.activations import Corpus, HarvestOptions, harvest, read_corpus
from monoscope.commands.analyse import analyse, analyse_text, titled
from monoscope.commands.open_run import OpenRun
from monoscope.commands.page import Page
from monoscope.commands.progress import Reporter
from monoscope.commands.run import FINAL, key_figures, through
from monoscope.commands.run_folder import read_record
from monoscope.commands.stages import STAGES
from monoscope.dictionaries import SparseAutoencoder
from monoscope.documents import Document
from monoscope.errors import WrongUse
from monoscope.evaluate.analyses import ANALYSES
from monoscope.evaluate.report import EvaluateOptions
from monoscope.evaluate.report import evaluate as measure
from monoscope.intervene.steer import placed
from monoscope.models import LanguageModel, Site


@dataclass(frozen=True, kw_only=True)
class EvaluateCommand:
    """Measure a run's dictionary beside neurons, principal components and random directions, on text kept apart.

    Options are in run.toml, table ``evaluation``.
    """

    run: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="RUN")]
    """Folder of the run."""
    analysis: Annotated[str | None, tyro.conf.arg(metavar="NAME", help_behavior_hint="")] = None
    """Ask one analysis instead of measuring the report card; list names them all."""
    beside: Annotated[tuple[Path, ...], tyro.conf.UseAppendAction, tyro.conf.arg(metavar="RUN")] = ()
    """Other runs, for analyses that compare: other widths, seeds or models."""
    option: Annotated[tuple[str, ...], tyro.conf.UseAppendAction, tyro.conf.arg(metavar="NAME=VALUE")] = ()
    """An option of the analysis."""


def evaluate_run(options: EvaluateCommand, *, reporter: Reporter | None = None) -> dict[str, Any]:
    """Measure the dictionary of a run, or read what was measured.

    Returns:
        ``run``, and what :func:`monoscope.evaluate.report.evaluate` gives; with an analysis what
        :func:`monoscope.commands.analyse.analyse` gives; for ``list`` the ``analyses``, name -> title.
    """
    if options.analysis == "list":
        return {"analyses": {name: titled(ANALYSES[name]) for name in ANALYSES}}
    if options.analysis is None and (options.beside or options.option):
        raise WrongUse(
            "--beside and --option belong to an analysis", "give --analysis NAME; list names them all"
        )
    opened = OpenRun.at(options.run, reporter or Reporter())
    opened.dictionary  # noqa: B018  (a run without one ends here, in a sentence)
    if options.analysis is not None:
        with opened.folder.held():
            result = analyse(opened, options.analysis, options.beside, options.option)
            Page(opened).write(FINAL, [], complete=True)
            opened.folder.tidy()
        return {"run": str(opened.folder), **result}
    with opened.folder.held():
        through(opened, STAGES[3:4], lambda path: None)
        opened.folder.tidy()
    return {"run": str(opened.folder), **read_record(opened.folder.evaluation / "report.json")}


def evaluate_run_text(result: dict[str, Any]) -> str:
    """The result for people: the report card beside its baselines."""
    if "analyses" in result:
        return "\n".join(f"{name:<16} {title}" for name, title in result["analyses"].items())
    if "analysis" in result:
        return analyse_text(result)
    baselines = result["baselines"]
    names = [name for name, value in result["metrics"].items() if isinstance(value, int | float)]
    lines = [f"{'':<20}{'dictionary':>12}" + "".join(f"{name:>12}" for name in baselines)]
    for name in names:
        values = [result["metrics"][name], *(baseline.get(name) for baseline in baselines.values())]
        lines.append(f"{name:<20}" + "".join(f"{_figure(value):>12}" for value in values))
    return "\n".join([*lines, key_figures(result)])


def _figure(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, int | float) else "-"


def evaluate(
    lm: LanguageModel,
    dictionary: SparseAutoencoder,
    corpus: Corpus | str | Path | Sequence[Document],
    *,
    options: EvaluateOptions | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """The report card of a dictionary on a corpus: held-out text is harvested, and training text for the baselines.

    Args:
        lm: the model that the dictionary was made from.
        dictionary: what is measured.
        corpus: text of the kind it was trained on; the part that is kept apart is measured on.
        options: how much text is looked at.
        progress: called with tokens done and tokens in all, while measuring.

    Raises:
        MismatchedArtefact: the dictionary was made from another model.
    """
    options, corpus = options or EvaluateOptions(), read_corpus(corpus)
    site = placed(lm, dictionary, None)
    sites = [str(site), str(Site(site.block, "mlp_hidden"))]
    calibration_tokens = options.recovery.n_calibration_tokens
    calibration = harvest(lm, corpus, sites=sites, options=HarvestOptions(n_tokens=calibration_tokens))
    heldout = harvest(
        lm, corpus, sites=sites, options=HarvestOptions(n_tokens=options.n_tokens), split="heldout"
    )
    return measure(lm, dictionary, heldout, calibration, options=options, progress=progress)
