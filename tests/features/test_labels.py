"""Labels on disk: written as they come, read by number and by words."""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.planted_world import DEAD, N_FEATURES, VOCABULARY, WORD
from monoscope.errors import BrokenInput, MismatchedArtefact, MissingInput, UnknownName, WrongUse
from monoscope.features import FeatureIndex, FeaturePatterns
from monoscope.features.labels import (
    METHODS,
    Description,
    ExampleEffect,
    FeatureLabel,
    Labels,
    by_description,
    described,
    near_words,
    standing,
    write_labels,
)
from monoscope.features.patterns import Counts, Pattern

PARENTS = {"dictionary": "d0", "features": "f0"}
TEXTS = st.text(st.characters(), max_size=12) | st.sampled_from(
    ["\x00\x1b[31m", "\u202ea", "\ud800", "\n", "שלום"]
)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False, width=32)
KNOWN = st.none() | NUMBERS
COUNTS = st.none() | st.integers(0, 99)
VOTES = st.lists(st.tuples(TEXTS, KNOWN).map(list), max_size=3)
DESCRIPTIONS = st.fixed_dictionaries(
    {
        "method": st.sampled_from(METHODS),
        "text": TEXTS,
        "scores": st.dictionaries(st.sampled_from(["f1", "precision", "recall", "share"]), KNOWN),
    },
    optional={"kind": st.just("mention")},
)
PATTERNS = st.fixed_dictionaries(
    {
        "text": TEXTS,
        "activation": NUMBERS,
        "examples": st.integers(0, 99),
        "matches": COUNTS,
        "active": COUNTS,
        "share": KNOWN,
    }
)
EFFECTS = st.fixed_dictionaries(
    {
        "position": st.integers(0, 2**40),
        "loss": st.lists(KNOWN, max_size=4),
        "next": KNOWN,
        "promoted": VOTES,
        "suppressed": VOTES,
    }
)
RECORDS = st.fixed_dictionaries(
    {
        "descriptions": st.lists(DESCRIPTIONS, max_size=3),
        "patterns": st.lists(PATTERNS, max_size=2),
        "effects": st.lists(EFFECTS, max_size=2),
    }
)


def label(feature: int, **texts: str) -> FeatureLabel:
    """A label of descriptions without scores."""
    return FeatureLabel(feature, tuple(Description(method, text, {}) for method, text in texts.items()))


