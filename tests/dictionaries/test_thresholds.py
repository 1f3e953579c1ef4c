"""Thresholds and gates."""

import pytest
import torch

from monoscope.dictionaries import (
    AutoencoderOptions,
    BatchTopK,
    Gated,
    JumpReLU,
    ReLU,
    SparseAutoencoder,
    TopK,
)
from monoscope.dictionaries.folding import folded, normalised
from monoscope.dictionaries.scaling import Scaling
from monoscope.errors import WrongUse
from monoscope.testing import check_sparsifier, check_threshold_gradient

GENERATOR = torch.Generator().manual_seed(0)
PRE = torch.randn(200, 24, generator=GENERATOR)


@pytest.mark.parametrize(
    "sparsifier", [TopK(4), BatchTopK(4), ReLU(), JumpReLU(), JumpReLU(0.5, 0.2, True), Gated()]
)
def test_every_sparsifier_keeps_the_contract(sparsifier) -> None:
    check_sparsifier(sparsifier)


@pytest.mark.parametrize("width", [0.01, 0.1, 0.5])
@pytest.mark.parametrize("through_values", [False, True])
def test_a_thresholds_slope_is_that_of_a_smoothed_step(width: float, through_values: bool) -> None:
    check_threshold_gradient(JumpReLU(width=width, through_values=through_values))


def test_the_check_notices_a_kernel_on_the_gated_value(monkeypatch: pytest.MonkeyPatch) -> None:
    from monoscope.dictionaries.sparsifiers import thresholds

    whole = thresholds.step
    half = lambda pre, threshold, width, through: whole(  # noqa: E731
        pre.relu() * (pre > threshold), threshold, width, through
    )
    monkeypatch.setattr(thresholds, "step", half)
    with pytest.raises(AssertionError, match="slope by the threshold"):
        check_threshold_gradient(JumpReLU(width=0.5))


def test_frozen_batchtopk_is_jumprelu() -> None:
    frozen = BatchTopK(3)(PRE, {"threshold": torch.tensor(0.7)})
    jump = JumpReLU()(PRE, {"log_threshold": torch.full((24,), 0.7).log()})
    assert torch.equal(frozen, jump)


def test_batchtopk_in_training_keeps_k_on_average() -> None:
    codes = BatchTopK(3).trained(PRE)
    assert int((codes > 0).sum()) == 3 * len(PRE)
    assert float(codes[codes > 0].min()) >= float(PRE[codes == 0].max())


def test_gated_is_its_two_paths() -> None:
    own = {
        "gate_bias": 0.3 * torch.randn(24, generator=GENERATOR),
        "magnitude_bias": 0.3 * torch.randn(24, generator=GENERATOR),
        "log_scale": 0.3 * torch.randn(24, generator=GENERATOR),
    }
    gate = (PRE + own["gate_bias"] > 0).float()
    magnitude = (PRE * own["log_scale"].exp() + own["magnitude_bias"]).relu()
    assert torch.equal(Gated()(PRE, own), gate * magnitude)
    # The same as JumpReLU of the magnitude, where the gate opens above the magnitude's zero.
    own["magnitude_bias"] = own["gate_bias"] * own["log_scale"].exp() + 0.2
    jump = PRE * own["log_scale"].exp() + own["magnitude_bias"]
    assert torch.allclose(Gated()(PRE, own), jump * (jump > 0.2), atol=1e-6)


@pytest.mark.parametrize("sparsifier", [ReLU(), JumpReLU(0.5, 0.2), Gated(), BatchTopK(3)])
def test_norms_fold_into_codes(sparsifier) -> None:
    dictionary = made(sparsifier)
    x = torch.randn(40, 8, generator=GENERATOR)
    again = normalised(dictionary)
    assert torch.allclose(again.directions.norm(dim=1), torch.ones(24), atol=1e-6)
    assert torch.allclose(again(x), dictionary(x), rtol=1e-4, atol=1e-5)
    with pytest.raises(WrongUse, match="topk"):
        normalised(made(TopK(3)))


@pytest.mark.parametrize("sparsifier", [ReLU(), JumpReLU(0.5, 0.2), Gated(), BatchTopK(3), TopK(3)])
@pytest.mark.parametrize("transcodes", [False, True])
def test_scalings_fold_into_weights(sparsifier, transcodes: bool) -> None:
    dictionary = made(sparsifier, d_out=5 if transcodes else 8)
    reading = Scaling(torch.randn(8, generator=GENERATOR), 0.37)
    writing = Scaling(torch.randn(5, generator=GENERATOR), 2.9) if transcodes else None
    x = torch.randn(40, 8, generator=GENERATOR)
    expected = (writing or reading).undo(dictionary(reading.apply(x)))
    again = folded(dictionary, reading, writing)
    assert torch.allclose(again(x), expected, rtol=1e-4, atol=1e-4)
    assert torch.allclose(again.directions.norm(dim=1), dictionary.directions.norm(dim=1), atol=1e-6)


def test_a_crosscoders_scalings_fold_too() -> None:
    dictionary = made(TopK(3), parts=(3, 5))
    scaling = Scaling.joined([Scaling(torch.ones(3), 0.5), Scaling(torch.zeros(5), 4.0)])
    x = torch.randn(40, 8, generator=GENERATOR)
    assert torch.allclose(
        folded(dictionary, scaling)(x), scaling.undo(dictionary(scaling.apply(x))), rtol=1e-4, atol=1e-4
    )
    assert dictionary.part_norms().shape == (24, 2)


def made(sparsifier, d_out: int = 8, parts: tuple[int, ...] = ()) -> SparseAutoencoder:
    generator = torch.Generator().manual_seed(3)
    return SparseAutoencoder(
        AutoencoderOptions(n_features=24, sparsifier=sparsifier, parts=parts),
        encoder=torch.randn(8, 24, generator=generator) / 3,
        encoder_bias=0.1 * torch.randn(24, generator=generator),
        decoder=torch.randn(24, d_out, generator=generator),
        bias=0.1 * torch.randn(8, generator=generator),
        output_bias=0.1 * torch.randn(d_out, generator=generator) if d_out != 8 else None,
        skip=0.1 * torch.randn(8, d_out, generator=generator) if d_out != 8 else None,
        own={name: tensor + 0.1 for name, tensor in sparsifier.own(24).items()},
    )
