import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monoscope.errors import BrokenInput
from monoscope.explore.export.source import Origin, as_json, linear_counts

from .fake_index import FakeIndex, fake_index


@given(st.recursive(st.text() | st.floats(allow_nan=False, allow_infinity=False), st.lists))
def test_json_is_read_back_as_it_was(value: object) -> None:
    assert json.loads(as_json(value)) == value


@pytest.mark.parametrize("text", ["\ud83d", "a\udc00b", "\ud83d and 🐧", "\0\x1f\u2028</script>"])
def test_texts_that_are_no_utf8_are_read_back_as_well(text: str) -> None:
    assert json.loads(as_json({"text": text})) == {"text": text}


def test_a_number_that_is_not_finite_is_refused_by_its_feature() -> None:
    with pytest.raises(BrokenInput, match="feature 7 holds a number"):
        as_json({"feature": 7, "density": float("nan")})


def test_the_address_is_taken_apart_from_its_end() -> None:
    origin = Origin.of(fake_index(2))
    assert (origin.model, origin.site, origin.dictionary, origin.layer) == (
        "some/builtin",
        "blocks.2.resid_post",
        "4f2a91c07b13",
        2,
    )
    assert origin.address == "some/builtin/blocks.2.resid_post/4f2a91c07b13"


@pytest.mark.parametrize("address", ["", "model/dictionary", "model/nowhere/dictionary"])
def test_an_index_that_does_not_say_where_it_comes_from_is_refused(address: str) -> None:
    index = FakeIndex([])
    index.manifest.content["address"] = address
    with pytest.raises(BrokenInput, match="of where it comes from"):
        Origin.of(index)


@given(
    st.lists(st.integers(0, 10**6), min_size=1, max_size=40),
    st.floats(-3, 3),
    st.integers(1, 60),
    st.floats(0.01, 1),
)
def test_counts_are_moved_to_other_bins_and_none_is_lost(
    counts: list[int], lowest: float, parts: int, cut: float
) -> None:
    edges = lowest + 0.125 * np.arange(len(counts) + 1)
    largest = 10 ** (edges[-2] + cut * 0.125)
    moved = linear_counts({"edges": edges.tolist(), "counts": counts}, np.linspace(0, largest, parts + 1))
    assert len(moved) == parts
    assert moved.min() >= 0
    assert moved.sum() == pytest.approx(sum(counts))


def test_counts_fall_where_activations_are() -> None:
    values = np.random.default_rng(0).uniform(0.001, 8.0, 200_000)
    bins = np.arange(-24, 9) / 8
    counts = np.histogram(np.log10(values), bins)[0]
    edges = np.linspace(0, values.max(), 5)
    found = linear_counts({"edges": bins.tolist(), "counts": counts.tolist()}, edges)
    assert found == pytest.approx(np.histogram(values, edges)[0], rel=0.01)


def test_a_silent_feature_has_no_counts() -> None:
    assert linear_counts({"edges": [], "counts": []}, np.linspace(0, 0, 5)).tolist() == [0, 0, 0, 0]
