"""Contrast pairs as people write them down."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monoscope.errors import BrokenInput, MissingInput
from monoscope.vectors import ContrastPair, read_pairs, write_pairs

SIDES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(lambda text: bool(text.strip()))
PAIR = st.builds(ContrastPair, SIDES, SIDES, st.none() | st.integers() | st.text(max_size=3))
PAIRS = st.lists(PAIR.filter(lambda pair: pair.positive != pair.negative), min_size=1)


@given(pairs=PAIRS, ascii_only=st.booleans())
def test_what_is_written_is_read(
    pairs: list[ContrastPair], ascii_only: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("pairs") / "pairs.jsonl"
    lines = [json.dumps(vars(pair), ensure_ascii=ascii_only) for pair in pairs]
    path.write_text("\n\n".join(lines), encoding="utf-8", newline="\n")
    assert read_pairs(path) == pairs


@given(pairs=PAIRS)
def test_what_a_vector_keeps_is_read_back(
    pairs: list[ContrastPair], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("pairs") / "pairs.jsonl"
    path.write_text(write_pairs(pairs), encoding="utf-8")
    assert read_pairs(path) == pairs


def test_a_table_has_columns(tmp_path: Path) -> None:
    path = tmp_path / "pairs.csv"
    path.write_text('positive,negative,group\n"Yes, I do.",No.,a\n"two\nlines",one,\n', encoding="utf-8")
    assert read_pairs(path) == [
        ContrastPair("Yes, I do.", "No.", "a"),
        ContrastPair("two\nlines", "one", None),
    ]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("p.jsonl", "\n \n", "holds no pair"),
        ("p.jsonl", '{"positive": "a", "negative": "b"}\n\n{"positive": "a"}', "line 3 .*no negative side"),
        ("p.jsonl", '{"positive": " ", "negative": "b"}', "line 1 .*no positive side"),
        ("p.jsonl", '{"positive": "a", "negative": "b"}\nyes', "line 2 .*no JSON"),
        ("p.jsonl", "[1]", "line 1 .*no object"),
        ("p.jsonl", '{"positive": "a", "negative": "b", "weight": 1}', "'weight'"),
        ("p.jsonl", '{"positive": "a", "negative": "b", "group": true}', "group True"),
        ("p.csv", "positive,negative\n", "holds no pair"),
        ("p.csv", "positive,negative\na\n", "line 2 .*no negative side"),
        ("p.csv", "positive,negative\na,b,c\n", "line 2 .*'too many'"),
        ("p.csv", "yes,no\na,b\n", "line 2 .*no positive side"),
    ],
)
def test_what_is_no_pair(tmp_path: Path, name: str, text: str, said: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(BrokenInput, match=said):
        read_pairs(tmp_path / name)


def test_no_file_and_no_text(tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match="cannot be read"):
        read_pairs(tmp_path / "p.jsonl")
    (tmp_path / "p.jsonl").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BrokenInput, match="UTF-8"):
        read_pairs(tmp_path / "p.jsonl")


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ('{"positive": "\\ud83d", "negative": "b"}', "line 1 of .* has half a character"),
        ('{"positive": "a", "negative": "a"}', "line 1 of .* says the same on both sides"),
    ],
)
def test_texts_that_are_none_or_no_contrast(tmp_path: Path, row: str, said: str) -> None:
    path = tmp_path / "pairs.jsonl"
    path.write_text(row)
    with pytest.raises(BrokenInput, match=said):
        read_pairs(path)
