"""The state of a run and its one step."""

from typing import Any

import pytest
import torch

from monoscope.dictionaries import AutoencoderOptions, ReLU, Scaling, SparseAutoencoder, TopK
from monoscope.errors import WrongUse
from monoscope.train import L1, Objective, TrainOptions
from monoscope.train.liveness import look_is_due
from monoscope.train.run import Run

X = torch.randn(256, 8, generator=torch.Generator().manual_seed(0)) * 4 + 1
OPTIONS = AutoencoderOptions(n_features=32, sparsifier=TopK(3))


def begun(options: AutoencoderOptions = OPTIONS, **training: Any) -> Run:
    dictionary = SparseAutoencoder.initialise(8, options, seed=0)
    how = TrainOptions(**({"n_tokens": 256 * 60, "batch": 256, "learning_rate": 1e-2} | training))
    return Run.begun(dictionary, how, Scaling.fit(None, "mean", X))


@pytest.mark.parametrize("sparsifier", [TopK(3), ReLU()])
def test_steps_lower_the_loss_and_keep_directions_at_norm_one(sparsifier: TopK | ReLU) -> None:
    cheap = Objective(penalty=L1(0.1)) if isinstance(sparsifier, ReLU) else Objective()
    run = begun(AutoencoderOptions(n_features=32, sparsifier=sparsifier), objective=cheap)
    fvu = [run.advance(X).metrics()["fvu"] for _ in range(60)]
    assert fvu[-1] < 0.5 * fvu[0]
    assert run.step == 60
    assert torch.allclose(run.dictionary.directions.norm(dim=1), torch.ones(32), atol=1e-5)


def test_metrics_say_what_the_step_saw() -> None:
    run = begun()
    outcome = run.advance(X)
    metrics = outcome.metrics()
    x = run.reading.apply(X)
    assert metrics["fvu"] == pytest.approx(
        float((x - outcome.x_hat).square().sum() / x.square().sum()), rel=1e-3
    )
    assert metrics["l0"] == 3
    assert metrics["loss"] == pytest.approx(float((x - outcome.x_hat).square().sum(1).mean()), rel=1e-4)
    assert (metrics["dead_share"], metrics["auxiliary"]) == (0, 0)
    assert metrics["learning_rate"] == pytest.approx(1e-2 / 1.2)


def test_dead_features_are_revived() -> None:
    shares = {}
    for weight in (1 / 32, 0.0):
        run = begun(dead_after_tokens=512, objective=Objective(auxiliary_weight=weight))
        with torch.no_grad():
            run.dictionary.encoder[:, :16] *= 0.01
        for _ in range(60):
            outcome = run.advance(X)
        shares[weight] = outcome.dead_share
    assert shares[0.0] >= 0.4
    assert shares[1 / 32] <= 0.5 * shares[0.0]


def test_the_gradient_is_clipped_when_asked() -> None:
    free, clipped = begun(gradient_clip=None), begun(gradient_clip=1e-3)
    free.advance(X)
    clipped.advance(X)
    # After one step the moments are a tenth of what was left of the gradients.
    norms = [
        torch.stack([mean.norm() for mean in run.adam.means.values()]).norm().item()
        for run in (free, clipped)
    ]
    assert norms[0] > 0.01
    assert norms[1] == pytest.approx(1e-4, rel=1e-3)


@pytest.mark.parametrize("n_steps", [60, 700])
def test_a_run_told_in_tensors_goes_on_bit_for_bit(n_steps: int) -> None:
    run = begun(dead_after_tokens=300, n_tokens=256 * n_steps)
    with torch.no_grad():
        run.dictionary.encoder[:, :16] *= 0.01
    for _ in range(9):
        run.advance(X)
    assert run.liveness.n_dead
    # In a long run the next look is some steps away.
    assert look_is_due(run.step, n_steps) == (n_steps == 60)
    tensors = {name: tensor.clone().contiguous() for name, tensor in run.tensors().items()}
    again = Run.resumed(OPTIONS, run.training, tensors, run.record(), site="here", model_hash="feed")
    assert again.dictionary.site == "here"
    for _ in range(7):
        run.advance(X)
        again.advance(X)
    for name, tensor in run.tensors().items():
        assert torch.equal(tensor, again.tensors()[name]), name


def test_a_finished_dictionary_reads_unscaled_activations() -> None:
    run = begun()
    for _ in range(60):
        run.advance(X)
    dictionary = run.finished()
    fvu = (X - dictionary(X)).square().sum() / (X - X.mean(0)).square().sum()
    assert fvu < 0.5
    assert not any(parameter.requires_grad for parameter in dictionary.parameters())


def test_impossible_options_are_refused() -> None:
    with pytest.raises(WrongUse, match="0 tokens"):
        TrainOptions(n_tokens=0)
    with pytest.raises(WrongUse, match="more than the whole run"):
        TrainOptions(warmup=0.6, decay=0.6)
    assert TrainOptions(n_tokens=4097, batch=4096).n_steps == 2
