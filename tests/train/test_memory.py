"""A run that memory cannot hold is refused before it begins, and told what fits."""

import re

import pytest
import torch

from monoscope.dictionaries import AutoencoderOptions, TopK
from monoscope.errors import OutOfMemory
from monoscope.train import TrainOptions, memory, train
from monoscope.train.memory import bytes_of_feature, check_memory, free_bytes
from monoscope.train.stream import TensorStream

CPU = torch.device("cpu")


def test_a_dictionary_that_does_not_fit_is_refused_with_one_that_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(memory, "free_bytes", lambda device: 2**30)
    with pytest.raises(OutOfMemory, match="1,000,000 features of width 512") as refused:
        check_memory(1_000_000, 512, 512, CPU)
    fitting = int(re.search(r"about ([\d,]+) features", str(refused.value.hint))[1].replace(",", ""))
    check_memory(fitting, 512, 512, CPU)
    with pytest.raises(OutOfMemory):
        check_memory(fitting + 1, 512, 512, CPU)


def test_training_asks_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "free_bytes", lambda device: 2**20)
    options = AutoencoderOptions(n_features=64, sparsifier=TopK(2))
    with pytest.raises(OutOfMemory):
        train(TensorStream(torch.randn(64, 8)), options, TrainOptions(n_tokens=64))


def test_free_memory_is_told_in_bytes() -> None:
    assert 2**20 < free_bytes(CPU) < 2**50
    assert bytes_of_feature(100, 100) > 12 * 200
