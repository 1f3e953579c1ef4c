"""Largest activation and density over one pass."""

import pytest
import torch

from monoscope.dictionaries import AutoencoderOptions, ReLU, SparseAutoencoder, TopK
from monoscope.dictionaries.activity import record_activity
from monoscope.errors import WrongUse


@pytest.mark.parametrize("sparsifier", [TopK(3), ReLU()])
def test_one_pass_finds_the_largest_code_and_the_share_of_active_tokens(sparsifier: TopK | ReLU) -> None:
    dictionary = SparseAutoencoder.initialise(
        6, AutoencoderOptions(n_features=20, sparsifier=sparsifier), seed=0
    )
    dictionary.encoder_bias[7] = -100
    x = torch.randn(50, 6, generator=torch.Generator().manual_seed(0))
    assert record_activity(dictionary, x.split(16)) == 50
    codes = dictionary.encode(x)
    assert torch.allclose(dictionary.max_activation, codes.amax(0), atol=1e-6)
    assert torch.equal(dictionary.density, (codes > 0).sum(0) / 50)
    assert dictionary.max_activation[7] == dictionary.density[7] == 0


def test_nothing_seen_is_an_error() -> None:
    dictionary = SparseAutoencoder.initialise(
        6, AutoencoderOptions(n_features=20, sparsifier=TopK(3)), seed=0
    )
    with pytest.raises(WrongUse, match="no activations"):
        record_activity(dictionary, [])
