from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monoscope.explore.export.records import RecordWriter

from .fake_index import offsets_of, read_records


@given(st.lists(st.text(max_size=200), max_size=40), st.integers(20, 400))
def test_records_are_read_back_by_their_ranges(texts: list[str], shard_bytes: int) -> None:
    with TemporaryDirectory() as scratch:
        folder = Path(scratch) / "records"
        with RecordWriter(folder, shard_bytes=shard_bytes) as writer:
            for text in texts:
                writer.add({"text": text})
        assert read_records(folder, writer.layout()) == [{"text": text} for text in texts]
        sizes = {path.name: path.stat().st_size for path in folder.glob("0*.bin")}
        assert sum(sizes.values()) == offsets_of(folder)[-1]
        largest = max(
            (end - start for start, end in zip(offsets_of(folder), offsets_of(folder)[1:], strict=False)),
            default=0,
        )
        assert all(size <= max(shard_bytes, largest) for size in sizes.values())
        assert len(sizes) == len(writer.layout()["shards"])


def test_the_same_records_are_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        with RecordWriter(tmp_path / name) as writer:
            writer.add(["bridge", 1.5])
    assert (tmp_path / "one" / "00000.bin").read_bytes() == (tmp_path / "two" / "00000.bin").read_bytes()


def test_a_folder_that_is_there_is_not_written_over(tmp_path: Path) -> None:
    with pytest.raises(FileExistsError):
        RecordWriter(tmp_path)
