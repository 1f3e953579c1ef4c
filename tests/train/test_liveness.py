"""Counting tokens since a feature was active."""

import pytest
import torch

from monoscope.dictionaries.codes import SparseCodes
from monoscope.train.liveness import Liveness

DENSE = torch.tensor([[0.0, 2.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]])
SPARSE = SparseCodes(torch.tensor([[2.0, 0.0], [1.0, 0.0]]), torch.tensor([[1, 0], [3, 1]]))


@pytest.mark.parametrize("codes", [DENSE, SPARSE])
def test_what_is_active_starts_again_and_the_rest_ages(codes: torch.Tensor | SparseCodes) -> None:
    liveness = Liveness(torch.tensor([10, 10, 0, 0]))
    liveness.update(codes)
    assert liveness.tokens_since.tolist() == [12, 0, 2, 0]
    assert liveness.dead(1).tolist() == [0, 2]
    assert liveness.dead(2).tolist() == [0]
    assert liveness.dead(12).tolist() == []
