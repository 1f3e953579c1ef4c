"""From what a row of the index holds to the parts of a record."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Shaped

from monoscope.errors import BrokenInput
from monoscope.features import database as layout
from monoscope.features.record import Example, Histogram, LogitWeight
from monoscope.features.sketches import HISTOGRAM_EDGES


class TokenFile:
    """The corpus that examples refer to, mapped from disk.

    Args:
        path: raw token ids.
        dtype: their type.

    Raises:
        BrokenInput: it cannot be mapped.
    """

    def __init__(self, path: Path, dtype: str) -> None:
        try:
            self._tokens = np.memmap(path, np.dtype(dtype), mode="r")
        except (OSError, ValueError) as error:
            raise BrokenInput(
                f"{path} cannot be mapped: {error}", f"delete {path.parent} and index again"
            ) from error
        self._file = path.open("rb")

    def read(self, starts: Sequence[int], lengths: Sequence[int]) -> list[list[int]]:
        """Token ids of several stretches; where they are not in memory, they are all fetched at once."""
        size = self._tokens.itemsize
        if hasattr(os, "posix_fadvise"):
            for start, length in zip(starts, lengths, strict=True):
                os.posix_fadvise(self._file.fileno(), start * size, length * size, os.POSIX_FADV_WILLNEED)
        return [
            self._tokens[start : start + length].tolist()
            for start, length in zip(starts, lengths, strict=True)
        ]

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()


def read_examples(
    blob: bytes, largest: float, window: int, tokens: TokenFile, vocabulary: list[str]
) -> tuple[Example, ...]:
    """The examples of a feature whose largest activation is ``largest``."""
    entries = np.frombuffer(blob, layout.example_dtype(window))
    before, peaks = entries["before"], entries["peak"]
    values = layout.values_of(entries["levels"], largest)
    values[np.arange(len(entries)), before] = peaks
    starts = (entries["position"] - before).tolist()
    lengths = entries["length"].tolist()
    columns = (entries[name].tolist() for name in ("kind", "number", "position", "document"))
    shown = tokens.read(starts, lengths)
    rows = zip(*columns, starts, lengths, shown, values.tolist(), peaks.tolist(), strict=True)
    return tuple(
        Example(
            kind=f"{layout.KINDS[kind]} {number}" if number else layout.KINDS[kind],
            position=position,
            document=document,
            start=start,
            tokens=tuple([vocabulary[token] for token in ids]),
            activations=tuple(activations[:length]),
            peak=peak,
        )
        for kind, number, position, document, start, length, ids, activations, peak in rows
    )


def read_histogram(blob: bytes) -> Histogram:
    """The bins from the first to the last that is not empty."""
    entries: Shaped[np.ndarray, " bin"] = np.frombuffer(blob, layout.HISTOGRAM)
    if not len(entries):
        return Histogram((), ())
    first, last = int(entries["bin"].min()), int(entries["bin"].max())
    counts = np.zeros(last - first + 1, np.int64)
    counts[entries["bin"] - first] = entries["count"]
    return Histogram(tuple(HISTOGRAM_EDGES[first : last + 2].tolist()), tuple(counts.tolist()))


def read_weights(blob: bytes, vocabulary: list[str]) -> tuple[LogitWeight, ...]:
    """Logit weights, strongest first."""
    return tuple(
        LogitWeight(token, vocabulary[token], weight)
        for token, weight in np.frombuffer(blob, layout.LOGIT_WEIGHT).tolist()
    )
