"""Many compressed records in few files, each of which can be read by its byte range alone.

::

    NAME/00000.bin      records end to end, each JSON in a gzip member of its own; 00001.bin goes on, and so forth
    NAME/offsets.bin    n + 1 unsigned 64-bit numbers, little-endian: record i is the bytes from the i-th to before
                        the (i+1)-th of all files as one; none lies across two files

A static host that answers range requests then serves one record of a million in two small answers. The form is that
of the attribution graphs' feature files (one index, one file of gzipped JSON a layer), with the offsets binary, so
that they too are read in part.
"""

import gzip
import struct
from pathlib import Path
from typing import Any, BinaryIO

from monoscope.explore.export.source import as_json

SHARD_BYTES = 8 << 20
"""A file is ended before it would grow beyond this: hosts limit files, and one that knows no ranges sends all of it."""
LEVEL = 6
"""How hard it is compressed: beyond, under a hundredth is gained."""


class RecordWriter:
    """Writes records one after another; nothing is kept but where files begin.

    Args:
        folder: made by the writer.
        shard_bytes: bytes of a file at most, unless one record is larger.
    """

    def __init__(self, folder: Path, *, shard_bytes: int = SHARD_BYTES) -> None:
        folder.mkdir(parents=True)
        self.count = 0
        self._folder = folder
        self._shard_bytes = shard_bytes
        self._shards: list[int] = []
        self._at = 0
        self._shard: BinaryIO | None = None
        self._offsets = (folder / "offsets.bin").open("wb")
        self._offsets.write(struct.pack("<Q", 0))

    def __enter__(self) -> "RecordWriter":
        return self

    def __exit__(self, *error: object) -> None:
        self._offsets.close()
        if self._shard is not None:
            self._shard.close()

    def add(self, value: Any) -> None:
        """Write a value that JSON can hold."""
        packed = gzip.compress(as_json(value), LEVEL, mtime=0)
        self._room_for(len(packed)).write(packed)
        self._at += len(packed)
        self.count += 1
        self._offsets.write(struct.pack("<Q", self._at))

    def layout(self) -> dict[str, Any]:
        """What a reader needs to know: ``records``, and ``shards``: the place at which each file begins."""
        return {"records": self.count, "shards": list(self._shards)}

    def _room_for(self, size: int) -> BinaryIO:
        """The file that takes the next record."""
        if self._shard is None or self._at + size - self._shards[-1] > self._shard_bytes:
            if self._shard is not None:
                self._shard.close()
            self._shard = (self._folder / f"{len(self._shards):05}.bin").open("wb")
            self._shards.append(self._at)
        return self._shard
