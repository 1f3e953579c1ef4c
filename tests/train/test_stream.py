"""Streams: the same batches from anywhere."""

from itertools import islice

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from monoscope.errors import WrongUse
from monoscope.train.stream import Store, Stream, TensorStream, stream_of

X = torch.arange(30.0).reshape(10, 3)


@given(size=st.integers(1, 25), start=st.integers(0, 12), seed=st.integers(0, 5))
def test_a_stream_begun_later_goes_on_where_it_would_be(size: int, start: int, seed: int) -> None:
    stream = TensorStream(X)
    whole = list(islice(stream.batches(size, seed=seed), start + 3))
    later = list(islice(stream.batches(size, seed=seed, start=start), 3))
    assert all(torch.equal(a, b) for a, b in zip(whole[start:], later, strict=True))


def test_every_epoch_is_all_rows_in_another_order() -> None:
    rows = torch.cat(list(islice(TensorStream(X).batches(4, seed=0), 5)))
    first, second = rows[:10], rows[10:]
    assert sorted(first[:, 0].tolist()) == sorted(second[:, 0].tolist()) == X[:, 0].tolist()
    assert not torch.equal(first, second)
    other = next(TensorStream(X).batches(10, seed=1))
    assert not torch.equal(first, other)


def test_a_sample_has_no_row_twice() -> None:
    assert TensorStream(X).sample(4, seed=0).shape == (4, 3)
    assert sorted(TensorStream(X).sample(99, seed=0)[:, 0].tolist()) == X[:, 0].tolist()


class TwoSites:
    """A store as activation stores are."""

    site_names = ("a", "b")
    hash = "beef"
    model_hash = "feed"

    def stream(self, site: str) -> Stream:
        return TensorStream(X if site == "a" else -X)

    def statistics(self, site: str) -> None:
        raise AssertionError(f"a stream needs no statistics, and those of {site} were asked for")


def test_a_store_of_several_sites_needs_a_name() -> None:
    assert isinstance(TwoSites(), Store)
    stream, site = stream_of(TwoSites(), "b")
    assert site == "b"
    assert stream.sample(10, seed=0).max() == 0
    with pytest.raises(WrongUse, match="2 sites"):
        stream_of(TwoSites(), "")
    with pytest.raises(WrongUse, match="no activations"):
        TensorStream(X[:0])
