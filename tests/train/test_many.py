"""Dictionaries that are learnt together: each as if alone, the activations read once."""

import shutil
import signal
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from monoscope.dictionaries import AutoencoderOptions, BatchTopK, ReLU, SparseAutoencoder, TopK
from monoscope.dictionaries.files import load
from monoscope.errors import BrokenInput, WrongUse
from monoscope.train import TensorStream, TrainOptions, Wanted, read_metrics, train, train_many
from monoscope.train.lesson import Lesson
from monoscope.train.trainer import n_last_pass

from .killed_run import X

STREAM = TensorStream(X)
TRAINING = TrainOptions(n_tokens=60 * 64, batch=64, learning_rate=1e-2, order_seed=5)
WANTED = (
    Wanted(options=AutoencoderOptions(n_features=48, sparsifier=TopK(3)), training=TRAINING),
    Wanted(
        options=AutoencoderOptions(n_features=32, sparsifier=ReLU()),
        training=replace(TRAINING, seed=1, n_tokens=40 * 64),
    ),
    Wanted(
        options=AutoencoderOptions(n_features=48, sparsifier=BatchTopK(3)),
        training=replace(TRAINING, seed=2, learning_rate=3e-3),
    ),
)


def same(a: SparseAutoencoder, b: SparseAutoencoder) -> bool:
    return all(torch.equal(tensor, b.state_dict()[name]) for name, tensor in a.state_dict().items())


def close(a: SparseAutoencoder, b: SparseAutoencoder) -> bool:
    return all(torch.allclose(t, b.state_dict()[name], atol=1e-4) for name, t in a.state_dict().items())


def alone() -> list[SparseAutoencoder]:
    return [train(STREAM, each.options, each.training) for each in WANTED]


def placed(folder: Path) -> list[Wanted]:
    return [replace(each, out=folder / str(number)) for number, each in enumerate(WANTED)]


def interrupted_at(n_batches: int, folder: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        if done == 64 * n_batches:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        train_many(STREAM, placed(folder), progress=interrupt)


@pytest.mark.parametrize("kind", WANTED, ids=lambda each: each.options.sparsifier.name)
def test_those_of_one_shape_learn_side_by_side_and_each_is_as_if_alone(
    kind: Wanted, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    take = Lesson.take

    def taken(lesson: Lesson, *arguments: Any) -> None:
        seen.append(torch.get_num_threads())
        take(lesson, *arguments)

    wanted = [
        replace(kind, training=replace(kind.training, seed=seed, n_tokens=64 * (20 + seed)))
        for seed in range(3)
    ]
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        apart = [train(STREAM, each.options, each.training) for each in wanted]
        monkeypatch.setattr(Lesson, "take", taken)
        assert all(map(close, train_many(STREAM, wanted), apart))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert seen == [1] * (20 + 21 + 22)


def test_each_is_as_if_it_were_learnt_alone(tmp_path: Path) -> None:
    together = train_many(STREAM, placed(tmp_path))
    assert all(map(same, together, alone()))
    for each, dictionary in zip(placed(tmp_path), together, strict=True):
        assert each.out is not None
        assert same(load(each.out), dictionary)
        assert read_metrics(each.out / "metrics.jsonl")[-1]["step"] == each.training.n_steps


def test_activations_are_read_once() -> None:
    class Counted(TensorStream):
        n_read = 0

        def batches(self, size: int, *, seed: int, start: int = 0) -> Iterator[Tensor]:
            for batch in super().batches(size, seed=seed, start=start):
                self.n_read += 1
                yield batch

    stream = Counted(X)
    train_many(stream, WANTED)
    assert stream.n_read == TRAINING.n_steps + n_last_pass(TRAINING)


def test_interrupted_together_and_gone_on_with(tmp_path: Path) -> None:
    interrupted_at(10, tmp_path)
    interrupted_at(50, tmp_path)
    assert all(map(same, train_many(STREAM, placed(tmp_path)), alone()))


def test_killed_between_two_checkpoints_of_one_moment(tmp_path: Path) -> None:
    interrupted_at(10, tmp_path)
    earlier = tmp_path / "earlier"
    shutil.copytree(tmp_path / ".2.training", earlier)
    interrupted_at(20, tmp_path)
    shutil.rmtree(tmp_path / ".2.training")
    earlier.rename(tmp_path / ".2.training")
    assert all(map(same, train_many(STREAM, placed(tmp_path)), alone()))


def test_one_that_breaks_does_not_take_the_others_with_it(tmp_path: Path) -> None:
    first, second, third = placed(tmp_path)
    broken = replace(second, training=replace(second.training, learning_rate=1e30))
    with pytest.raises(
        BrokenInput, match=f"{second.out} could not be learnt: the loss is nan at step 40\nhint"
    ):
        train_many(STREAM, [first, broken, third])
    assert first.out is not None
    assert third.out is not None
    assert same(load(first.out), alone()[0])
    assert same(load(third.out), alone()[2])
    assert second.out is not None
    assert not second.out.exists()


def test_what_cannot_share_batches_is_refused(tmp_path: Path) -> None:
    one = WANTED[0]
    for other, said in (
        (replace(one, training=replace(TRAINING, batch=32)), "batch sizes 32, 64"),
        (replace(one, training=replace(TRAINING, order_seed=None)), "orders of the tokens 0, 5"),
    ):
        with pytest.raises(WrongUse, match=said):
            train_many(STREAM, [one, other])
    with pytest.raises(WrongUse, match="none"):
        train_many(STREAM, [])
    placed_one = replace(one, out=tmp_path / "d")
    with pytest.raises(WrongUse, match="two dictionaries are to be written"):
        train_many(STREAM, [placed_one, placed_one])


def test_the_order_has_a_seed_of_its_own() -> None:
    ordered = [next(islice(STREAM.batches(64, seed=each.training.order), 1)) for each in WANTED]
    assert all(torch.equal(batch, ordered[0]) for batch in ordered)
    assert replace(TRAINING, order_seed=None, seed=3).order == 3
