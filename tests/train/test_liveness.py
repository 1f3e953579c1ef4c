"""Counting tokens since a feature was active."""

import pytest
import torch

from monoscope.dictionaries.codes import ActiveCodes
from monoscope.train.liveness import Liveness

DENSE = torch.tensor([[0.0, 2.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]])
SPARSE = ActiveCodes(torch.tensor([2.0, 1.0, 0.0]), torch.tensor([1, 3, 2]), torch.tensor([0, 1]))


@pytest.mark.parametrize("codes", [DENSE, SPARSE])
def test_what_is_active_starts_again_and_the_rest_ages(codes: torch.Tensor | ActiveCodes) -> None:
    liveness = Liveness(torch.tensor([10, 10, 0, 0]))
    liveness.update(codes, 2)
    assert liveness.tokens_since.tolist() == [12, 0, 2, 0]
    assert liveness.dead(1).tolist() == [0, 2]
    assert liveness.dead(2).tolist() == [0]
    assert liveness.dead(12).tolist() == []
