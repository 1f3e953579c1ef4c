"""Dictionaries to intervene with."""

from collections.abc import Callable

import pytest
import torch

from monoscope.dictionaries import AutoencoderOptions, ReLU, SparseAutoencoder, Sparsifier, TopK
from monoscope.models import LanguageModel

N_FEATURES = 96


@pytest.fixture(params=[TopK(6), ReLU()], ids=["topk", "relu"])
def sparsifier(request: pytest.FixtureRequest) -> Sparsifier:
    return request.param


@pytest.fixture
def make_dictionary() -> Callable[..., SparseAutoencoder]:
    """``make_dictionary(lm, site=..., sparsifier=...)``: a random dictionary that knows its activations."""

    def make(
        lm: LanguageModel,
        *,
        site: str = "blocks.1.resid_post",
        sparsifier: Sparsifier | None = None,
        seed: int = 0,
    ) -> SparseAutoencoder:
        generator = torch.Generator().manual_seed(seed)
        options = AutoencoderOptions(n_features=N_FEATURES, sparsifier=sparsifier or TopK(6))
        dictionary = SparseAutoencoder.initialise(
            lm.width(site),
            options,
            seed=seed,
            centre=0.1 * torch.randn(lm.width(site), generator=generator),
            site=site,
            model_hash=lm.hash,
        )
        dictionary.encoder += 0.1 * torch.randn(dictionary.encoder.shape, generator=generator)
        dictionary.encoder_bias += 0.05 * torch.randn(N_FEATURES, generator=generator)
        tokens = torch.randint(2, lm.vocabulary_size, (16, 32), generator=generator)
        (x,) = lm.activations(tokens, [lm.resolve(site)]).values()
        dictionary.max_activation.copy_(dictionary.encode(x).amax((0, 1)))
        return dictionary

    return make


@pytest.fixture
def dictionary(
    tiny_llama: LanguageModel, make_dictionary: Callable[..., SparseAutoencoder], sparsifier: Sparsifier
) -> SparseAutoencoder:
    """A random dictionary of the tiny Llama's ``blocks.1.resid_post``."""
    return make_dictionary(tiny_llama, sparsifier=sparsifier)


@pytest.fixture
def live(dictionary: SparseAutoencoder) -> list[int]:
    """Features of ``dictionary`` that fire, the strongest first."""
    order = dictionary.max_activation.argsort(descending=True).tolist()
    return [feature for feature in order if dictionary.max_activation[feature] > 0]


@pytest.fixture
def topical(tiny_llama: LanguageModel) -> SparseAutoencoder:
    """A dictionary of the tiny Llama's last block whose feature 5 writes the word "sea" and little else."""
    dictionary = SparseAutoencoder.initialise(
        tiny_llama.d_model,
        AutoencoderOptions(n_features=N_FEATURES, sparsifier=TopK(8)),
        seed=0,
        site="blocks.2.resid_post",
        model_hash=tiny_llama.hash,
    )
    word = tiny_llama.vocabulary_strings().index(" sea")
    direction = tiny_llama.unembedding()[:, word] * tiny_llama.final_norm_weight()
    dictionary.decoder[5] = direction / direction.norm()
    dictionary.encoder[:, 5] = dictionary.decoder[5]
    dictionary.max_activation.fill_(3)
    return dictionary
