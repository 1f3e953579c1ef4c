import contextlib
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.planted_world import DEAD, N_FEATURES
from monoscope.errors import UnknownName, WrongUse
from monoscope.features import FeatureIndex, FeatureRecord
from monoscope.features.filter_text import DEEPEST, MOST_PIECES, as_filter, read_filter
from monoscope.features.filters import (
    NUMBER_RELATIONS,
    NUMBERS,
    TEXT_RELATIONS,
    TEXTS,
    Alive,
    Both,
    Either,
    Filter,
    Not,
    Number,
    Text,
)

Tree = tuple[Any, ...]
"""A filter that is yet to be made: its class and what it is made of."""


def _trees(leaves: st.SearchStrategy[Tree], most: int) -> st.SearchStrategy[Tree]:
    return st.recursive(
        leaves,
        lambda part: (
            st.tuples(st.just(Both), part, part)
            | st.tuples(st.just(Either), part, part)
            | st.tuples(st.just(Not), part)
        ),
        max_leaves=most,
    )


def made(tree: Tree) -> Filter:
    kind, *parts = tree
    return kind(*(made(part) if isinstance(part, tuple) else part for part in parts))


def _numbers(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Tree]:
    relations = st.sampled_from(sorted(NUMBER_RELATIONS))
    return st.tuples(st.just(Number), st.sampled_from(sorted(NUMBERS)), relations, values)


def _texts(names: tuple[str, ...], values: st.SearchStrategy[str]) -> st.SearchStrategy[Tree]:
    return st.tuples(st.just(Text), st.sampled_from(names), st.sampled_from(sorted(TEXT_RELATIONS)), values)


any_number = st.integers(-9, 10**7) | st.floats(allow_nan=False, allow_infinity=False)
filters = _trees(_numbers(any_number) | _texts(TEXTS, st.text(max_size=12)) | st.just((Alive,)), 8)
asked = _trees(
    _numbers(st.sampled_from([0, 0.05, 0.15, 1, 2, 3.5, 7, 20]))
    | _texts(("description",), st.sampled_from(["bridge", "RED", "never", ""]))
    | st.just((Alive,)),
    6,
)


@given(filters)
def test_a_filter_is_read_back_from_its_text(tree: Tree) -> None:
    condition = made(tree)
    assert read_filter(str(condition)) == condition
    assert str(read_filter(str(condition))) == str(condition)


@pytest.mark.parametrize(
    ("written", "plain"),
    [
        (
            'density<0.01 & max>5 & description~"bridge" & alive',
            'density<0.01 & max>5 & description~"bridge" & alive',
        ),
        ("density < 1 %", None),
        ("density<1%", "density<0.01"),
        ("feature=3..9", "feature>=3 & feature<=9"),
        ("max_activation>=.5|mean_activation==2", "max>=0.5 | mean=2"),
        ("n_active!=1e3", "n_active!=1000"),
        ("~alive|~(density>-0.5)", "~alive | ~(density>-0.5)"),
        ("(alive|alive)&alive", "(alive | alive) & alive"),
        ("alive|alive&alive", "alive | alive & alive"),
        ("((alive))", "alive"),
        ("description~bridge", 'description~"bridge"'),
        ("description='golden gate'", 'description="golden gate"'),
        (r'description~"a \"b\" \u00e9"', r'description~"a \"b\" é"'),
        ("site=blocks.2.resid_post", 'site="blocks.2.resid_post"'),
        ("description~שלום", 'description~"שלום"'),
        ("\n alive\t", "alive"),
    ],
)
def test_what_people_write(written: str, plain: str | None) -> None:
    if plain is None:
        with pytest.raises(WrongUse, match="character 13"):
            read_filter(written)
    else:
        assert str(read_filter(written)) == plain


@pytest.mark.parametrize(
    ("written", "said", "hint"),
    [
        ("", "the filter is empty", "density"),
        ("  ", "the filter is empty", "density"),
        ("densty<0.01", "'densty' at character 1", "density"),
        ("alive & discription~x", "'discription' at character 9", "description"),
        ("density", "ends at character 8", "compared by <"),
        ("density<", "ends at character 9", "give one"),
        ("density~3", "with '~' at character 8", "compared by <"),
        ("density<thin", "with 'thin' at character 9", "give one"),
        ("density<1e999", "character 9", "finite"),
        ("feature=3..", "ends at character 12", "give one"),
        ("(alive", "ends at character 7", "close it"),
        ("alive)", "with ')' at character 6", "join"),
        ("alive alive", "with 'alive' at character 7", "join"),
        ("alive &", "ends at character 8", "a condition belongs here"),
        ("& alive", "with '&' at character 1", "a condition belongs here"),
        ("description<3", "with '<' at character 12", "compared by ~ = !="),
        ('description~"open', "a quote that is not closed at character 13", "description"),
        (r'description~"\q"', "a wrong escape", "write"),
        ("density<0.01 $", "'$' at character 14", "density"),
        ("alive\x1b", "'\\x1b' at character 6", "density"),
        ("x" * 100_000, "…' at character 1", "nearest"),
        ("(" * 100_000, f"more than {MOST_PIECES}", "less"),
        ("~" * 150 + "alive", f"character {DEEPEST + 2}", f"at most {DEEPEST}"),
        ("(" * 90 + "alive" + ")" * 90, f"character {DEEPEST + 2}", f"at most {DEEPEST}"),
    ],
)
def test_a_mistake_is_one_sentence_that_says_where(written: str, said: str, hint: str) -> None:
    with pytest.raises(WrongUse) as refused:
        read_filter(written)
    assert said in refused.value.sentence
    assert hint in refused.value.hint
    assert len(refused.value.sentence) < 200


