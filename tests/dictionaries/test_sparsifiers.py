"""What each sparsifier keeps."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from monoscope.dictionaries.selection import group_size, largest, largest_of_all
from monoscope.dictionaries.sparsifiers import SPARSIFIERS, ReLU, TopK, from_record, to_record
from monoscope.errors import BrokenInput, UnknownName, WrongUse


@given(
    n_features=st.sampled_from([1, 7, 32, 96, 128, 250, 512]),
    k=st.integers(1, 40),
    seed=st.integers(0, 999),
    ties=st.booleans(),
    dtype=st.sampled_from([torch.float32, torch.bfloat16]),
)
def test_two_rounds_keep_what_sorting_keeps(
    n_features: int, k: int, seed: int, ties: bool, dtype: torch.dtype
) -> None:
    k = min(k, n_features)
    pre = torch.randn(6, n_features, generator=torch.Generator().manual_seed(seed)).to(dtype)
    if ties:
        pre = pre.round()
    indices = largest(pre, k)
    kept = pre.gather(-1, indices).sort(-1, descending=True).values
    assert torch.equal(kept, pre.sort(-1, descending=True).values[:, :k])
    assert all(len(set(row)) == k for row in indices.tolist())


@given(
    rows=st.integers(1, 9),
    count=st.integers(1, 60),
    hint=st.sampled_from([0.0, 0.3, 5.0]),
    block=st.integers(1, 9),
    seed=st.integers(0, 999),
)
def test_the_largest_of_all_blocks_are_the_largest_of_all(
    rows: int, count: int, hint: float, block: int, seed: int
) -> None:
    pre = torch.randn(rows, 16, generator=torch.Generator().manual_seed(seed))
    row, column = largest_of_all(lambda: pre.split(block), count, 16, hint)
    expected = pre[pre > 0].sort(descending=True).values[:count]
    assert torch.equal(pre[row, column].sort(descending=True).values, expected)
    assert torch.equal(row, row.sort().values)


def test_groups_are_used_where_they_save_work() -> None:
    assert group_size(2048, 32) == 8
    assert group_size(2047, 32) == 1
    assert group_size(64, 32) == 1


def test_topk_keeps_the_largest_where_positive() -> None:
    codes = TopK(3)(torch.tensor([[5.0, -1.0, 2.0, 7.0], [-5.0, -1.0, 2.0, -7.0]]))
    assert codes.tolist() == [[5, 0, 2, 7], [0, 0, 2, 0]]


def test_relu_gives_every_row_as_many_slots_as_the_fullest_needs() -> None:
    pre = torch.tensor([[1.0, 2.0, -3.0], [-1.0, -1.0, 4.0]])
    assert ReLU().sparse(pre).values.shape == (2, 2)
    assert torch.equal(ReLU().sparse(pre).dense(3), pre.relu())
    assert ReLU().sparse(-pre.abs()).values.tolist() == [[0.0], [0.0]]


def test_records_name_the_class_and_its_fields() -> None:
    assert to_record(TopK(5)) == {"name": "topk", "k": 5}
    assert from_record({"name": "relu"}) == ReLU()
    assert list(SPARSIFIERS) == ["batch_topk", "gated", "jumprelu", "relu", "topk"]


def test_bad_records_and_values_are_refused() -> None:
    with pytest.raises(UnknownName, match="'top'"):
        from_record({"name": "top", "k": 5})
    with pytest.raises(BrokenInput, match="width"):
        from_record({"name": "topk", "width": 5})
    with pytest.raises(BrokenInput, match="name"):
        from_record({"k": 5})
    with pytest.raises(WrongUse, match="k = 0"):
        TopK(0)
