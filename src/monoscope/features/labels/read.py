"""Read labels: one by number, all in order, or those whose descriptions hold some words."""

import json
import mmap
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from monoscope.errors import BrokenInput, UnknownName
from monoscope.features.labels import database as layout
from monoscope.features.labels.record import Description, FeatureLabel
from monoscope.features.lookup import MOST_RANKED, check_text, quoted
from monoscope.features.passages import words_of
from monoscope.manifest import Manifest, check_parent, read_manifest


@dataclass(frozen=True, slots=True)
class LabelMatch:
    """A feature that a search of descriptions found."""

    feature: int
    """Its number."""
    description: Description
    """The description that holds the words; of several the one that stands highest."""
    score: float
    """See :func:`monoscope.features.labels.standing`."""


class Labels:
    """What is said about every feature of a dictionary; made by ``monoscope explain``, read-only.

    Attributes:
        folder: where they lie.
        manifest: how they were made; ``parents`` names dictionary, index, held-out activations and model by hash.
        n_features: features in the dictionary.
    """

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self.folder = folder
        self.manifest = manifest
        self.n_features: int = manifest.content["n_features"]
        self._database = layout.open_database(folder / layout.DATABASE)
        weakref.finalize(self, self._database.close)
        try:
            with (folder / layout.LINES).open("rb") as file:
                self._lines = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as error:
            raise BrokenInput(
                f"{folder / layout.LINES} cannot be mapped: {error}", f"delete {folder} and explain again"
            ) from error
        weakref.finalize(self, self._lines.close)

    @classmethod
    def open(
        cls, folder: str | Path, *, index_hash: str | None = None, dictionary_hash: str | None = None
    ) -> "Labels":
        """Open labels.

        Args:
            folder: where they were written.
            index_hash: when given, the index that they must have been made from.
            dictionary_hash: when given, the dictionary that they must have been made from.

        Raises:
            MissingInput: there are no complete labels.
            BrokenInput: they cannot be read.
            MismatchedArtefact: they were made from another index or dictionary.
        """
        folder = Path(folder)
        manifest = read_manifest(folder, "labels")
        for name, expected in (("features", index_hash), ("dictionary", dictionary_hash)):
            if expected is not None:
                check_parent(folder, manifest, name, expected)
        if manifest.content.get("layout") != layout.LAYOUT:
            raise BrokenInput(f"the labels in {folder} were made by an older version", "explain again")
        return cls(folder, manifest)

    def __len__(self) -> int:
        return self.n_features

    def __getitem__(self, feature: int) -> FeatureLabel:
        """The label of a feature.

        Raises:
            UnknownName: the dictionary has no feature of that number.
            BrokenInput: the line cannot be read.
        """
        if not 0 <= feature < self.n_features:
            raise UnknownName(
                f"there is no feature {feature}",
                f"the labels in {self.folder} are of features 0 to {self.n_features - 1}",
            )
        start, length = self._database.execute(
            "SELECT start, length FROM line WHERE feature = ?", (int(feature),)
        ).fetchone()
        return self._read(self._lines[start : start + length])

    def __iter__(self) -> Iterator[FeatureLabel]:
        """All labels, in order."""
        start = 0
        while (end := self._lines.find(b"\n", start)) >= 0:
            yield self._read(self._lines[start : end + 1])
            start = end + 1

    def search(self, text: str, *, limit: int = 10) -> list[LabelMatch]:
        """The features with a description that holds all words of a text, in any form of the words, best first.

        The score says by which kind of description: see :func:`monoscope.features.labels.standing`; of equals the
        lower number comes first. Where very many are found, ``MOST_RANKED`` are ranked.
        """
        found = sorted(self.standings(text).items(), key=lambda each: (-each[1][0], each[0]))[: max(limit, 0)]
        return [
            LabelMatch(feature, self[feature].descriptions[place], score) for feature, (score, place) in found
        ]

    def standings(self, text: str) -> dict[int, tuple[float, int]]:
        """What a search ranks: feature -> score, and place of the description among the feature's own."""
        check_text(text)
        words = " ".join(map(quoted, words_of(text)))
        if not words:
            return {}
        rows = self._database.execute(
            "SELECT feature, standing, place FROM described JOIN description ON description.id = described.rowid "
            "WHERE described MATCH ? ORDER BY standing DESC, feature LIMIT ?",
            (words, MOST_RANKED),
        )
        found: dict[int, tuple[float, int]] = {}
        for feature, score, place in rows:
            found.setdefault(feature, (score, place))
        return found

    def _read(self, line: bytes) -> FeatureLabel:
        try:
            return FeatureLabel.from_json(json.loads(line))
        except (ValueError, KeyError, TypeError) as error:
            raise BrokenInput(
                f"a line of {self.folder / layout.LINES} is no label: {error}",
                f"delete {self.folder} and explain again",
            ) from error
