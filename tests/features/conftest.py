"""The planted world, its store, its dictionary and its index."""

import numpy as np
import pytest
import torch

from features.planted_world import (
    D_MODEL,
    N_FEATURES,
    OPTIONS,
    SITE,
    VOCABULARY,
    WORD,
    Unembedding,
    World,
    pack_rows,
    plant_codes,
    write_documents,
    write_store,
)
from monoscope.dictionaries import AutoencoderOptions, SparseAutoencoder, TopK
from monoscope.features import FeatureIndex, build_index


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """The corpus of ``write_documents`` and a dictionary of orthogonal directions that reads the codes planted."""
    texts, about = write_documents(seed=1)
    rows = pack_rows(texts)
    planted = torch.from_numpy(plant_codes(rows, about, seed=2))
    directions = torch.linalg.qr(torch.randn(D_MODEL, D_MODEL, generator=torch.Generator().manual_seed(3)))[
        0
    ][:N_FEATURES]
    dictionary = SparseAutoencoder(
        AutoencoderOptions(n_features=N_FEATURES, sparsifier=TopK(N_FEATURES)),
        encoder=directions.T.contiguous(),
        encoder_bias=torch.full((N_FEATURES,), -0.05),
        decoder=directions,
        bias=torch.zeros(D_MODEL),
        site=SITE,
        model_hash="m0",
    )
    store = write_store(tmp_path_factory.mktemp("world") / "activations", rows, planted @ directions)
    codes = np.zeros((rows.tokens.size, N_FEATURES), np.float32)
    for positions, x in store.sequential(SITE, 7):
        codes[positions] = dictionary.encode(x).numpy()
    assert np.abs(codes[rows.usable.reshape(-1)] - np.maximum(planted.numpy() - 0.05, 0)).max() < 1e-5
    return World(store, dictionary, codes)


@pytest.fixture(scope="session")
def unembedding(world: World) -> Unembedding:
    generator = torch.Generator().manual_seed(4)
    matrix = torch.randn(D_MODEL, len(VOCABULARY), generator=generator)
    matrix[:, VOCABULARY.index(" towers")] += 4 * world.dictionary.directions[WORD]
    return Unembedding(matrix, torch.rand(D_MODEL, generator=generator) + 0.5)


@pytest.fixture(scope="session")
def index(world: World, unembedding: Unembedding, tmp_path_factory: pytest.TempPathFactory) -> FeatureIndex:
    """The index of that dictionary on that corpus."""
    return build_index(
        world.dictionary,
        world.store,
        vocabulary=VOCABULARY,
        logit_weights=unembedding.weights,
        address="tiny/blocks.0.resid_post/planted",
        out=tmp_path_factory.mktemp("index") / "features",
        options=OPTIONS,
    )
