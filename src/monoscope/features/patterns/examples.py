"""Where features were seen to fire, and which documents are kept apart to score what is found there."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, Integer

from monoscope.features.record import FeatureRecord
from monoscope.features.shortlists import uniform_numbers


@dataclass(frozen=True)
class Examples:
    """Tokens on which features fired, sorted by feature, by falling activation and by position; none twice."""

    features: Int[np.ndarray, " example"]
    """Number of the feature."""
    positions: Int[np.ndarray, " example"]
    """Flat position of the token in the corpus."""
    values: Float[np.ndarray, " example"]
    """The feature's activation there, above 0."""

    def __len__(self) -> int:
        return len(self.features)

    @classmethod
    def sort(
        cls,
        features: Integer[np.ndarray, " entry"],
        positions: Integer[np.ndarray, " entry"],
        values: Float[np.ndarray, " entry"],
    ) -> "Examples":
        """Examples from entries in any order; those where the feature is silent or that are given twice are left
        out.
        """
        features, positions = features.astype(np.int64), positions.astype(np.int64)
        order = np.lexsort((positions, -values, features))
        _, first = np.unique(np.stack([features[order], positions[order]], 1), axis=0, return_index=True)
        order = order[np.sort(first)]
        order = order[values[order] > 0]
        return cls(features[order], positions[order], values[order].astype(np.float64))

    @classmethod
    def of_records(cls, records: Iterable[FeatureRecord], most: int | None = None) -> "Examples":
        """The examples of an index' records: the strongest, and some from each interval of activation.

        Args:
            records: of some features.
            most: examples of a feature at most: the strongest, the weakest, and those at equal steps between them by
                rank; None: all.
        """
        entries = [
            (record.feature, position, peak)
            for record in records
            for position, peak in _spread({each.position: each.peak for each in record.examples}, most)
        ]
        columns = list(zip(*entries, strict=True)) or [(), (), ()]
        return cls.sort(
            np.array(columns[0], np.int64), np.array(columns[1], np.int64), np.array(columns[2], np.float64)
        )

    def where(self, chosen: Bool[np.ndarray, " example"]) -> "Examples":
        """Some of them."""
        return Examples(self.features[chosen], self.positions[chosen], self.values[chosen])


def held_out(documents: Integer[np.ndarray, " _"], share: float, seed: int) -> Bool[np.ndarray, " _"]:
    """True for the documents that are kept apart: the same for every token of a document, in every corpus that
    numbers it so.

    Args:
        documents: numbers of documents, of tokens or of examples; padding (-1) is never kept apart.
        share: share of documents, about.
        seed: another seed keeps others apart.
    """
    drawn, _ = uniform_numbers(np.zeros(len(documents), np.int64), documents.astype(np.int64), seed)
    return (drawn < share) & (documents >= 0)


def _spread(peaks: dict[int, float], most: int | None) -> list[tuple[int, float]]:
    """Positions and activations, the strongest first; ``most`` of them at equal steps."""
    falling = sorted(
        ((at, peak) for at, peak in peaks.items() if peak > 0), key=lambda each: (-each[1], each[0])
    )
    if most is None or len(falling) <= most:
        return falling
    return [falling[place] for place in np.linspace(0, len(falling) - 1, most).round().astype(int).tolist()]
