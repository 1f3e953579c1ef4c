"""Write labels: one JSON line a feature, and a database that finds them."""

import json
import sqlite3
from collections.abc import Iterable, Mapping
from itertools import count, islice
from pathlib import Path
from typing import Any

from monoscope.errors import WrongUse
from monoscope.features.labels import database as layout
from monoscope.features.labels.read import Labels
from monoscope.features.labels.record import FeatureLabel, standing
from monoscope.manifest import Manifest, content_hash, staged, write_manifest


def write_labels(
    folder: Path,
    labels: Iterable[FeatureLabel],
    *,
    parents: Mapping[str, str],
    options: Mapping[str, Any] | None = None,
    content: Mapping[str, Any] | None = None,
) -> Labels:
    """Write the labels of all features as an artefact; they are taken one after the other and never held together.

    What is there stays as it is until the new labels are complete.

    Args:
        folder: where.
        labels: of feature 0, 1, 2 ..., dead ones too.
        parents: name -> content hash of what they were made from: ``dictionary``, ``features``, and more.
        options: what they were made with.
        content: what else their manifest is to say; looked at when all labels are written.

    Raises:
        WrongUse: a feature is missing, or there is none.
        OutOfSpace: the disk is full.
    """
    with staged(Path(folder)) as place:
        lines, database = place / layout.LINES, layout.create_database(place / layout.DATABASE)
        try:
            n_features = _fill(lines, database, labels)
            database.execute("INSERT INTO described (described) VALUES ('optimize')")
            database.commit()
        finally:
            database.close()
        if not n_features:
            raise WrongUse("there are no labels to write", "give one for each feature of the dictionary")
        write_manifest(
            place,
            Manifest(
                kind="labels",
                options=dict(options or {}),
                parents=dict(parents),
                content={"layout": layout.LAYOUT, "n_features": n_features, **(content or {})},
                hash=content_hash(lines),
            ),
        )
    return Labels.open(folder)


def _fill(path: Path, database: sqlite3.Connection, labels: Iterable[FeatureLabel]) -> int:
    """Write the lines, and where each begins; returns how many there are."""
    start, feature, numbers, remaining = 0, 0, count(), iter(labels)
    with path.open("wb") as file:
        while block := list(islice(remaining, layout.BLOCK)):
            lines, rows, texts = [], [], []
            for label in block:
                if label.feature != feature:
                    raise WrongUse(
                        f"the label of feature {label.feature} stands where that of {feature} belongs",
                        "give one label for each feature, in order",
                    )
                line = _line(label)
                file.write(line)
                lines.append((feature, start, len(line)))
                for place, description in enumerate(label.descriptions):
                    number = next(numbers)
                    rows.append((number, feature, place, standing(description)))
                    texts.append((number, description.text.encode("utf-8", "replace").decode()))
                start, feature = start + len(line), feature + 1
            database.executemany("INSERT INTO line VALUES (?, ?, ?)", lines)
            database.executemany("INSERT INTO description VALUES (?, ?, ?, ?)", rows)
            database.executemany("INSERT INTO described (rowid, text) VALUES (?, ?)", texts)
    return feature


def _line(label: FeatureLabel) -> bytes:
    """A label as a line of JSON; half a character, which UTF-8 has no way to write, is escaped."""
    record = label.to_json()
    try:
        return json.dumps(record, ensure_ascii=False, allow_nan=False).encode() + b"\n"
    except UnicodeEncodeError:
        return json.dumps(record, allow_nan=False).encode() + b"\n"
