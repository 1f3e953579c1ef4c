"""Correlations of every pair, in one pass."""

import numpy as np
import torch

from monoscope.evaluate.analyses.pairwise import Pairwise, pearson, row_wise


def test_every_pair_is_correlated_and_two_texts_add_up() -> None:
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randn(300, 4, generator=generator), torch.randn(300, 3, generator=generator)
    b[:, 0] += 2 * a[:, 1] + 5
    expected = np.corrcoef(np.concatenate([a.numpy(), b.numpy()], axis=1).T)[:4, 4:]
    parts = [Pairwise(4, 3), Pairwise(4, 3)]
    for start in range(0, 300, 50):
        rows = slice(start, start + 50)
        parts[start // 50 % 2].see(a[rows], b[rows])
    assert np.allclose((parts[0] + parts[1]).r(), expected, atol=1e-5)
    assert np.allclose(row_wise(a.T.numpy()[:3], b.T.numpy()), np.diag(expected[:3]), atol=1e-5)


def test_what_never_varies_goes_with_nothing() -> None:
    pair = Pairwise(2, 1)
    x = torch.arange(50.0)[:, None]
    pair.see(torch.cat([x, torch.full((50, 1), 0.1)], dim=1), -x)
    assert np.allclose(pair.r(), [[-1], [0]])
    assert Pairwise(1, 1).r().tolist() == [[0]]
    assert pearson([1, 1, 1], [1, 2, 3]) == 0
