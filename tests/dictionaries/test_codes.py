"""Sparse codes stand for dense ones."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from monoscope.dictionaries.codes import SparseCodes


def test_unused_slots_that_point_at_a_used_feature_add_nothing() -> None:
    codes = SparseCodes(torch.tensor([[2.0, 0.0, 3.0]]), torch.tensor([[1, 1, 4]]))
    assert codes.dense(6).tolist() == [[0, 2, 0, 0, 3, 0]]
    assert codes.select(torch.tensor([4, 1])).tolist() == [[3, 2]]


@given(
    batch=st.lists(st.integers(0, 3), max_size=2),
    features=st.lists(st.integers(0, 19), max_size=6),
    seed=st.integers(0, 99),
)
def test_selected_columns_are_those_of_the_dense_codes(
    batch: list[int], features: list[int], seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    indices = torch.rand(*batch, 20, generator=generator).argsort(-1)[..., :4]
    codes = SparseCodes(torch.rand(*batch, 4, generator=generator), indices)
    chosen = torch.tensor(features, dtype=torch.int64)
    assert torch.equal(codes.select(chosen), codes.dense(20)[..., chosen])
