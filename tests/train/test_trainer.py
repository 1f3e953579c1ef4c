"""Whole runs: what they learn, what they write, and that nothing is lost when they are stopped."""

import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from monoscope.dictionaries import (
    AutoencoderOptions,
    BatchTopK,
    Gated,
    JumpReLU,
    ReLU,
    SparseAutoencoder,
    TopK,
)
from monoscope.dictionaries.files import load
from monoscope.errors import BrokenInput, MismatchedArtefact, WrongUse
from monoscope.manifest import read_manifest
from monoscope.train import Stream, TensorStream, TrainOptions, read_metrics, train
from monoscope.train.checkpoint import read_checkpoint

from . import killed_run

X = killed_run.X * 5 + 2
OPTIONS = AutoencoderOptions(n_features=48, sparsifier=TopK(3))
TRAINING = TrainOptions(n_tokens=60 * 64, batch=64, learning_rate=1e-2)


def same(a: SparseAutoencoder, b: SparseAutoencoder) -> bool:
    return all(torch.equal(tensor, b.state_dict()[name]) for name, tensor in a.state_dict().items())


def fvu(dictionary: SparseAutoencoder) -> float:
    return float((X - dictionary(X)).square().sum() / (X - X.mean(0)).square().sum())


@pytest.mark.parametrize("sparsifier", [TopK(3), BatchTopK(3), ReLU(), JumpReLU(0.1), Gated()])
def test_a_run_learns_and_knows_its_activity(sparsifier: TopK | ReLU) -> None:
    options = replace(OPTIONS, sparsifier=sparsifier)
    dictionary = train(TensorStream(X), options, TRAINING, site="blocks.0.resid_post", model_hash="feed")
    untrained = SparseAutoencoder.initialise(12, options, seed=0, centre=X.mean(0))
    assert fvu(dictionary) < 0.6 * fvu(untrained)
    codes = dictionary.encode(X)
    assert torch.allclose(dictionary.max_activation, codes.amax(0), rtol=1e-4, atol=1e-4)
    assert (dictionary.density - (codes > 0).float().mean(0)).abs().max() < 0.01
    assert torch.allclose(dictionary.directions.norm(dim=1), torch.ones(48), atol=1e-5)
    assert (dictionary.site, dictionary.model_hash) == ("blocks.0.resid_post", "feed")


def test_equal_seeds_give_equal_dictionaries() -> None:
    first, second = (train(TensorStream(X), OPTIONS, TRAINING) for _ in range(2))
    assert same(first, second)
    assert not same(first, train(TensorStream(X), OPTIONS, replace(TRAINING, seed=1)))


def test_the_artefact_holds_the_dictionary_and_the_log(tmp_path: Path) -> None:
    seen = []
    dictionary = train(
        TensorStream(X),
        OPTIONS,
        TRAINING,
        out=tmp_path / "d",
        parents={"corpus": "c0"},
        progress=lambda done, total: seen.append((done, total)),
    )
    assert same(load(tmp_path / "d"), dictionary)
    assert [path.name for path in tmp_path.iterdir()] == ["d"]
    assert sorted(path.name for path in (tmp_path / "d").iterdir()) == [
        "dictionary.safetensors",
        "manifest.json",
        "metrics.jsonl",
    ]
    manifest = read_manifest(tmp_path / "d", "dictionary")
    assert manifest.parents == {"corpus": "c0"}
    assert manifest.seeds == {"training": 0}
    assert manifest.options["training"]["n_tokens"] == 3840
    log = read_metrics(tmp_path / "d" / "metrics.jsonl")
    assert [record["step"] for record in log] == [50, 60]
    assert log[-1]["tokens"] == 3840
    assert 0 < log[-1]["fvu"] < 0.5
    assert log[-1]["loss"] == pytest.approx(12 * log[-1]["fvu"], rel=0.2)
    assert {"l0", "dead_share", "auxiliary", "learning_rate", "tokens_per_second"} <= log[0].keys()
    assert seen == [(64 * batch, 2 * 3840) for batch in range(1, 121)]


def test_an_interrupted_run_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        if done == 64 * 25:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        train(TensorStream(X), OPTIONS, TRAINING, out=tmp_path / "d", progress=interrupt)
    assert not (tmp_path / "d").exists()
    seen: list[int] = []
    again = train(
        TensorStream(X), OPTIONS, TRAINING, out=tmp_path / "d", progress=lambda done, total: seen.append(done)
    )
    assert seen[0] == 64 * 27
    assert same(again, train(TensorStream(X), OPTIONS, TRAINING))
    assert [record["step"] for record in read_metrics(tmp_path / "d" / "metrics.jsonl")] == [50, 60]


