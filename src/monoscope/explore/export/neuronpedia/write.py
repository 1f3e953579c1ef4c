"""The index as Neuronpedia's importer reads it: lines of JSON in the folders of its bucket.

::

    v1/MODEL/SOURCE/    release.jsonl  model.jsonl  sourceset.jsonl  source.jsonl
                        features/batch-0.jsonl.gz      one line a feature
                        activations/batch-0.jsonl.gz   one line an example, the top ones and those of intervals
                        explanations/batch-0.jsonl.gz  one line a description: the index's own, and
                                                       one of each method of the label, with its scores as notes
    v1/config/          explanation_type.jsonl  explanation_model_type.jsonl: the names that explanations refer to,
                        to be added to the bucket's own

The importer takes columns from the first line, so every line has all of them. Identifiers follow from names and
numbers, so importing an index twice adds nothing. What an index does not know (vectors, correlations, losses) is
empty, and examples that belong to no bin of activations are left out.
"""

import gzip
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from itertools import chain, islice
from pathlib import Path
from typing import Any, BinaryIO

from monoscope.explore.export.neuronpedia.head import configuration, head
from monoscope.explore.export.neuronpedia.lines import Lines
from monoscope.explore.export.neuronpedia.names import Names, NeuronpediaOptions
from monoscope.explore.export.source import Advance, Features, Origin, as_json, cards_of
from monoscope.explore.labels import NO_LABELS, Label
from monoscope.manifest import Manifest, write_manifest

FILES_IN_FOLDER = 1000
"""The importer lists a folder once, and sees no more files than this."""
FEATURES_PER_FILE = 1024
"""Features of one file, where that gives no more files than are seen."""


def write_neuronpedia(
    features: Features,
    folder: Path,
    advance: Advance = lambda done, total: None,
    *,
    labels: Mapping[int, Label] = NO_LABELS,
    options: NeuronpediaOptions | None = None,
) -> Manifest:
    """Write the folders of the bucket.

    Args:
        features: the index.
        folder: an empty folder.
        advance: told of features written.
        labels: feature -> its label, of a run that has been explained.
        options: what the index does not know.

    Returns:
        The manifest, which is written last.

    Raises:
        BrokenInput: the labels are of another index.
        WrongUse: a name that Neuronpedia cannot spell.
    """
    options = options or NeuronpediaOptions()
    origin = Origin.of(features)
    names = Names.of(origin, options)
    place = folder / "v1" / names.model / names.source
    for name, lines in head(features, origin, names, options).items():
        write_lines(place / name, lines)
    for name, lines in configuration(options).items():
        write_lines(folder / "v1" / "config" / name, lines)
    per_file = max(FEATURES_PER_FILE, -(-features.n_features // FILES_IN_FOLDER))
    intervals = int(features.manifest.options.get("intervals", 0))
    line = Lines(names, options, intervals)
    for number, batch in enumerate(batches(cards_of(features, advance, labels), per_file)):
        with ExitStack() as opened:
            files = {
                name: opened.enter_context(Zipped(place / name / f"batch-{number}.jsonl.gz"))
                for name in ("features", "activations", "explanations")
            }
            for card in batch:
                files["features"].add(line.feature(card))
                for each in line.activations(card):
                    files["activations"].add(each)
                for each in line.explanations(card):
                    files["explanations"].add(each)
    content = {
        "format": "neuronpedia",
        "address": origin.address,
        "n_features": features.n_features,
        "path": f"v1/{names.model}/{names.source}",
    }
    made_from = {"features": features.manifest.hash}
    return write_manifest(folder, Manifest(kind="export", parents=made_from, content=content))


class Zipped:
    """A compressed file of lines, the same bytes for the same lines."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._plain: BinaryIO = path.open("wb")
        self._zip = gzip.GzipFile("", "wb", 6, self._plain, mtime=0)

    def __enter__(self) -> "Zipped":
        return self

    def __exit__(self, *error: object) -> None:
        self._zip.close()
        self._plain.close()

    def add(self, line: Mapping[str, Any]) -> None:
        """One line."""
        self._zip.write(as_json(line) + b"\n")


def write_lines(path: Path, lines: Iterable[Mapping[str, Any]]) -> None:
    """A small file of lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(as_json(line) + b"\n" for line in lines))


def batches(cards: Iterable[dict[str, Any]], size: int) -> Iterator[Iterator[dict[str, Any]]]:
    """Cards, so many to a file; each batch is to be read before the next."""
    remaining = iter(cards)
    for first in remaining:
        yield chain([first], islice(remaining, size - 1))
