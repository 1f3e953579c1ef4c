"""A run as the explorer sees it: its parts are found here, and read once as long as they stay what they are."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from monoscope.commands.drawing import MapMaker
from monoscope.commands.forming import Forming
from monoscope.commands.names import strengths_of
from monoscope.commands.open_run import OpenRun
from monoscope.commands.page import curve
from monoscope.commands.run_folder import RESULT, read_record
from monoscope.commands.stages import stages_of
from monoscope.commands.vector.train import keep
from monoscope.explore.api import Explored, RecordName
from monoscope.features import FeatureIndex
from monoscope.features.labels import Labels
from monoscope.manifest import is_complete, read_manifest
from monoscope.vectors import Shelf


def explored(
    run: OpenRun, presets: Callable[[], Mapping[str, Any]], before: Callable[[], object] = lambda: None
) -> Explored:
    """The run, for a page.

    Args:
        run: the run.
        presets: name -> steering, as things stand, of the server that its model is served by.
        before: called whenever the facts are asked for: the run may have come further.
    """
    parts = Parts(run)

    def facts_now() -> dict[str, Any]:
        before()
        return facts(run, presets())

    return Explored(
        facts=facts_now,
        curve=lambda: curve(run),
        record=parts.record,
        forming=Forming(run),
        index=parts.index,
        labels=parts.labels,
        map=MapMaker(run.folder),
        vectors=Shelf(run.folder.vectors),
        keep=keep,
    )


def facts(run: OpenRun, presets: Mapping[str, Any]) -> dict[str, Any]:
    """What the run is and how far it has come, as ``monoscope.explore.api.answers.RunFacts`` has it."""
    folder, recipe = run.folder, run.recipe
    manifest = folder.manifest()
    record = recipe.dictionary.to_record()
    seconds = manifest.content["stages"]
    return {
        "name": folder.name,
        "address": run.address,
        "status": folder.status,
        "site": str(run.site),
        "model": {"name": run.lm.name, "hash": run.lm.hash},
        "dictionary": {
            "n_features": record["n_features"],
            "sparsifier": record["sparsifier"]["name"],
            "k": record["sparsifier"].get("k"),
            "d_model": run.lm.width(run.site),
            "hash": run.dictionary_hash if is_complete(folder.dictionary) else None,
        },
        "corpus": recipe.corpus,
        "n_tokens": recipe.training.n_tokens,
        "seed": recipe.training.seed,
        "stages": [
            {
                "name": stage.name,
                "seconds": seconds.get(stage.name),
                # Activations that were harvested elsewhere are no stage of this run.
                "done": stage.name in seconds or (bool(recipe.activations) and stage.name == "harvest"),
            }
            for stage in stages_of(recipe)
        ],
        "has": {
            "index": FeatureIndex.is_there(folder.features),
            "labels": is_complete(folder.labels),
            "evaluation": is_complete(folder.evaluation),
            "model": is_complete(folder.dictionary),
            "glimpse": folder.glimpse.is_file(),
        },
        "showcase": _showcase(run),
        "presets": [{"name": name, "steering": told} for name, told in presets.items()],
        "strengths": strengths_of(folder),
        "vectors": list(Shelf(folder.vectors)),
    }


def _showcase(run: OpenRun) -> dict[str, Any] | None:
    if not is_complete(run.folder.showcase):
        return None
    shown = read_record(run.folder.showcase / "showcase.json")
    return None if shown["feature"] is None else {"feature": shown["feature"], "topic": shown["query"]}


class Parts:
    """The index and its labels, opened again when others lie there."""

    def __init__(self, run: OpenRun) -> None:
        self.run = run
        self._index: tuple[str, FeatureIndex] | None = None
        self._labels: tuple[str, Labels | None] | None = None
        self._records: dict[Path, tuple[tuple[int, int], dict[str, Any]]] = {}

    def record(self, name: RecordName) -> dict[str, Any] | None:
        """What was written down under a name; None before there is any, or where it is of another dictionary."""
        path = self._place(name)
        if path is None or not path.is_file():
            return None
        told = path.stat()
        written = told.st_ino, told.st_mtime_ns
        if path not in self._records or self._records[path][0] != written:
            self._records[path] = written, read_record(path)
        return self._records[path][1]

    def _place(self, name: RecordName) -> Path | None:
        folder = self.run.folder
        match name:
            case "evaluation":
                return folder.evaluation / "report.json"
            case "showcase":
                return folder.showcase / "showcase.json"
            case "glimpse":
                return folder.glimpse
            case analysis:
                place = folder.analyses / analysis
                if not is_complete(place):
                    return None
                made_from = read_manifest(place, "analysis").parents["dictionary"]
                return place / RESULT if made_from == self.run.dictionary_hash else None

    def index(self) -> FeatureIndex | None:
        """The index; None before there is one."""
        place = self.run.folder.features
        if not FeatureIndex.is_there(place):
            return None
        made = read_manifest(place, "features").hash
        if self._index is None or self._index[0] != made:
            self._index = made, self.run.features()
        return self._index[1]

    def labels(self, index: FeatureIndex) -> Labels | None:
        """Its labels; None where there are none."""
        place = self.run.folder.labels
        if not is_complete(place):
            return None
        made = f"{index.manifest.hash} {read_manifest(place, 'labels').hash}"
        if self._labels is None or self._labels[0] != made:
            self._labels = made, self.run.labels_if_any(index)
        return self._labels[1]
