"""The vectors of a folder, as they lie there now."""

from pathlib import Path

import pytest

from monoscope.vectors import Shelf, is_name, save
from vectors.made import made_vector


@pytest.mark.parametrize(
    ("told", "is_one"),
    [
        *(("joy", True), ("joy.2", True), ("alegría", True), ("412", False), ("4.2", False), ("", False)),
        *((".joy", False), ("../joy", False), ("a/b", False), ("a b", False), ("-a", False)),
    ],
)
def test_a_name_is_a_word(told: str, is_one: bool) -> None:
    assert is_name(told) == is_one


def test_a_shelf_holds_what_lies_there_now(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "vectors")
    assert list(shelf) == []
    assert shelf.get("joy") is None
    first, second = made_vector(0), made_vector(1)
    save(second, tmp_path / "vectors" / "joy")
    save(first, tmp_path / "vectors" / "calm")
    (tmp_path / "vectors" / "half").mkdir()
    save(first, tmp_path / "outside")
    assert list(shelf) == ["calm", "joy"]
    assert len(shelf) == 2
    assert shelf["joy"].hash == second.hash
    assert shelf["joy"] is shelf["joy"]
    save(first, tmp_path / "vectors" / "joy")
    assert shelf["joy"].hash == first.hash
    for absent in ("half", "../outside", "412", 3):
        assert absent not in shelf
    with pytest.raises(KeyError):
        shelf["../outside"]