@settings(max_examples=40, deadline=None)
@given(records=st.lists(RECORDS, min_size=1, max_size=5))
def test_what_is_written_is_read(
    records: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    records = [{"feature": number} | each for number, each in enumerate(records)]
    labels = [FeatureLabel.from_json(each) for each in records]
    assert [each.to_json() for each in labels] == records
    folder = tmp_path_factory.mktemp("labels") / "labels"
    found = write_labels(folder, labels, parents=PARENTS)
    assert list(found) == labels
    assert [found[number] for number in reversed(range(len(found)))] == labels[::-1]
    lines = (folder / "labels.jsonl").read_bytes().decode("utf-8").split("\n")
    assert [json.loads(line) for line in lines[:-1]] == records


def test_a_number_that_is_not_finite_is_null(tmp_path: Path) -> None:
    effect = ExampleEffect(3, (math.nan, 1.0), math.inf, (("a", math.nan),), ())
    odd = FeatureLabel(0, (Description("near", "fog", {"overlap": math.nan}),), (), (effect,))
    read = write_labels(tmp_path / "labels", [odd], parents=PARENTS)[0]
    assert read.descriptions[0].scores == {"overlap": None}
    assert (read.effects[0].loss, read.effects[0].next) == ((None, 1.0), None)
    assert read.effects[0].promoted == (("a", None),)


def test_labels_are_written_as_they_come(tmp_path: Path) -> None:
    """None is held longer than a block: those before are on disk when later ones are made."""
    sizes = []

    def made() -> Iterator[FeatureLabel]:
        for feature in range(5000):
            if feature % 1024 == 1023:
                (part,) = tmp_path.glob(".labels.*.part/labels.jsonl")
                sizes.append(part.stat().st_size)
            yield label(feature, tokens="bridge " * 20)

    found = write_labels(tmp_path / "labels", made(), parents=PARENTS)
    assert sizes[0] == 0 < sizes[1] < sizes[2] < sizes[3]
    assert found[4999].feature == 4999
    assert len(found) == 5000


def test_an_interrupt_leaves_what_was_there(tmp_path: Path) -> None:
    first = write_labels(tmp_path / "labels", [label(0, tokens="old")], parents=PARENTS)

    def stopped() -> Iterator[FeatureLabel]:
        yield label(0, tokens="new")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_labels(tmp_path / "labels", stopped(), parents=PARENTS)
    assert Labels.open(tmp_path / "labels")[0] == first[0]
    assert [each.name for each in tmp_path.iterdir()] == ["labels"]


def test_features_come_in_order_or_not_at_all(tmp_path: Path) -> None:
    for labels, said in (([label(1)], "where that of 0 belongs"), ([], "no labels to write")):
        with pytest.raises(WrongUse, match=said):
            write_labels(tmp_path / "labels", labels, parents=PARENTS)
    assert not (tmp_path / "labels").exists()


def test_labels_of_something_else_are_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match="no complete labels"):
        Labels.open(tmp_path / "labels")
    found = write_labels(tmp_path / "labels", [label(0)], parents=PARENTS)
    assert Labels.open(tmp_path / "labels", index_hash="f0", dictionary_hash="d0").n_features == 1
    with pytest.raises(MismatchedArtefact, match="made from features f0, and this features is f1"):
        Labels.open(tmp_path / "labels", index_hash="f1")
    with pytest.raises(MismatchedArtefact, match="made from dictionary d0"):
        Labels.open(tmp_path / "labels", dictionary_hash="d1")
    for feature in (-1, 1):
        with pytest.raises(UnknownName, match=f"no feature {feature}"):
            found[feature]
    (tmp_path / "labels" / "labels.sqlite").write_bytes(b"nothing")
    with pytest.raises(BrokenInput, match="cannot be read as labels"):
        Labels.open(tmp_path / "labels")


def test_a_line_that_was_changed_is_no_label(tmp_path: Path) -> None:
    write_labels(tmp_path / "labels", [label(0, tokens="bridge")], parents=PARENTS)
    path = tmp_path / "labels" / "labels.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"feature"', b'"fixture"'))
    with pytest.raises(BrokenInput, match="is no label"):
        Labels.open(tmp_path / "labels")[0]


def test_the_hash_is_that_of_what_is_said(tmp_path: Path) -> None:
    one, same, other = (
        write_labels(tmp_path / name, [label(0, tokens=text)], parents=PARENTS)
        for name, text in (("a", "fog"), ("b", "fog"), ("c", "bay"))
    )
    assert one.manifest.hash == same.manifest.hash != other.manifest.hash


def test_search_ranks_by_what_the_words_are(tmp_path: Path) -> None:
    planted = Description("planted", "golden_gate_bridge", {"f1": 0.9, "precision": 0.9, "recall": 0.9})
    patterns = Description("patterns", "the Golden Gate [Bridge]", {"precision": 1.0, "recall": 0.5})
    labels = [
        label(0, promotes="bridge, gate, golden", near="bridges, golden, gates"),
        FeatureLabel(1, (label(1, tokens="fog").descriptions[0], planted)),
        FeatureLabel(2, (patterns,)),
        label(3, tokens="golden", near="gate bridge"),
        label(4, tokens="Bridge, Gate, Golden"),
    ]
    found = write_labels(tmp_path / "labels", labels, parents=PARENTS).search("golden gate bridge")
    assert [each.feature for each in found] == [1, 4, 2, 0]
    assert [each.score for each in found] == pytest.approx([1.9, 1, 2 / 3 + (2 * 0.5 / 1.5) / 3, 2 / 3])
    assert found[0].description == planted
    assert found[3].description.method == "near"
    opened = Labels.open(tmp_path / "labels")
    assert [each.feature for each in opened.search("golden gate bridge", limit=1)] == [1]
    assert opened.search("xylophone") == opened.search("") == []
    assert opened.search('"; DROP TABLE line; --\x00') == []
    with pytest.raises(WrongUse, match="half a character"):
        opened.search("\ud800")


