"""The compiled step is the plain one, and both are Adam under the constraints that are asked for."""

from copy import deepcopy

import pytest
import torch
from torch import Tensor, nn

from monoscope.train import adam as module
from monoscope.train.adam import Adam

BETAS = (0.9, 0.99)


def parameters() -> dict[str, nn.Parameter]:
    """As a dictionary has them: one matrix seen the other way round, one of unit rows, vectors and a number."""
    generator = torch.Generator().manual_seed(0)
    decoder = torch.randn(37, 11, generator=generator)
    tensors = {
        "encoder": torch.randn(37, 11, generator=generator).T,
        "decoder": decoder / decoder.norm(dim=1, keepdim=True),
        "bias": torch.randn(11, generator=generator),
        "threshold": torch.randn((), generator=generator),
    }
    return {name: nn.Parameter(tensor) for name, tensor in tensors.items()}


def moved(
    named: dict[str, nn.Parameter], steps: int, clip: float | None, unit_rows: frozenset[str]
) -> dict[str, Tensor]:
    """The parameters after some steps on gradients that are always the same."""
    adam = Adam(named, betas=BETAS, clip=clip, unit_rows=unit_rows)
    generator = torch.Generator().manual_seed(1)
    for number in range(steps):
        for parameter in named.values():
            lying = parameter.detach().T if parameter.ndim == 2 else parameter.detach()
            noise = torch.randn(lying.shape, generator=generator)
            parameter.grad = torch.empty_like(parameter).copy_(noise.T if noise.ndim == 2 else noise)
        adam.step(0.01 * (number + 1))
    return {name: parameter.detach() for name, parameter in named.items()}


@pytest.mark.parametrize("unit_rows", [frozenset(), frozenset({"decoder"})])
@pytest.mark.parametrize("clip", [None, 0.5, 1e6])
def test_compiled_loops_do_what_the_plain_operations_do(
    monkeypatch: pytest.MonkeyPatch, clip: float | None, unit_rows: frozenset[str]
) -> None:
    named = parameters()
    compiled = moved(deepcopy(named), 5, clip, unit_rows)
    monkeypatch.setattr(module, "CompiledPull", module.PlainPull)
    plain = moved(named, 5, clip, unit_rows)
    for name, tensor in plain.items():
        assert torch.allclose(compiled[name], tensor, rtol=1e-5, atol=1e-6), name


def test_free_rows_move_as_torch_moves_them() -> None:
    named = parameters()
    theirs = deepcopy(named)
    ours = moved(named, 5, 0.5, frozenset())
    optimiser = torch.optim.Adam(list(theirs.values()), lr=0.0, betas=BETAS, eps=module.EPSILON)
    generator = torch.Generator().manual_seed(1)
    for number in range(5):
        for parameter in theirs.values():
            noise = torch.randn(
                parameter.T.shape if parameter.ndim == 2 else parameter.shape, generator=generator
            )
            parameter.grad = torch.empty_like(parameter).copy_(noise.T if noise.ndim == 2 else noise)
        torch.nn.utils.clip_grad_norm_(list(theirs.values()), 0.5)
        optimiser.param_groups[0]["lr"] = 0.01 * (number + 1)
        optimiser.step()
    for name, tensor in theirs.items():
        assert torch.allclose(ours[name], tensor, rtol=1e-5, atol=1e-6), name


def test_rows_of_norm_1_keep_it_and_feel_no_pull_along_themselves() -> None:
    named = parameters()
    adam = Adam(named, betas=BETAS, clip=None, unit_rows=frozenset({"decoder"}))
    before = named["decoder"].detach().clone()
    along = torch.linspace(-3, 3, 37)[:, None] * before
    across = torch.randn(before.shape, generator=torch.Generator().manual_seed(2))
    across -= (across * before).sum(1, keepdim=True) * before
    named["decoder"].grad = along + across
    adam.step(0.01)
    assert torch.allclose(adam.means["decoder"], 0.1 * across, atol=1e-5)
    assert torch.allclose(named["decoder"].detach().norm(dim=1), torch.ones(37), atol=1e-6)
    assert not torch.allclose(named["decoder"].detach(), before)


def test_what_has_no_gradient_stays() -> None:
    named = parameters()
    adam = Adam(named, betas=BETAS, clip=1.0)
    before = {name: parameter.detach().clone() for name, parameter in named.items()}
    named["bias"].grad = torch.ones(11)
    adam.step(0.01)
    assert not torch.equal(named["bias"], before["bias"])
    assert all(torch.equal(named[name], before[name]) for name in ("encoder", "decoder", "threshold"))


def test_the_norm_is_that_of_all_gradients_together() -> None:
    named = parameters()
    adam = Adam(named, betas=(0.0, 0.99), clip=1.0)
    for parameter in named.values():
        parameter.grad = torch.full_like(parameter, 3.0)
    adam.step(0.01)
    total = torch.cat([mean.flatten() for mean in adam.means.values()]).norm()
    assert total.item() == pytest.approx(1.0, rel=1e-4)
