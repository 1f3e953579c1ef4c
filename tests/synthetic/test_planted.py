"""Known features: their data, and that training finds them."""

from itertools import islice

import pytest
import torch

from monoscope.dictionaries import AutoencoderOptions, Scaling, SparseAutoencoder, TopK
from monoscope.errors import WrongUse
from monoscope.synthetic.planted import best_cosines, mean_max_cosine, planted_dictionary
from monoscope.train import Objective, TrainOptions, train
from monoscope.train.run import Run

TOY = planted_dictionary(128, 32, density=0.02, seed=0)
"""The toy of the project's calibration: 128 features in 32 dimensions, 2.56 of them on at a time."""


def test_samples_are_sums_of_the_directions_that_are_on() -> None:
    x, codes = TOY.sample(20_000, seed=1)
    assert torch.allclose(x, codes @ TOY.directions, atol=1e-5)
    assert (codes > 0).float().sum(1).mean().item() == pytest.approx(2.56, abs=0.05)
    assert codes[codes > 0].min() >= 0.5
    assert codes.max() <= 1.5
    assert torch.equal(TOY.sample(10, seed=1)[0], TOY.sample(10, seed=1)[0])
    assert not torch.equal(TOY.sample(10, seed=1)[0], TOY.sample(10, seed=2)[0])


def test_the_stream_begun_later_is_the_same_stream() -> None:
    stream = TOY.stream()
    whole = list(islice(stream.batches(8, seed=3), 5))
    later = list(islice(stream.batches(8, seed=3, start=2), 3))
    assert all(torch.equal(a, b) for a, b in zip(whole[2:], later, strict=True))
    assert stream.d_model == 32
    assert stream.sample(7, seed=3).shape == (7, 32)


def test_cosines_of_known_directions() -> None:
    eye = torch.eye(3)
    turned = torch.tensor([[3.0, 4.0, 0.0], [0.0, 0.0, -2.0], [0.0, 0.0, 0.0]])
    assert best_cosines(eye, turned).tolist() == pytest.approx([0.6, 0.8, 0.0])
    assert mean_max_cosine(eye, turned) == pytest.approx(1.4 / 3)
    assert planted_dictionary(3, 3).recovered(planted_dictionary(3, 3).directions) == 1


def test_bad_densities_are_refused() -> None:
    with pytest.raises(WrongUse, match="density of 0"):
        planted_dictionary(3, 3, density=0.0)


def recovered(dictionary: SparseAutoencoder) -> float:
    """Share of planted directions found by features that are active on fresh samples."""
    alive = (dictionary.encode(TOY.sample(20_000, seed=99)[0]) > 0).any(0)
    return TOY.recovered(dictionary.directions[alive])


def test_a_topk_dictionary_finds_the_planted_features() -> None:
    training = TrainOptions(n_tokens=500 * 256, batch=256, learning_rate=5e-3)
    dictionary = train(TOY.stream(), AutoencoderOptions(n_features=256, sparsifier=TopK(3)), training)
    assert recovered(dictionary) >= 0.98
    x, _ = TOY.sample(20_000, seed=99)
    assert (x - dictionary(x)).square().sum() < 0.2 * (x - x.mean(0)).square().sum()


def untied(auxiliary_weight: float) -> SparseAutoencoder:
    """A dictionary trained from an encoder that is independent of its decoder."""
    options = AutoencoderOptions(n_features=256, sparsifier=TopK(3))
    dictionary = SparseAutoencoder.initialise(32, options, seed=0)
    uniform = torch.rand(32, 256, generator=torch.Generator().manual_seed(1)) * 2 - 1
    dictionary.encoder.copy_(uniform / 32**0.5)
    training = TrainOptions(
        n_tokens=1500 * 256,
        batch=256,
        learning_rate=2e-3,
        objective=Objective(auxiliary_weight=auxiliary_weight, auxiliary_k=8),
    )
    run = Run.begun(dictionary, training, Scaling.fit(None, "none", TOY.stream().sample(4096, 0)))
    for x in islice(TOY.stream().batches(256, seed=0), training.n_steps):
        run.advance(x)
    return run.finished()


@pytest.mark.slow
def test_what_dies_without_tied_beginnings_the_auxiliary_loss_revives() -> None:
    plain, revived = recovered(untied(0.0)), recovered(untied(1 / 32))
    assert plain <= 0.6
    assert revived >= plain + 0.25
