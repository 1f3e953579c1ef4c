"""The index as pages for a static host: one page, and data that it reads by range requests, a little at a time.

::

    SITE/
      index.html       the page; nothing in it can run but this package's script, and it asks no other host
      manifest.json    facts and the layout of the rest
      cards/           one record a feature: FeatureRecord.to_json(), and what monoscope.explore.labels adds to it
      rows/            what the list shows, 64 features a record: first all by number, then the beginnings of other
                       orders
      words/           the search: monoscope.explore.export.postings

The folders are as :mod:`monoscope.explore.export.records` says. Records are read and written one at a time: memory
holds words, and the beginnings of the orders.
"""

import heapq
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from monoscope.explore.cards import short, telling
from monoscope.explore.export.page import site_html
from monoscope.explore.export.postings import LONGEST, Postings, scored_words
from monoscope.explore.export.records import SHARD_BYTES, RecordWriter
from monoscope.explore.export.source import Advance, Features, Origin, cards_of
from monoscope.explore.labels import NO_LABELS, Label
from monoscope.manifest import Manifest, content_hash, write_manifest

ROWS_PER_RECORD = 64
"""Rows of the list that are read at once: about 2 kB."""
LISTED = 4096
"""Features in each order other than by number, at most."""
LINE = 300
"""Characters of a description that the list is given; it shows two lines of it, and the card all."""
COMMON_SHARE, COMMON_LEAST = 0.25, 1024
"""A word that goes with more than this share of the features, and with more than this many, is not searched by."""

Row = tuple[int, str, float, float]
"""Number, description, density, largest activation."""


def write_site(
    features: Features,
    folder: Path,
    advance: Advance = lambda done, total: None,
    *,
    labels: Mapping[int, Label] = NO_LABELS,
    shard_bytes: int = SHARD_BYTES,
) -> Manifest:
    """Write the pages.

    Args:
        features: the index.
        folder: an empty folder.
        advance: told of features written.
        labels: feature -> its label, of a run that has been explained.
        shard_bytes: bytes of a data file at most.

    Returns:
        The manifest, which is written last.

    Raises:
        BrokenInput: the labels are of another index.
    """
    origin = Origin.of(features)
    listing = Listing(features)
    postings = Postings(folder)
    with (
        RecordWriter(folder / "cards", shard_bytes=shard_bytes) as cards,
        RecordWriter(folder / "rows", shard_bytes=shard_bytes) as rows,
    ):
        for card in cards_of(features, advance, labels):
            cards.add(card)
            postings.add(card["feature"], scored_words(card))
            listing.add(card, rows)
        orders = listing.finish(rows)
    with RecordWriter(folder / "words", shard_bytes=shard_bytes) as words:
        left_out = postings.write(words, int(max(COMMON_LEAST, COMMON_SHARE * features.n_features)))
    facts = {name: features.manifest.content.get(name) for name in ("n_tokens", "n_alive")}
    (folder / "index.html").write_text(
        site_html(origin, features.n_features, facts["n_alive"], facts["n_tokens"]), encoding="utf-8"
    )
    content = {
        "format": "site",
        "address": origin.address,
        "n_features": features.n_features,
        **facts,
        "version": content_hash(*(folder / name / "offsets.bin" for name in ("cards", "rows", "words"))),
        "cards": cards.layout(),
        "rows": {**rows.layout(), "per_record": ROWS_PER_RECORD, "orders": orders},
        "words": {**words.layout(), "longest": LONGEST, "left_out": left_out},
    }
    made_from = {"features": features.manifest.hash}
    return write_manifest(folder, Manifest(kind="export", parents=made_from, content=content))


class Listing:
    """The rows of the list: all by number, and the first ``LISTED`` of each other order.

    Args:
        features: the index; its statistics say which rows are to be kept for which order.
    """

    def __init__(self, features: Features) -> None:
        self._chosen = first_of_orders(features.statistics())
        self._wanted = frozenset(feature for order in self._chosen.values() for feature in order)
        self._kept: dict[int, Row] = {}
        self._best: list[tuple[float, float, int, Row]] = []
        self._waiting: list[Row] = []
        self._count = 0

    def add(self, card: Mapping[str, Any], writer: RecordWriter) -> None:
        """The next feature."""
        row = (
            card["feature"],
            card["description"][:LINE],
            short(card["density"]),
            short(card["max_activation"]),
        )
        if row[0] in self._wanted:
            self._kept[row[0]] = row
        ranked = (short(telling(card), 2), card["density"], -row[0], row)
        if len(self._best) < LISTED:
            heapq.heappush(self._best, ranked)
        else:
            heapq.heappushpop(self._best, ranked)
        self._waiting.append(row)
        self._count += 1
        if len(self._waiting) == ROWS_PER_RECORD:
            writer.add(columns(self._waiting))
            self._waiting = []

    def finish(self, writer: RecordWriter) -> dict[str, dict[str, int]]:
        """Write the orders; each is named with its first record, ``first``, and its ``rows``."""
        if self._waiting:
            writer.add(columns(self._waiting))
        best = [row for *_, row in sorted(self._best, reverse=True)]
        orders = {"best": best} | {
            name: [self._kept[feature] for feature in order] for name, order in self._chosen.items()
        }
        layout = {"number": {"first": 0, "rows": self._count}}
        for name, rows in orders.items():
            layout[name] = {"first": writer.count, "rows": len(rows)}
            for part in parts(rows):
                writer.add(columns(part))
        return layout


def first_of_orders(statistics: Mapping[str, np.ndarray]) -> dict[str, list[int]]:
    """Name of each order -> the features that it begins with; those that never fired come last."""
    density, largest = statistics["density"], statistics["max_activation"]
    silent = density == 0
    keys = {"common": -density, "rare": density, "strong": -largest}
    return {name: np.lexsort((key, silent))[:LISTED].tolist() for name, key in keys.items()}


def columns(rows: Iterable[Row]) -> dict[str, list]:
    """Rows as columns, which deflate better."""
    feature, description, density, largest = (list(column) for column in zip(*rows, strict=True))
    return {"feature": feature, "description": description, "density": density, "largest": largest}


def parts(rows: list[Row]) -> Iterator[list[Row]]:
    """Rows, as many at a time as a record holds."""
    for first in range(0, len(rows), ROWS_PER_RECORD):
        yield rows[first : first + ROWS_PER_RECORD]
