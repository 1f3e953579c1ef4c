"""A dictionary that is still learnt, looked at from outside."""

from pathlib import Path

import pytest
import torch

from monoscope.dictionaries import AutoencoderOptions, BatchTopK, ReLU, Sparsifier, TopK
from monoscope.train import (
    TensorStream,
    TrainOptions,
    checkpoint_written,
    dictionary_so_far,
    train,
    training_folder,
)
from monoscope.train.checkpoint import read_checkpoint
from monoscope.train.run import Run
from monoscope.train.workplace import CHECKPOINT

SITE = "blocks.0.resid_post"


class Enough(Exception):
    """The run is cut here."""


@pytest.mark.parametrize("sparsifier", [TopK(4), BatchTopK(4), ReLU()])
def test_it_is_what_the_last_checkpoint_would_end_as(tmp_path: Path, sparsifier: Sparsifier) -> None:
    x = 3 + torch.randn(2048, 16, generator=torch.Generator().manual_seed(0))
    options = AutoencoderOptions(n_features=32, sparsifier=sparsifier)
    training = TrainOptions(n_tokens=20 * 128, batch=128, checkpoint_every_seconds=0)
    out = tmp_path / "dictionary"
    seen = []

    def look(done: int, total: int) -> None:
        seen.append((checkpoint_written(out), dictionary_so_far(out, options, training, site=SITE)))
        if done >= 10 * 128:
            raise Enough

    assert checkpoint_written(out) is None
    assert dictionary_so_far(out, options, training, site=SITE) is None
    with pytest.raises(Enough):
        train(TensorStream(x), options, training, out=out, site=SITE, progress=look)
    found = dictionary_so_far(out, options, training, site=SITE)
    assert found is not None
    dictionary, n_tokens = found
    assert 0 < n_tokens <= 10 * 128
    assert dictionary.site == SITE
    # The state that the run would go on from, ended here.
    kept = read_checkpoint(training_folder(out) / CHECKPOINT)
    assert kept is not None
    resumed = Run.resumed(options, training, *kept, site=SITE, model_hash="").finished()
    assert torch.equal(dictionary(x), resumed(x))
    assert n_tokens > next(each[1][1] for each in seen if each[1] is not None)
    assert checkpoint_written(out) is not None
    train(TensorStream(x), options, training, out=out, site=SITE)
    assert checkpoint_written(out) is None
    assert dictionary_so_far(out, options, training, site=SITE) is None
