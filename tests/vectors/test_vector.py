"""Control vectors: their algebra and their units."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from monoscope.errors import BrokenInput, MismatchedArtefact, UnknownSite, WrongUse
from monoscope.vectors import ControlVector

from .made import D_MODEL, made_vector

vectors = st.builds(
    made_vector,
    st.integers(0, 10**6),
    st.lists(st.integers(0, 5), min_size=1, max_size=4, unique=True),
)
factors = st.floats(-1e3, 1e3, allow_nan=False).filter(lambda factor: abs(factor) > 1e-3)


def assert_close(one: ControlVector, other: ControlVector, scale: float = 1.0) -> None:
    zero = torch.zeros(D_MODEL)
    for block in {*one.blocks, *other.blocks}:
        here, there = one.directions.get(block, zero), other.directions.get(block, zero)
        torch.testing.assert_close(here, there, rtol=1e-5, atol=1e-5 * scale)


@given(vectors)
def test_a_vector_without_itself_is_nothing(a: ControlVector) -> None:
    nothing = a - a
    assert all(not d.any() for d in nothing.directions.values())
    assert all(not nothing.push(block, 3.0).any() for block in nothing.blocks)
    assert nothing == a * 0


@given(vectors)
def test_the_opposite_of_the_opposite_is_itself(a: ControlVector) -> None:
    opposite = -a
    again = -opposite
    assert again == a
    assert (again.accuracy, again.centres, again.provenance) == (a.accuracy, a.centres, a.provenance)
    assert again.recommended == a.recommended
    assert -a == a * -1 == -1 * a


@given(vectors, vectors, factors)
def test_sums_and_multiples_change_places(a: ControlVector, b: ControlVector, c: float) -> None:
    assert_close((a + b) * c, a * c + b * c, scale=abs(c))
    assert_close((a + b) / c, a / c + b / c, scale=1 / abs(c))
    assert_close(a * c / c, a)


@given(vectors, vectors, st.sampled_from([-4.0, -0.5, 0.25, 2.0]))
def test_where_nothing_is_rounded_they_are_equal(a: ControlVector, b: ControlVector, c: float) -> None:
    assert (a + b) * c == a * c + b * c
    assert a * c / c == a
    assert a + b == b + a
    assert a - b == a + -b


@given(vectors, vectors, factors)
def test_a_sum_pushes_as_both(a: ControlVector, b: ControlVector, strength: float) -> None:
    total = a + b
    for block in total.blocks:
        both = sum(part.push(block, strength) for part in (a, b) if block in part.blocks)
        torch.testing.assert_close(total.push(block, strength), both, rtol=1e-4, atol=1e-4 * abs(strength))


def test_a_block_that_one_lacks_counts_as_zero() -> None:
    a = made_vector(0, (1, 2))
    assert a == replace(a, directions={**a.directions, 3: torch.zeros(D_MODEL)}, norms={**a.norms, 3: 1.0})
    assert a != a.at([1])
    assert (a + made_vector(1, (3,))).blocks == (1, 2, 3)
    assert a != "a vector"


def test_a_multiple_keeps_its_reliability_and_a_sum_does_not() -> None:
    a = made_vector()
    doubled = a * 2
    assert doubled.accuracy == a.accuracy
    assert doubled.recommended == pytest.approx(0.15)
    assert doubled.provenance["factor"] == 2
    assert (-a).centres == {1: -0.1, 2: -0.2}
    total = a + made_vector(1)
    assert (total.accuracy, total.centres, total.method) == ({}, {}, "sum")
    assert [part["hash"] for part in total.provenance["of"]] == [a.hash, made_vector(1).hash]


def test_a_push_is_counted_in_mean_norms() -> None:
    a = made_vector().unit_length()
    for block in a.blocks:
        assert float(a.push(block, 0.1).norm()) == pytest.approx(0.1 * a.norms[block], rel=1e-5)
    assert a.unit == "mean residual norm"
    plain = made_vector(norms=False)
    assert plain.unit == "activation"
    assert torch.equal(plain.push(1, 1), plain.directions[1])


@given(vectors, st.floats(0.1, 100))
def test_other_units_push_the_same(a: ControlVector, norm: float) -> None:
    other = a.in_units_of(dict.fromkeys(a.blocks, norm))
    for block in a.blocks:
        torch.testing.assert_close(other.push(block, 2.0), a.push(block, 2.0), rtol=1e-5, atol=1e-6)
        assert other.norm(block) == norm
        gap, other_gap = a.accuracy[block].difference, other.accuracy[block].difference
        assert other_gap * norm == pytest.approx(gap * a.norm(block))


def test_the_best_block_reads_best_and_the_middle_half_is_in_the_middle() -> None:
    a = made_vector(blocks=(0, 1, 2, 3))
    levels = {0: (0.9, 0.5), 1: (1.0, 0.1), 2: (1.0, 0.2), 3: (0.8, 0.9)}
    graded = {
        block: replace(a.accuracy[block], accuracy=share, difference=gap)
        for block, (share, gap) in levels.items()
    }
    assert replace(a, accuracy=graded).best_block == 2
    assert a.middle_half == (1, 2)
    with pytest.raises(WrongUse, match="held out"):
        _ = (a + a).best_block
    with pytest.raises(WrongUse, match="how deep"):
        _ = replace(a, n_blocks=0).middle_half


def test_vectors_of_different_models_do_not_mix() -> None:
    a = made_vector()
    with pytest.raises(MismatchedArtefact, match=r"feed.*beef"):
        _ = a + made_vector(model_hash="beef")
    wider = ControlVector(directions={1: torch.ones(9)}, d_model=9)
    with pytest.raises(MismatchedArtefact, match=r"width 6 .* width 9"):
        _ = a - wider
    assert (a + made_vector(1, model_hash="")).model_hash == "feed"


def test_vectors_in_different_units_do_not_mix() -> None:
    a = made_vector()
    with pytest.raises(WrongUse, match="counts in units"):
        _ = a + made_vector(norms=False)
    other = a.in_units_of({1: 2.0, 2: 2.0})
    with pytest.raises(WrongUse, match="different norms at block 1"):
        _ = a + other
    assert_close(a + other.in_units_of(a.norms), a * 2)


@pytest.mark.parametrize(
    ("fields", "error", "says"),
    [
        ({"directions": {}}, WrongUse, "without a direction"),
        ({"directions": {1: torch.ones(5)}}, WrongUse, r"shape \[5\] and d_model is 6"),
        ({"directions": {1: torch.full((6,), torch.nan)}}, BrokenInput, "not finite"),
        ({"directions": {-1: torch.ones(6)}}, UnknownSite, "-1 is no number"),
        (
            {"directions": {1: torch.ones(6)}, "norms": {2: 1.0}},
            WrongUse,
            "block 1 has a norm or a direction",
        ),
        ({"directions": {1: torch.ones(6)}, "norms": {1: 0.0}}, WrongUse, "0.0 is no norm"),
    ],
)
def test_what_is_no_vector_is_refused(fields: dict, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        ControlVector(d_model=D_MODEL, **fields)


def test_what_cannot_be_asked_is_refused() -> None:
    a = made_vector()
    for asked in (lambda: a.push(0, 1.0), lambda: a.at([7]), lambda: a.norm(5)):
        with pytest.raises(UnknownSite, match="it has blocks 1, 2"):
            asked()
    for asked in (lambda: a * float("nan"), lambda: a.push(1, float("inf")), lambda: a / 0):
        with pytest.raises(WrongUse):
            asked()
    with pytest.raises(WrongUse, match="no norm for block 2"):
        a.in_units_of({1: 1.0})
    with pytest.raises(TypeError):
        _ = a + 1
    with pytest.raises(TypeError):
        hash(a)
