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
    for after, dead in ((1, [0, 2]), (2, [0]), (12, [])):
        liveness.look(after)
        assert liveness.dead.tolist() == dead
        assert liveness.n_dead == len(dead)
        assert liveness.buried().nonzero().squeeze(1).tolist() == dead


def test_who_is_dead_is_known_until_the_next_look() -> None:
    liveness = Liveness(torch.tensor([10, 10, 0, 0]))
    liveness.look(5)
    liveness.update(DENSE, 2)
    assert liveness.dead.tolist() == [0, 1]
    liveness.look(5)
    assert liveness.dead.tolist() == [0]