def test_descriptions_by_hand(index: FeatureIndex) -> None:
    near = near_words(index)
    record = index.record(WORD)
    counts = (Counts(0.0, 100, 10, 20, 9),)
    parts = tuple(
        Pattern(tokens, 0.8, 3, matches, matches, share)
        for tokens, matches, share in (((6, 1), 9, 0.6), ((4, 1), 1, 0.05), ((1,), 0, 0.0))
    )
    patterns = FeaturePatterns(WORD, 2.0, 5, parts, counts, 0.65, 0.7)
    found, shown = described(record, near[WORD], 5.5, patterns, VOCABULARY)
    assert [each.method for each in found] == ["tokens", "near", "patterns", "promotes"]
    tokens, _, by_pattern, promotes = found
    assert tokens.text.startswith("bridge")
    assert tokens.scores["share"] == pytest.approx(1, abs=0.05)
    assert by_pattern.text == "the [bridge]"
    assert by_pattern.scores == {"precision": 0.9, "recall": 0.45, "share": 0.65, "correlation": 0.7}
    assert promotes.text.startswith("towers")
    assert promotes.scores == {"deviations": 5.5}
    assert [each.text for each in shown] == ["the [bridge]", "towers [bridge]", "[bridge]"]
    assert [each.method for each in described(record, near[WORD], None, None, VOCABULARY)[0]] == [
        "tokens",
        "near",
    ]
    dead = described(index.record(DEAD), near[DEAD], 9.0, None, VOCABULARY)
    assert dead == ((), ())


def test_words_nearby_are_those_of_the_index(index: FeatureIndex) -> None:
    near = near_words(index)
    told = [feature for feature in range(N_FEATURES) if index.description(feature).startswith("near ")]
    assert len(told) >= 3
    for feature in told:
        words = ", ".join(text for text, _ in near[feature])
        assert index.description(feature).startswith(f"near {words}; ")
        overlaps = [value for _, value in near[feature]]
        assert overlaps == sorted(overlaps, reverse=True)
        assert 0 < min(overlaps) <= max(overlaps) <= 1
    statistics = index.statistics()
    assert near[DEAD] == []
    assert statistics["n_active"][DEAD] == 0


def test_both_kinds_of_descriptions_are_searched(index: FeatureIndex, tmp_path: Path) -> None:
    plain = index.by_description("towers", index.n_features)
    assert by_description(index, None, "towers", index.n_features) == plain
    named = [each.feature for each in plain]
    others = [feature for feature in range(N_FEATURES) if feature not in named]
    planted = Description("planted", "the_towers", {"f1": 0.6})
    made = [
        FeatureLabel(feature, (planted,) if feature == others[0] else ()) for feature in range(N_FEATURES)
    ]
    labels = write_labels(tmp_path / "labels", made, parents=PARENTS)
    found = by_description(index, labels, "towers", index.n_features)
    assert found[0].feature == others[0]
    assert found[0].why == "planted: the_towers"
    assert found[0].score == pytest.approx(1.6)
    assert found[1:] == plain
    assert by_description(index, labels, "towers", 1) == found[:1]
    elsewhere = f"~ feature={others[0]}"
    assert by_description(index, labels, "towers", index.n_features, where=elsewhere) == plain


def test_standing_lies_where_it_is_said_to() -> None:
    def scored(method: str, **scores: float | None) -> float:
        return standing(Description(method, "", scores))

    assert scored("patterns", precision=None, recall=0.0) == pytest.approx(2 / 3)
    assert scored("patterns", precision=1.0, recall=1.0) == pytest.approx(scored("tokens"))
    assert scored("planted", f1=0.5) == 1.5


def test_reading_needs_no_whole_file(tmp_path: Path) -> None:
    """A label is read from its place: what stands elsewhere may be broken."""
    write_labels(tmp_path / "labels", (label(n, tokens=f"word {n}") for n in range(50)), parents=PARENTS)
    path = tmp_path / "labels" / "labels.jsonl"
    data = bytearray(path.read_bytes())
    data[:100] = b"x" * 100
    path.write_bytes(data)
    found = Labels.open(tmp_path / "labels")
    assert found[40].descriptions[0].text == "word 40"
    with pytest.raises(BrokenInput, match="is no label"):
        found[0]
