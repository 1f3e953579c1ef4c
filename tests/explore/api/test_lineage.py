"""Where a feature splits, read from the record of an analysis."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from monoscope.explore.api.lineage import lineage

RECORD: dict[str, Any] = {
    "widths": [2, 4, 8],
    "forest": [
        {"parent": [0, 0, 1, -1], "similarity": [0.9, 0.6, 0.8, 0.0]},
        {"parent": [0, 0, 1, 2, -1, 1, 3, 0], "similarity": [0.5, 0.9, 0.7, 0.6, 0.0, 0.8, 0.9, 0.7]},
    ],
    "labels": [{"0": "sea", "1": "land"}, {"0": "fish", "1": "reef", "2": "hill"}, {"1": "shark"}],
}


def shape(
    width: int, feature: int, record: dict[str, Any] | None = RECORD
) -> list[tuple[int, bool, list[int]]]:
    """Width, whether it is the run's own, and the features, in short."""
    told = lineage(record, width, feature)
    return [(each.width, each.own, [kin.feature for kin in each.features]) for each in told]


def test_it_comes_from_one_and_becomes_several_the_most_alike_first() -> None:
    assert shape(4, 0) == [(2, False, [0]), (4, True, [0, 1]), (8, False, [1, 7, 0])]
    first = lineage(RECORD, 4, 0)
    assert first[0].features[0].similarity is None
    assert first[0].features[0].label == "sea"
    assert [(kin.label, kin.similarity) for kin in first[2].features] == [
        ("shark", 0.9),
        ("", 0.7),
        ("", 0.5),
    ]


def test_from_the_narrowest_and_from_the_widest() -> None:
    assert shape(2, 0) == [(2, True, [0]), (4, False, [0, 1]), (8, False, [1, 5, 2, 7, 0])]
    assert shape(8, 6) == [(4, False, [3]), (8, True, [6])]
    assert shape(8, 2) == [(2, False, [0]), (4, False, [1]), (8, True, [2, 5])]


def test_what_was_not_compared_has_none() -> None:
    assert shape(4, 0, None) == []
    assert shape(16, 0) == []
    assert shape(8, 4) == []


@given(st.integers(0, 2), st.data())
def test_kin_say_the_same_of_each_other(at: int, data: st.DataObject) -> None:
    width = RECORD["widths"][at]
    feature = data.draw(st.integers(0, width - 1))
    for kin in (one for each in lineage(RECORD, width, feature) if each.own for one in each.features):
        # Those that came from the same say so too.
        theirs, ours = shape(width, kin.feature)[: at + 1], shape(width, feature)[: at + 1]
        assert [(*each[:2], sorted(each[2])) for each in theirs] == [
            (*each[:2], sorted(each[2])) for each in ours
        ]
