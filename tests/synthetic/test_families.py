"""Families of planted features: who is on with whom, and how often."""

from itertools import islice
from typing import Any

import pytest
import torch

from monoscope.errors import WrongUse
from monoscope.synthetic.families import planted_families

FAMILIES = planted_families()
X, CODES = FAMILIES.sample(50_000, seed=1)
ON = CODES > 0
CHILDREN = ON[:, 4:20].unflatten(1, (4, 4))


def test_samples_are_sums_of_orthogonal_directions() -> None:
    assert torch.allclose(FAMILIES.directions @ FAMILIES.directions.T, torch.eye(28), atol=1e-5)
    assert torch.allclose(X @ FAMILIES.directions.T, CODES, atol=1e-5)
    assert CODES[ON].min() >= 0.5
    assert CODES.max() <= 1.5
    assert CODES[ON].mean().item() == pytest.approx(1, abs=0.01)


def test_children_come_one_at_a_time_and_never_without_their_parent() -> None:
    assert CHILDREN.sum(-1).max() == 1
    assert not CHILDREN.any(-1)[~ON[:, :4]].any()
    assert torch.equal(FAMILIES.with_child(CODES), CHILDREN.any(-1))


def test_everyone_is_on_as_often_as_said() -> None:
    shares = ON.float().mean(0)
    assert torch.allclose(shares[:4], torch.tensor(0.15), atol=0.006)
    assert torch.allclose(shares[4:20], torch.tensor(0.15 * 0.8 / 4), atol=0.004)
    assert torch.allclose(shares[20:], torch.tensor(0.04), atol=0.004)
    assert shares.sum().item() == pytest.approx(1.4, abs=0.02)
    together = ON[:, 0] & ON[:, 1]
    assert together.float().mean().item() == pytest.approx(0.15**2, abs=0.003), "families are independent"


def test_a_child_always_comes_where_its_share_is_1() -> None:
    always = planted_families(2, 3, 0, child_share=1.0)
    _, codes = always.sample(2000, seed=0)
    assert torch.equal(always.with_child(codes), codes[:, :2] > 0)


def test_equal_seeds_give_equal_families_and_samples() -> None:
    assert torch.equal(planted_families(seed=3).directions, planted_families(seed=3).directions)
    assert not torch.equal(planted_families(seed=3).directions, planted_families(seed=4).directions)
    assert torch.equal(FAMILIES.sample(9, seed=1)[0], FAMILIES.sample(9, seed=1)[0])
    whole = list(islice(FAMILIES.stream().batches(8, seed=3), 3))
    assert torch.equal(whole[2], next(FAMILIES.stream().batches(8, seed=3, start=2)))
    assert not torch.equal(whole[0], whole[1])


@pytest.mark.parametrize("name", ["parent_density", "child_share", "density"])
@pytest.mark.parametrize("share", [0.0, 1.5])
def test_what_is_no_probability_is_refused(name: str, share: float) -> None:
    options: dict[str, Any] = {name: share}
    with pytest.raises(WrongUse, match=f"{share} is no probability above 0"):
        planted_families(**options)