@given(st.text(max_size=30) | st.text(alphabet='~&|()<>=.,"alivedensty 0123%', max_size=30))
def test_no_text_does_more_than_be_refused(written: str) -> None:
    with contextlib.suppress(WrongUse):
        found = read_filter(written)
        assert read_filter(str(found)) == found


def test_as_many_conditions_as_are_allowed_can_be_used(index: FeatureIndex) -> None:
    many = " & ".join(["alive"] * (MOST_PIECES // 2))
    assert str(read_filter(many)) == many
    assert read_filter(many).mask(index).tolist() == Alive().mask(index).tolist()


def meets(record: FeatureRecord, condition: Filter, score: float) -> bool:
    """The filter by its definition, one feature at a time."""
    match condition:
        case Both(left, right):
            return meets(record, left, score) and meets(record, right, score)
        case Either(left, right):
            return meets(record, left, score) or meets(record, right, score)
        case Not(of):
            return not meets(record, of, score)
        case Alive():
            return record.n_active > 0
        case Text(_, relation, value):
            held = value.casefold() in record.description.casefold()
            same = value == record.description
            return {"~": held, "=": same, "!=": not same}[relation]
        case Number(name, relation, value):
            own = {
                "density": record.density,
                "n_active": record.n_active,
                "max": record.max_activation,
                "mean": record.mean_activation,
                "feature": record.feature,
                "score": score,
            }[name]
            return NUMBER_RELATIONS[relation](own, value)
    raise AssertionError(condition)


@pytest.fixture(scope="module")
def mask_is_right(index: FeatureIndex) -> Callable[[Filter], None]:
    scores = np.random.default_rng(0).random(N_FEATURES) * 4
    records = [index.record(feature) for feature in range(N_FEATURES)]

    def check(condition: Filter) -> None:
        expected = [
            meets(*each) for each in zip(records, [condition] * N_FEATURES, scores.tolist(), strict=True)
        ]
        assert condition.mask(index, scores).tolist() == expected

    return check


@settings(max_examples=50)
@given(tree=asked)
def test_a_mask_says_of_each_feature_what_the_words_mean(
    mask_is_right: Callable[[Filter], None], tree: Tree
) -> None:
    mask_is_right(made(tree))


@settings(max_examples=30)
@given(first=asked, second=asked)
def test_the_laws_of_the_algebra(mask_of: Callable[[Filter], list[bool]], first: Tree, second: Tree) -> None:
    one, other = made(first), made(second)
    assert mask_of(~~one) == mask_of(one)
    assert mask_of(~(one & other)) == mask_of(~one | ~other)
    assert mask_of(one & other) == mask_of(other & one)
    assert mask_of(one | (one & other)) == mask_of(one)


@pytest.fixture(scope="module")
def mask_of(index: FeatureIndex) -> Callable[[Filter], list[bool]]:
    return lambda condition: condition.mask(index, np.linspace(0, 5, N_FEATURES)).tolist()


def test_sites_and_descriptions_are_texts(index: FeatureIndex) -> None:
    assert read_filter("site=blocks.0.resid_post").mask(index).all()
    assert read_filter("site~RESID").mask(index).all()
    assert not read_filter("site!='blocks.0.resid_post'").mask(index).any()
    assert not read_filter("site=RESID").mask(index).any()
    assert np.flatnonzero(read_filter("description~NEVER").mask(index)).tolist() == [DEAD]
    assert not read_filter("description~'%'&description~'_'&description~'zz'").mask(index).any()


def test_a_score_needs_a_search(index: FeatureIndex) -> None:
    with pytest.raises(WrongUse, match=r"score>0\.5 asks for a score"):
        read_filter("score>0.5").mask(index)
    best = index.search("bridge", limit=99)
    least = best[2].score
    assert index.search("bridge", limit=99, where=f"score>={least!r}") == best[:3]


def test_what_is_no_filter_is_refused_when_it_is_made() -> None:
    with pytest.raises(UnknownName, match="'densty'"):
        Number("densty", "<", 1)
    with pytest.raises(UnknownName, match="'=<'"):
        Number("density", "=<", 1)
    with pytest.raises(WrongUse, match="nan"):
        Number("density", "<", math.nan)
    with pytest.raises(UnknownName, match="'label'"):
        Text("label", "~", "x")
    assert as_filter(None) is None
    assert as_filter(Alive()) == as_filter("alive") == Alive()
