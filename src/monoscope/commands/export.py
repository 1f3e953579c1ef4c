"""``monoscope export``: a run's features as pages for any static host, and in the layouts of other tools."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from monoscope.commands.open_run import OpenRun
from monoscope.commands.page import explained
from monoscope.commands.progress import Reporter
from monoscope.errors import MonoscopeError, WrongUse
from monoscope.explore.export import (
    NeuronpediaOptions,
    write_circuit_tracer,
    write_neuronpedia,
    write_site,
)
from monoscope.manifest import read_manifest, staged

Format = Literal["site", "neuronpedia", "circuit-tracer"]


@dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """Write a run's features for others to look at; only the index is read, and labels where the run has them.

    ``site`` gives pages for any static host, ``neuronpedia`` the files of its bulk import, ``circuit-tracer`` the
    feature files of attribution graphs.
    """

    run: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="RUN")]
    """Folder of the run."""
    to: Annotated[Path, tyro.conf.arg(metavar="FOLDER")]
    """Folder to write; an earlier export in it is replaced."""
    format: Format = "site"
    """What to write."""
    neuronpedia: NeuronpediaOptions = field(default_factory=NeuronpediaOptions)


def export(options: ExportOptions, *, reporter: Reporter | None = None) -> dict[str, Any]:
    """Write a run's features.

    Returns:
        ``folder``, ``format``, ``features``, ``files`` and ``bytes`` written.

    Raises:
        MissingInput: the run has no index.
        WrongUse: the folder holds something other than an export.
    """
    reporter = reporter or Reporter()
    folder = options.to.expanduser().resolve()
    check_free(folder)
    run = OpenRun.at(options.run, reporter)
    features = run.features()
    labels = explained(run, features)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with staged(folder) as place, reporter.stage("export", "features") as advance:
        if options.format == "neuronpedia":
            write_neuronpedia(features, place, advance, labels=labels, options=options.neuronpedia)
        elif options.format == "circuit-tracer":
            write_circuit_tracer(features, place, advance)
        else:
            write_site(features, place, advance, labels=labels)
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {
        "folder": str(folder),
        "format": options.format,
        "features": features.n_features,
        "files": len(files),
        "bytes": sum(path.stat().st_size for path in files),
    }


def check_free(folder: Path) -> None:
    """Refuse a folder that would be lost.

    Raises:
        WrongUse: it is a file, or holds something other than an export.
    """
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    try:
        read_manifest(folder, "export")
    except MonoscopeError as error:
        raise WrongUse(f"{folder} is there and is no export", "give --to a new folder") from error


def export_text(result: dict[str, Any]) -> str:
    """The result for people."""
    what = f"{result['features']:,} features in {result['files']:,} files, {result['bytes'] / 1e6:,.1f} MB"
    lines = [f"{result['folder']}: {what}"]
    if result["format"] == "site":
        lines.append(f"to look at it: python -m http.server --bind 127.0.0.1 --directory {result['folder']}")
    return "\n".join(lines)
