"""The sparse products are the dense ones, and so are their gradients."""

import torch
from torch.autograd import gradcheck

from monoscope.dictionaries.codes import ActiveCodes
from monoscope.dictionaries.kernels import bags, dot_rows, equal_bags, scatter_rows, sum_rows, take

GENERATOR = torch.Generator().manual_seed(0)
X = torch.randn(5, 6, dtype=torch.float64, generator=GENERATOR)
ROWS = torch.randn(11, 6, dtype=torch.float64, generator=GENERATOR)
STARTS = torch.tensor([0, 4, 4, 5, 9])
"""Bags of 4, 0, 1, 4 and 3 slots."""
OWNERS = torch.tensor([0, 0, 0, 0, 2, 3, 3, 3, 3, 4, 4, 4])
VALUES = torch.randn(12, dtype=torch.float64, generator=GENERATOR)
INDICES = torch.randint(9, (12,), generator=GENERATOR)


def test_bags_are_told_from_where_they_start() -> None:
    assert torch.equal(bags(STARTS, 12), OWNERS)
    assert torch.equal(bags(equal_bags(3, 2, STARTS.device), 6), torch.tensor([0, 0, 1, 1, 2, 2]))


def test_forward_is_the_plain_formula() -> None:
    assert torch.allclose(dot_rows(X, ROWS, INDICES, STARTS), (X[OWNERS] * ROWS[INDICES]).sum(1))
    written = torch.zeros(5, 6, dtype=torch.float64).index_add(0, OWNERS, VALUES[:, None] * ROWS[INDICES])
    assert torch.allclose(sum_rows(VALUES, INDICES, STARTS, ROWS), written)
    spread = torch.zeros(11, 6, dtype=torch.float64).index_add(0, INDICES, VALUES[:, None] * X[OWNERS])
    assert torch.allclose(scatter_rows(VALUES, INDICES, STARTS, X, 11), spread)


def test_gradients_are_those_of_moving_each_entry() -> None:
    x, rows, values = (tensor.clone().requires_grad_() for tensor in (X, ROWS, VALUES))
    assert gradcheck(lambda x, rows: dot_rows(x, rows, INDICES, STARTS), (x, rows))
    assert gradcheck(lambda values, rows: sum_rows(values, INDICES, STARTS, rows), (values, rows))


def test_only_what_needs_a_gradient_gets_one() -> None:
    rows = ROWS.clone().requires_grad_()
    dot_rows(X, rows, INDICES, STARTS).sum().backward()
    assert rows.grad is not None
    untouched = sorted(set(range(11)) - set(INDICES.tolist()))
    assert untouched
    assert not rows.grad[untouched].any()
    values = VALUES.clone().requires_grad_()
    sum_rows(values, INDICES, STARTS, ROWS).sum().backward()
    assert torch.allclose(values.grad, ROWS.sum(1)[INDICES])


def test_no_activations_give_nothing() -> None:
    none = torch.zeros(0, dtype=torch.int64)
    assert sum_rows(VALUES[:0], none, none, ROWS).shape == (0, 6)
    assert dot_rows(X[:0], ROWS, none, none).shape == (0,)


def test_active_codes_have_a_dense_form() -> None:
    distinct = torch.tensor([0, 3, 5, 2, 1, 4, 6, 8, 7, 2, 0, 9])
    dense = ActiveCodes(VALUES.abs(), distinct, STARTS).dense(11)
    assert dense.shape == (5, 11)
    assert not dense[1].any()
    assert torch.equal(dense[OWNERS, distinct], VALUES.abs())


def test_taking_entries_is_indexing_and_its_gradient_is_summed_in_one_order() -> None:
    vector = ROWS[:, 0].float().clone().requires_grad_()
    indices = torch.randint(11, (160_000,), generator=torch.Generator().manual_seed(1))
    weights = torch.randn(indices.shape, generator=torch.Generator().manual_seed(2))
    assert torch.equal(take(vector, indices), vector[indices])
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        gradients = [
            torch.autograd.grad((take(vector, indices) * weights).sum(), vector)[0] for _ in range(4)
        ]
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(each, gradients[0]) for each in gradients)
    expected = torch.zeros(11, dtype=torch.float64).index_add(0, indices, weights.double())
    assert torch.allclose(gradients[0].double(), expected, rtol=1e-3, atol=1e-3)
