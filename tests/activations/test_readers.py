"""Documents out of every kind of file, and what each kind of broken file is told."""

import gzip
import json
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from monoscope.activations.readers import read_file, read_folder, read_hub
from monoscope.documents import Document, Span
from monoscope.errors import BrokenInput, MonoscopeError


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def texts(path: Path) -> list[str]:
    return [document.text for document in read_file(path, "text")]


# Text


def test_text_is_split_where_documents_end(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.txt", "\nOne.\nStill one.\n<|endoftext|>\nTwo.\n\n<|endoftext|>  \n<|endoftext|>Three"
    )
    assert texts(path) == ["One.\nStill one.", "Two.", "Three"]


def test_paragraphs_are_put_together_up_to_a_blank_line(tmp_path: Path) -> None:
    paragraphs = [f"{number} " + "word " * 100 for number in range(20)]
    found = texts(write(tmp_path / "a.txt", "\n \n".join(paragraphs)))
    assert [text.split()[0] for text in found] == ["0", "4", "8", "12", "16"]
    assert "\n \n".join(found).split() == " ".join(paragraphs).split()
    assert all(2000 < len(text) < 2600 for text in found)


def test_lines_without_blank_lines_are_put_together_too(tmp_path: Path) -> None:
    lines = [f"{number} " + "word " * 20 for number in range(400)]
    found = texts(write(tmp_path / "a.txt", "\n".join(lines)))
    assert [len(text) // 1000 for text in found] == [8, 8, 8, 8, 8, 1]
    assert "\n".join(found).split() == " ".join(lines).split()


def test_one_long_line_is_one_document(tmp_path: Path) -> None:
    assert texts(write(tmp_path / "a.txt", "word " * 10_000)) == [("word " * 10_000).strip()]


def test_marks_and_line_ends_of_other_systems_are_no_text(tmp_path: Path) -> None:
    assert texts(write(tmp_path / "a.txt", b"\xef\xbb\xbfOne\r\ntwo")) == ["One\ntwo"]


def test_files_of_any_other_suffix_are_text(tmp_path: Path) -> None:
    assert texts(write(tmp_path / "notes", "Hello")) == ["Hello"]


def test_compressed_text(tmp_path: Path) -> None:
    assert texts(write(tmp_path / "a.txt.gz", gzip.compress(b"Hello"))) == ["Hello"]


@pytest.mark.parametrize("content", [b"", b" \n\t\n", b"<|endoftext|>\n<|endoftext|>"])
def test_empty_files_are_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(BrokenInput, match="holds no text"):
        read_file(write(tmp_path / "a.txt", content), "text")


def test_binary_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BrokenInput, match="is binary, with a zero byte at offset 3"):
        read_file(write(tmp_path / "a.txt", b"PNG\0rest"), "text")


def test_other_encodings_are_refused_with_the_offset(tmp_path: Path) -> None:
    with pytest.raises(BrokenInput, match="not UTF-8: byte 0xe9 at offset 3") as error:
        read_file(write(tmp_path / "a.txt", "café au lait".encode("latin1")), "text")
    assert "iconv" in error.value.hint


def test_cut_gzip_files_are_refused(tmp_path: Path) -> None:
    whole = gzip.compress(b"Hello " * 1000)
    for content in (whole[:-10], b"no gzip", whole[:10] + b"\xff" + whole[11:]):
        with pytest.raises(BrokenInput, match="not a complete gzip file"):
            read_file(write(tmp_path / "a.txt.gz", content), "text")


def test_json_is_refused_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(BrokenInput, match="is JSON") as error:
        read_file(write(tmp_path / "a.json", '[{"text": "a"}]'), "text")
    assert ".jsonl" in error.value.hint


# JSON Lines

BRIDGE = {
    "text": "The bridge is red.",
    "spans": [[4, 10, "bridge", "mention"], [0, 18, "bridge"]],
    "split": "heldout",
}


@pytest.mark.parametrize("name", ["a.jsonl", "a.ndjson", "a.jsonl.gz"])
def test_json_lines_with_spans_and_splits(tmp_path: Path, name: str) -> None:
    lines = [
        json.dumps(BRIDGE),
        "",
        json.dumps({"text": "Plain\u2028text.", "split": "train"}, ensure_ascii=False),
    ]
    content = "\n".join(lines).encode()
    path = write(tmp_path / name, gzip.compress(content) if name.endswith("gz") else content)
    spans = (Span(4, 10, "bridge", "mention"), Span(0, 18, "bridge", "passage"))
    assert read_file(path, "text") == [
        Document(BRIDGE["text"], spans, heldout=True),
        Document("Plain\u2028text."),
    ]


