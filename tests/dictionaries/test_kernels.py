"""The sparse products are the dense ones, and so are their gradients."""

import torch
from torch.autograd import gradcheck

from monoscope.dictionaries.kernels import dot_rows, scatter_rows, sum_rows, take

GENERATOR = torch.Generator().manual_seed(0)
X = torch.randn(5, 6, dtype=torch.float64, generator=GENERATOR)
ROWS = torch.randn(11, 6, dtype=torch.float64, generator=GENERATOR)
VALUES = torch.randn(5, 4, dtype=torch.float64, generator=GENERATOR)
INDICES = torch.randint(9, (5, 4), generator=GENERATOR)


def test_forward_is_the_plain_formula() -> None:
    assert torch.allclose(dot_rows(X, ROWS, INDICES), torch.einsum("bd,bkd->bk", X, ROWS[INDICES]))
    assert torch.allclose(sum_rows(VALUES, INDICES, ROWS), torch.einsum("bk,bkd->bd", VALUES, ROWS[INDICES]))
    dense = torch.zeros(5, 11, dtype=torch.float64).scatter_add(1, INDICES, VALUES)
    assert torch.allclose(scatter_rows(VALUES, INDICES, X, 11), dense.T @ X)


def test_gradients_are_those_of_moving_each_entry() -> None:
    x, rows, values = (tensor.clone().requires_grad_() for tensor in (X, ROWS, VALUES))
    assert gradcheck(lambda x, rows: dot_rows(x, rows, INDICES), (x, rows))
    assert gradcheck(lambda values, rows: sum_rows(values, INDICES, rows), (values, rows))


def test_only_what_needs_a_gradient_gets_one() -> None:
    rows = ROWS.clone().requires_grad_()
    dot_rows(X, rows, INDICES).sum().backward()
    assert rows.grad is not None
    untouched = sorted(set(range(11)) - set(INDICES.flatten().tolist()))
    assert untouched
    assert not rows.grad[untouched].any()
    values = VALUES.clone().requires_grad_()
    sum_rows(values, INDICES, ROWS).sum().backward()
    assert torch.allclose(values.grad, ROWS.sum(1)[INDICES])


def test_any_batch_shape_and_none() -> None:
    assert dot_rows(X[0], ROWS, INDICES[0]).shape == (4,)
    assert sum_rows(VALUES[0], INDICES[0], ROWS).shape == (6,)
    assert sum_rows(VALUES[:0], INDICES[:0], ROWS).shape == (0, 6)
    split = sum_rows(VALUES[:4].reshape(2, 2, 4), INDICES[:4].reshape(2, 2, 4), ROWS)
    assert torch.equal(split.flatten(0, 1), sum_rows(VALUES[:4], INDICES[:4], ROWS))


def test_taking_entries_is_indexing_and_its_gradient_is_summed_in_one_order() -> None:
    vector = ROWS[:, 0].float().clone().requires_grad_()
    indices = torch.randint(11, (4096, 40), generator=torch.Generator().manual_seed(1))
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
    expected = torch.zeros(11, dtype=torch.float64).index_add(
        0, indices.flatten(), weights.flatten().double()
    )
    assert torch.allclose(gradients[0].double(), expected, rtol=1e-3, atol=1e-3)
