"""One analysis of a run: asked once, kept as JSON and as a figure, shown in the report."""

import json
from collections.abc import Sequence
from dataclasses import asdict, fields
from functools import cached_property
from pathlib import Path
from typing import Any

from monoscope.commands.arguments import value_of
from monoscope.commands.open_run import OpenRun
from monoscope.commands.recipe import built
from monoscope.commands.run_folder import FIGURE, RESULT, check_parents, read_record, write_text
from monoscope.dictionaries import SparseAutoencoder
from monoscope.errors import WrongUse
from monoscope.evaluate.analyses import ANALYSES, Analysis
from monoscope.evaluate.stream import Activations
from monoscope.explore.figures import figure_svg
from monoscope.features import FeatureIndex
from monoscope.manifest import Manifest, is_complete, read_manifest, staged, write_manifest
from monoscope.models import LanguageModel


class RunMaterial:
    """A run as analyses take it; what is missing of its activations is harvested again."""

    def __init__(self, run: OpenRun, others: "Sequence[RunMaterial]" = ()) -> None:
        self.run = run
        self._others = tuple(others)

    @property
    def others(self) -> "Sequence[RunMaterial]":
        """The runs that it is compared with."""
        return self._others

    @property
    def name(self) -> str:
        """The run's folder."""
        return self.run.folder.name

    @property
    def lm(self) -> LanguageModel:
        """The model."""
        return self.run.lm

    @property
    def dictionary(self) -> SparseAutoencoder:
        """The dictionary, known to fit the model."""
        return self.run.model_dictionary

    @property
    def calibration(self) -> Activations:
        """Training text with the block's neurons."""
        return self._calibration

    @property
    def heldout(self) -> Activations:
        """Text kept apart."""
        return self._heldout

    @property
    def index(self) -> FeatureIndex:
        """The index."""
        return self._index

    @cached_property
    def _calibration(self) -> Activations:
        return self.run.calibration()

    @cached_property
    def _heldout(self) -> Activations:
        return self.run.heldout()

    @cached_property
    def _index(self) -> FeatureIndex:
        return self.run.features()


def analyse(run: OpenRun, name: str, beside: Sequence[Path], options: Sequence[str]) -> dict[str, Any]:
    """Ask an analysis of a run, or read what came of it before.

    Args:
        run: the run.
        name: the analysis.
        beside: folders of other runs, for analyses that compare.
        options: ``NAME=VALUE`` of the analysis' own options.

    Returns:
        ``analysis``, ``title``, ``figure`` (a path), ``beside``, and what the analysis itself gives.

    Raises:
        UnknownName: there is no such analysis.
        WrongUse: it has no such option, or not that value of it.
        MonoscopeError: whatever the analysis raises.
    """
    asked = composed(name, options)
    others = [OpenRun.at(path, run.reporter) for path in beside]
    place = run.folder.analyses / name
    parents = {"dictionary": run.dictionary_hash}
    parents |= {f"beside {number}": other.dictionary_hash for number, other in enumerate(others)}
    told = json.loads(json.dumps(asdict(asked)))  # type: ignore[call-overload]
    if not is_current(place, told, parents):
        with run.reporter.stage(name, "steps") as advance:
            result = asked(RunMaterial(run, [RunMaterial(other) for other in others]), advance)
        head = {
            "analysis": name,
            "title": titled(type(asked)),
            "beside": [other.folder.name for other in others],
        }
        keep(place, head | result, told, parents)
    return read_record(place / RESULT) | {"figure": str(place / FIGURE)}


def composed(name: str, options: Sequence[str]) -> Analysis:
    """The analysis with its options.

    Raises:
        UnknownName: there is none of that name.
        WrongUse: it has no such option, or not that value of it.
    """
    kind = ANALYSES[name]
    known = [entry.name for entry in fields(kind)]  # type: ignore[arg-type]
    pairs = [
        (key.strip().replace("-", "_"), value) for key, _, value in (each.partition("=") for each in options)
    ]
    if missing := [key for key, value in pairs if not value]:
        raise WrongUse(
            f"--option {missing[0]} has no value", f"the analysis {name} has {', '.join(known) or 'none'}"
        )
    return built(kind, {key: value_of(value) for key, value in pairs}, f"the analysis {name}")


def titled(kind: type) -> str:
    """The first line of an analysis' docstring."""
    return (kind.__doc__ or "").split("\n")[0].rstrip(".")


def is_current(place: Path, options: dict[str, Any], parents: dict[str, str]) -> bool:
    """Whether the result is there, of the same dictionaries and with the same options.

    Raises:
        MismatchedArtefact: it is of a dictionary that this run no longer has.
    """
    if not is_complete(place):
        return False
    manifest = read_manifest(place, "analysis")
    check_parents(place, manifest, {"dictionary": parents["dictionary"]})
    return manifest.options == options and manifest.parents == parents


def keep(place: Path, result: dict[str, Any], options: dict[str, Any], parents: dict[str, str]) -> None:
    """Write result and figure as one artefact."""
    with staged(place) as folder:
        write_text(folder / RESULT, json.dumps(result, ensure_ascii=False, allow_nan=False))
        write_text(folder / FIGURE, figure_svg(result["analysis"], result))
        write_manifest(folder, Manifest(kind="analysis", options=options, parents=parents))


def analyse_text(result: dict[str, Any]) -> str:
    """The result for people: its single figures, its checks, and where its picture is."""
    lines = [result["title"]]
    lines += [
        f"{name.replace('_', ' '):<28} {value:.4g}" if isinstance(value, float) else f"{name:<28} {value:,}"
        for name, value in result.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    ]
    for check in result["checks"]:
        came_out = "not measured" if check["figure"] is None else f"{check['figure']:.3g}"
        verdict = {True: "holds", False: "falls short", None: "-"}[check["holds"]]
        why = f" ({check['why']})" if check["why"] else ""
        lines.append(f"{check['name']:<6} {verdict:<12} {came_out} {check['target']}: {check['what']}{why}")
    return "\n".join([*lines, f"figure: {result['figure']}"])