def test_another_field_may_hold_the_text(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", '{"story": "Once"}\n{"story": null}\n{"story": "Twice"}')
    assert [document.text for document in read_file(path, "story")] == ["Once", "Twice"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{'text': 1}", "line 2 is not JSON"),
        ("[1, 2]", "line 2 is not a JSON object"),
        ('{"story": "Once"}', "line 2 has no column 'text'"),
        ('{"text": 3}', "line 2 has 3 in 'text', where text belongs"),
        ('{"text": "a\\ud800"}', "line 2 has half a surrogate pair at character 1"),
        ('{"text": "abc", "spans": [[0, 4, "c"]]}', r'line 2 has the span \[0, 4, "c"\] in a text of 3 char'),
        ('{"text": "abc", "spans": [[2, 2, "c"]]}', "line 2 has the span"),
        ('{"text": "abc", "spans": [[-1, 2, "c"]]}', "line 2 has the span"),
        ('{"text": "abc", "spans": [[0, 2, ""]]}', "line 2 has the span"),
        ('{"text": "abc", "spans": [[0, 2, "c", "word"]]}', "line 2 has the span"),
        ('{"text": "abc", "spans": [[0, 2, "c", "mention", 1]]}', "line 2 has the span"),
        ('{"text": "abc", "spans": [3]}', "line 2 has the span 3"),
    ],
)
def test_broken_lines_are_named(tmp_path: Path, line: str, message: str) -> None:
    path = write(tmp_path / "a.jsonl", '{"text": "fine"}\n' + line)
    with pytest.raises(BrokenInput, match=message) as error:
        read_file(path, "text")
    assert error.value.hint


def test_a_missing_column_hints_at_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(BrokenInput) as error:
        read_file(write(tmp_path / "a.jsonl", '{"story": "Once", "id": 3}'), "text")
    assert "'story', 'id'" in error.value.hint


# Folders


def test_folders_are_read_in_the_order_of_their_paths(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / ".hidden").mkdir()
    write(tmp_path / "b" / "z.txt", "third")
    write(tmp_path / "c.jsonl", '{"text": "fourth"}')
    write(tmp_path / "a.md", "first")
    write(tmp_path / "b" / "a.txt.gz", gzip.compress(b"second"))
    write(tmp_path / "b" / "picture.png", b"\0\0")
    write(tmp_path / ".hidden" / "a.txt", "unseen")
    assert [document.text for document in read_folder(tmp_path, "text")] == [
        "first",
        "second",
        "third",
        "fourth",
    ]


def test_folders_without_corpus_files_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "picture.png", b"\0")
    with pytest.raises(BrokenInput, match="holds no corpus file") as error:
        read_folder(tmp_path, "text")
    assert ".jsonl" in error.value.hint


# Parquet


def test_parquet(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "a.parquet"
    parquet.write_table(pyarrow.table({"text": ["One", None, "Twö", " "], "id": [1, 2, 3, 4]}), path)
    assert texts(path) == ["One", "Twö"]
    with pytest.raises(BrokenInput, match="has no column 'story'") as error:
        read_file(path, "story")
    assert "'text', 'id'" in error.value.hint
    with pytest.raises(BrokenInput, match="has 1 in 'id'"):
        read_file(path, "id")
    with pytest.raises(BrokenInput, match="is not a Parquet file"):
        read_file(write(tmp_path / "b.parquet", "text"), "text")


def test_parquet_without_pyarrow_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MonoscopeError, match="pyarrow is not installed") as error:
        read_file(write(tmp_path / "a.parquet", b"PAR1"), "text")
    assert error.value.hint == "pip install 'monoscope[parquet]'"


# The hub


class Rows:
    """A split of a dataset, as far as the reader goes."""

    def __init__(self, **columns: list[Any]) -> None:
        self.columns = columns
        self.column_names = list(columns)

    def __getitem__(self, name: str) -> list[Any]:
        return self.columns[name]


def test_the_hub_gives_all_splits(monkeypatch: pytest.MonkeyPatch) -> None:
    splits = {"train": Rows(text=["One", " "], id=[1, 2]), "validation": Rows(text=["Two"], id=[3])}
    monkeypatch.setitem(sys.modules, "datasets", types.SimpleNamespace(load_dataset=lambda name: splits))
    assert read_hub("some/stories", "text") == [Document("One"), Document("Two", heldout=True)]
    with pytest.raises(BrokenInput, match="the dataset some/stories has no column 'story'"):
        read_hub("some/stories", "story")


def test_the_hub_out_of_reach_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(name: str) -> None:
        raise ConnectionError(f"cannot reach the host for {name}\nand a long story")

    monkeypatch.setitem(sys.modules, "datasets", types.SimpleNamespace(load_dataset=fail))
    with pytest.raises(BrokenInput, match="the dataset a/b cannot be loaded") as error:
        read_hub("a/b", "text")
    assert error.value.sentence == "the dataset a/b cannot be loaded: cannot reach the host for a/b"


def test_the_hub_without_its_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MonoscopeError, match="datasets, which is not installed") as error:
        read_hub("a/b", "text")
    assert "pip install datasets" in error.value.hint
