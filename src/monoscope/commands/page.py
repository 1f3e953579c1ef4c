"""The run's page, written again as the run grows: whatever is complete is shown."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from time import monotonic
from typing import Any

from monoscope.commands.open_run import OpenRun
from monoscope.commands.run_folder import FIGURE, RESULT, read_record, write_text
from monoscope.explore import report_html
from monoscope.explore.labels import NO_LABELS, Label, with_labels
from monoscope.features import FeatureIndex
from monoscope.features.labels import Labels
from monoscope.manifest import is_complete, read_manifest
from monoscope.train import read_metrics
from monoscope.train.workplace import training_folder

CARDS = 4096
"""Feature cards in one page, at most: beyond, the most common ones that fire rarely enough to mean something."""
RENEW_EVERY = 5.0
"""Seconds between two versions while the dictionary learns."""


class Page:
    """``report.html`` of a run.

    Args:
        run: the run.
        on_page: called once, as soon as there is something to look at.
    """

    def __init__(self, run: OpenRun, on_page: Callable[[Path], None] = lambda path: None) -> None:
        self.run = run
        self._on_page: Callable[[Path], None] | None = on_page
        self._began = monotonic()
        self._earlier = sum(run.folder.manifest().content["stages"].values())
        self._written = 0.0
        self._features: tuple[tuple[str, str], dict[str, Any]] | None = None

    def write(self, stage: str, done: list[str], *, complete: bool = False, error: str = "") -> None:
        """Write the page as things stand.

        Args:
            stage: what is being done.
            done: what is done.
            complete: True when nothing more will be.
            error: why the run stopped, when it did.
        """
        status = {"stage": stage, "done": done, "seconds": self.seconds(), "complete": complete}
        report = self.parts() | {"status": status | ({"error": error} if error else {})}
        write_text(self.run.folder.report, report_html(report))
        self._written = monotonic()
        if self._on_page is not None and (complete or self.run.folder.glimpse.is_file()):
            self._on_page(self.run.folder.report)
            self._on_page = None

    def renew(self, stage: str, done: list[str], *, now: bool) -> None:
        """Write the page again, ``now`` or only if the last time was long enough ago."""
        if now or monotonic() - self._written >= RENEW_EVERY:
            self.write(stage, done)

    def seconds(self) -> float:
        """Seconds of work on the run so far: those of stages that earlier calls completed, and this call's."""
        return round(self._earlier + monotonic() - self._began, 1)

    def parts(self) -> dict[str, Any]:
        """What there is to show, as :mod:`monoscope.explore.report` takes it."""
        folder = self.run.folder
        report: dict[str, Any] = {"title": self._title(), "run": self._facts()}
        if folder.glimpse.is_file():
            report["glimpse"] = read_record(folder.glimpse)
        if points := curve(self.run):
            report["training"] = {"curve": points}
        if FeatureIndex.is_there(folder.features):
            report["features"] = self._cards()
        if is_complete(folder.evaluation):
            report["evaluation"] = read_record(folder.evaluation / "report.json")
        report["analyses"] = self._analyses()
        if is_complete(folder.showcase):
            shown = read_record(folder.showcase / "showcase.json")
            report |= {"showcase": shown} if shown["feature"] is not None else {}
        return report

    def _title(self) -> str:
        name = self.run.recipe.model
        return f"Inside {'the built-in model' if name == 'builtin' else Path(name).name}"

    def _facts(self) -> dict[str, Any]:
        recipe, folder = self.run.recipe, self.run.folder
        record = recipe.dictionary.to_record()
        sparsifier = record["sparsifier"]
        dictionary = {"n_features": record["n_features"], "sparsifier": sparsifier["name"], **sparsifier}
        dictionary.pop("name")
        manifest = folder.manifest()
        return {
            "model": recipe.model,
            "site": recipe.site,
            "corpus": recipe.corpus,
            "n_tokens": self._n_tokens(),
            "dictionary": dictionary,
            "training_tokens": recipe.training.n_tokens,
            "seed": recipe.training.seed,
            "seconds": self.seconds(),
            "hashes": manifest.parents,
            "versions": manifest.versions,
        }

    def _n_tokens(self) -> int | None:
        for place, kind in (
            (self.run.folder.features, "features"),
            (self.run.folder.activations / "training", "activations"),
        ):
            if is_complete(place):
                return read_manifest(place, kind).content["n_tokens"]
        return None

    def _analyses(self) -> list[dict[str, Any]]:
        """What was asked of the dictionary that is there: checks, formulas and figure of each."""
        places = sorted(place for place in self.run.folder.analyses.glob("*") if is_complete(place))
        shown = []
        for place in places:
            if read_manifest(place, "analysis").parents["dictionary"] != self.run.dictionary_hash:
                continue
            result = read_record(place / RESULT)
            svg = (place / FIGURE).read_text(encoding="utf-8")
            shown.append({name: result[name] for name in ("title", "checks", "formulas")} | {"svg": svg})
        return shown

    def _cards(self) -> dict[str, Any]:
        """Statistics of all features and the cards of many; made once for an index and its labels."""
        index = self.run.features()
        place = self.run.folder.labels
        made_from = (index.manifest.hash, read_manifest(place, "labels").hash if is_complete(place) else "")
        if self._features is None or self._features[0] != made_from:
            self._features = (made_from, feature_part(index, explained(self.run, index)))
        return self._features[1]


def curve(run: OpenRun) -> list[dict[str, float]]:
    """Points of the training log: of the finished dictionary, or of the one that is learning."""
    folder = run.folder.dictionary
    path = (folder if is_complete(folder) else training_folder(folder)) / "metrics.jsonl"
    return read_metrics(path) if path.is_file() else []


class Explained(Mapping[int, Label]):
    """Feature -> what is said of it, read when it is asked for."""

    def __init__(self, labels: Labels) -> None:
        self._labels = labels

    def __getitem__(self, feature: int) -> Label:
        if not 0 <= feature < len(self):
            raise KeyError(feature)
        return self._labels[feature].to_json()

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self)))

    def __len__(self) -> int:
        return len(self._labels)


def explained(run: OpenRun, index: FeatureIndex) -> Mapping[int, Label]:
    """What is said of the features of a run's index; nothing where nobody has explained it."""
    labels = run.labels_if_any(index)
    return NO_LABELS if labels is None else Explained(labels)


def feature_part(index: FeatureIndex, labels: Mapping[int, Label] = NO_LABELS) -> dict[str, Any]:
    """The part ``features`` of a report.

    Args:
        index: the features.
        labels: feature -> its label, of a run that has been explained.
    """
    statistics = index.statistics()
    density, largest = statistics["density"], statistics["max_activation"]
    alive = index.alive.tolist()
    shown = alive
    if len(alive) > CARDS:
        telling = sorted(alive, key=lambda each: (density[each] > 0.02, -density[each]))
        shown = sorted(telling[:CARDS])
    return {
        "statistics": {
            "density": [float(each) for each in density],
            "max_activation": [float(each) for each in largest],
            "alive": len(alive),
        },
        "cards": [with_labels(index.record(feature).to_json(), labels) for feature in shown],
    }
