"""From what a row of the index holds to the parts of a record."""

from pathlib import Path

import numpy as np
from jaxtyping import Integer, Shaped

from monoscope.errors import BrokenInput
from monoscope.features import database as layout
from monoscope.features.record import Example, Histogram, LogitWeight
from monoscope.features.sketches import HISTOGRAM_EDGES


def mapped_tokens(path: Path, dtype: str) -> Integer[np.ndarray, " position"]:
    """The tokens of a corpus, mapped from disk.

    Raises:
        BrokenInput: they cannot be mapped.
    """
    try:
        return np.memmap(path, np.dtype(dtype), mode="r")
    except (OSError, ValueError) as error:
        raise BrokenInput(
            f"{path} cannot be mapped: {error}", f"delete {path.parent} and index again"
        ) from error


def read_examples(
    blob: bytes, largest: float, dtype: np.dtype, vocabulary: Shaped[np.ndarray, " vocabulary"]
) -> tuple[Example, ...]:
    """The examples of a feature whose largest activation is ``largest``; ``dtype`` is that of ``stored_dtype``."""
    entries = layout.inflated(blob, dtype)
    before, peaks = entries["before"], entries["peak"]
    values = layout.values_of(entries["levels"], largest)
    values[np.arange(len(entries)), before] = peaks
    starts = (entries["position"] - before).tolist()
    lengths = entries["length"].tolist()
    columns = (entries[name].tolist() for name in ("kind", "number", "position", "document"))
    texts = vocabulary[entries["tokens"]].tolist()
    rows = zip(*columns, starts, lengths, texts, values.tolist(), peaks.tolist(), strict=True)
    return tuple(
        Example(
            kind=f"{layout.KINDS[kind]} {number}" if number else layout.KINDS[kind],
            position=position,
            document=document,
            start=start,
            tokens=tuple(words[:length]),
            activations=tuple(activations[:length]),
            peak=peak,
        )
        for kind, number, position, document, start, length, words, activations, peak in rows
    )


def read_histogram(blob: bytes) -> Histogram:
    """The bins from the first to the last that is not empty."""
    entries: Shaped[np.ndarray, " bin"] = layout.inflated(blob, layout.HISTOGRAM)
    if not len(entries):
        return Histogram((), ())
    first, last = int(entries["bin"].min()), int(entries["bin"].max())
    counts = np.zeros(last - first + 1, np.int64)
    counts[entries["bin"] - first] = entries["count"]
    return Histogram(tuple(HISTOGRAM_EDGES[first : last + 2].tolist()), tuple(counts.tolist()))


def read_weights(blob: bytes, vocabulary: Shaped[np.ndarray, " vocabulary"]) -> tuple[LogitWeight, ...]:
    """Logit weights, strongest first."""
    entries = np.frombuffer(blob, layout.LOGIT_WEIGHT)
    columns = (entries["token"].tolist(), vocabulary[entries["token"]].tolist(), entries["weight"].tolist())
    return tuple(map(LogitWeight, *columns))