def test_a_run_stopped_in_its_last_pass_trains_no_more(tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        if done == 64 * 75:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(TensorStream(X), OPTIONS, TRAINING, out=tmp_path / "d", progress=stop)
    seen: list[int] = []
    again = train(
        TensorStream(X), OPTIONS, TRAINING, out=tmp_path / "d", progress=lambda done, total: seen.append(done)
    )
    assert seen[0] == 64 * 61
    assert same(again, train(TensorStream(X), OPTIONS, TRAINING))


def test_a_killed_run_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    checkpoint = tmp_path / ".d.training" / "checkpoint.safetensors"
    process = subprocess.Popen([sys.executable, killed_run.__file__, tmp_path / "d"])
    try:
        while (found := read_checkpoint(checkpoint)) is None or found[1]["step"] < 15:
            assert process.poll() is None, "the run ended before it could be killed"
            time.sleep(0.02)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert not (tmp_path / "d").exists()
    assert 15 <= found[1]["step"] < killed_run.STEPS
    resumed = killed_run.run(tmp_path / "d")
    assert same(resumed, killed_run.run(None))


def test_a_checkpoint_of_another_run_is_refused_and_kept(tmp_path: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        if done == 64 * 10:
            signal.raise_signal(signal.SIGINT)

    other = replace(TRAINING, seed=9)
    with pytest.raises(KeyboardInterrupt):
        train(TensorStream(X), OPTIONS, other, out=tmp_path / "d", progress=interrupt)
    said = r"holds a checkpoint of another run: training.seed is 9 there and 0 here$"
    with pytest.raises(MismatchedArtefact) as refused:
        train(TensorStream(X), OPTIONS, TRAINING, out=tmp_path / "d")
    assert re.search(said, refused.value.sentence)
    seen: list[int] = []
    dictionary = train(
        TensorStream(X), OPTIONS, other, out=tmp_path / "d", progress=lambda done, total: seen.append(done)
    )
    assert seen[0] == 64 * 12
    assert same(dictionary, train(TensorStream(X), OPTIONS, other))


@dataclass
class Known:
    mean: Tensor
    mean_squared_norm: float


class Store:
    """A store as activation stores are."""

    site_names = ("blocks.1.resid_post",)
    hash = "beef"
    model_hash = "feed"

    def stream(self, site: str) -> Stream:
        assert site == "blocks.1.resid_post"
        return TensorStream(X)

    def statistics(self, site: str) -> Known:
        return Known(X.mean(0), float(X.square().sum(1).mean()))


def test_a_store_says_what_the_dictionary_is_of(tmp_path: Path) -> None:
    dictionary = train(Store(), OPTIONS, TRAINING, out=tmp_path / "d")
    assert (dictionary.site, dictionary.model_hash) == ("blocks.1.resid_post", "feed")
    assert read_manifest(tmp_path / "d", "dictionary").parents == {"activations": "beef", "model": "feed"}


def test_a_run_that_breaks_says_so() -> None:
    broken = X.clone()
    broken[5] = torch.nan
    known = Known(X.mean(0), float(X.square().sum(1).mean()))
    training = replace(TRAINING, centring="mean")
    with pytest.raises(BrokenInput, match="batch 7 holds activations that are not finite"):
        train(TensorStream(broken), OPTIONS, training, statistics=known)


def test_the_log_is_told_to_mirrors_across_an_interruption(tmp_path: Path) -> None:
    reading = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    longer = replace(TRAINING, n_tokens=120 * 64)

    def interrupt(done: int, total: int) -> None:
        if done == 64 * 70:
            signal.raise_signal(signal.SIGINT)

    told = replace(longer, mirrors=("tensorboard",))
    with pytest.raises(KeyboardInterrupt):
        train(TensorStream(X), OPTIONS, longer, out=tmp_path / "d", progress=interrupt)
    # Whom the log is told to may change on the way.
    dictionary = train(TensorStream(X), OPTIONS, told, out=tmp_path / "d")
    assert same(dictionary, train(TensorStream(X), OPTIONS, longer))
    curves = reading.EventAccumulator(str(tmp_path / "tensorboard" / "d"))
    curves.Reload()
    assert [point.step for point in curves.Scalars("fvu")] == [100, 120]
    assert [line["step"] for line in read_metrics(tmp_path / "d" / "metrics.jsonl")] == [50, 100, 120]
    with pytest.raises(WrongUse, match="a log that is kept nowhere has no mirrors"):
        train(TensorStream(X), OPTIONS, told)
