"""The dictionary: shapes, identity, refusals, and folding."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from monoscope.dictionaries import AutoencoderOptions, ReLU, Scaling, SparseAutoencoder, TopK
from monoscope.dictionaries.folding import folded as folded_of
from monoscope.dictionaries.sparsifiers import SPARSIFIERS
from monoscope.errors import MismatchedArtefact, WrongUse

OPTIONS = AutoencoderOptions(n_features=24, sparsifier=TopK(4))


def made(options: AutoencoderOptions = OPTIONS, seed: int = 0, **origin: str) -> SparseAutoencoder:
    dictionary = SparseAutoencoder.initialise(8, options, seed=seed, **origin)
    generator = torch.Generator().manual_seed(seed + 1)
    dictionary.encoder_bias.copy_(torch.randn(24, generator=generator))
    dictionary.bias.copy_(torch.randn(8, generator=generator))
    return dictionary


def test_it_begins_tied_with_directions_of_norm_one() -> None:
    dictionary = SparseAutoencoder.initialise(8, OPTIONS, seed=3, centre=torch.arange(8.0))
    assert torch.equal(dictionary.encoder, dictionary.decoder.T)
    assert torch.allclose(dictionary.directions.norm(dim=1), torch.ones(24))
    assert dictionary.bias.tolist() == list(range(8))
    assert (dictionary.d_model, dictionary.n_features) == (8, 24)
    again = SparseAutoencoder.initialise(8, OPTIONS, seed=3)
    other = SparseAutoencoder.initialise(8, OPTIONS, seed=4)
    assert torch.equal(again.decoder, dictionary.decoder)
    assert not torch.equal(other.decoder, dictionary.decoder)


def test_the_formula() -> None:
    dictionary = made(AutoencoderOptions(n_features=24, sparsifier=ReLU()))
    x = torch.randn(3, 8)
    codes = ((x - dictionary.bias) @ dictionary.encoder + dictionary.encoder_bias).relu()
    assert torch.allclose(dictionary.encode(x), codes)
    assert torch.allclose(dictionary(x), codes @ dictionary.decoder + dictionary.bias, atol=1e-5)


@pytest.mark.parametrize("sparsifier", [TopK(4), ReLU()])
@pytest.mark.parametrize("shape", [(8,), (3, 8), (2, 3, 8), (0, 8)])
def test_sparse_and_dense_codes_say_the_same(sparsifier: TopK | ReLU, shape: tuple[int, ...]) -> None:
    dictionary = made(AutoencoderOptions(n_features=24, sparsifier=sparsifier))
    x = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    sparse = dictionary.sparse_encode(x)
    assert torch.allclose(sparse.dense(24), dictionary.encode(x), atol=1e-6)
    assert torch.allclose(dictionary.decode(sparse), dictionary.decode(dictionary.encode(x)), atol=1e-5)
    assert dictionary(x).shape == x.shape


def test_encoding_in_blocks_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    dictionary = made(AutoencoderOptions(n_features=24, sparsifier=ReLU()))
    x = torch.randn(10, 8)
    whole = dictionary.sparse_encode(x)
    monkeypatch.setattr("monoscope.dictionaries.autoencoder.ROWS", 3)
    blocks = dictionary.sparse_encode(x)
    assert torch.allclose(blocks.dense(24), whole.dense(24), atol=1e-6)


def test_half_precision_activations_are_read() -> None:
    x = torch.randn(3, 8).bfloat16()
    assert made().encode(x).dtype == torch.float32


def test_folding_moves_the_scaling_into_the_weights() -> None:
    for sparsifier in (TopK(4), ReLU()):
        dictionary = made(
            AutoencoderOptions(n_features=24, sparsifier=sparsifier), site="here", model_hash="abc"
        )
        dictionary.max_activation.fill_(2.0)
        scaling = Scaling(torch.randn(8), 0.2)
        x = torch.randn(6, 8) * 5
        folded = folded_of(dictionary, scaling)
        assert torch.allclose(folded(x), scaling.undo(dictionary(scaling.apply(x))), atol=1e-5)
        assert torch.allclose(folded.encode(x), dictionary.encode(scaling.apply(x)) / 0.2, atol=1e-4)
        assert folded.max_activation.tolist() == pytest.approx([10.0] * 24)
        assert (folded.site, folded.model_hash) == ("here", "abc")


def test_the_hash_changes_with_anything_that_matters() -> None:
    hashes = {made(site="here").hash, made(site="there").hash, made(seed=1, site="here").hash}
    changed = made(site="here")
    changed.max_activation[0] = 1
    renamed = SparseAutoencoder(
        AutoencoderOptions(n_features=24, sparsifier=TopK(5)),
        **{name: tensor.clone() for name, tensor in made().state_dict().items()},
        site="here",
    )
    assert len(hashes | {changed.hash, renamed.hash}) == 5
    assert made(site="here").hash in hashes


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(MismatchedArtefact, match=r"width 8 and blocks\.1\.mlp_out has width 16"):
        made().check_width(16, "blocks.1.mlp_out")
    made().check_width(8, "blocks.1.mlp_out")
    with pytest.raises(WrongUse, match="k = 32"):
        AutoencoderOptions(n_features=16, sparsifier=TopK(32))
    with pytest.raises(WrongUse, match="0 features"):
        AutoencoderOptions(n_features=0)
    tensors = {name: tensor.clone() for name, tensor in made().state_dict().items()}
    with pytest.raises(WrongUse, match="25 features"):
        SparseAutoencoder(AutoencoderOptions(n_features=25, sparsifier=TopK(4)), **tensors)


@settings(max_examples=30)
@given(
    seed=st.integers(0, 100),
    rows=st.integers(1, 60),
    name=st.sampled_from(["topk", "relu", "jumprelu", "gated", "batch_topk"]),
)
def test_codes_of_a_few_features_are_those_of_all(seed: int, rows: int, name: str) -> None:
    generator = torch.Generator().manual_seed(seed)
    options = AutoencoderOptions(n_features=50, sparsifier=SPARSIFIERS[name]())
    if name == "topk":
        options = AutoencoderOptions(n_features=50, sparsifier=TopK(k=1 + seed % 9))
    dictionary = SparseAutoencoder.initialise(12, options, seed=seed)
    dictionary.encoder_bias += 0.1 * torch.randn(50, generator=generator)
    x = torch.randn(rows, 2, 12, generator=generator)
    features = torch.randint(0, 50, (1 + seed % 4,), generator=generator)
    found = dictionary.codes_of(x, features)
    torch.testing.assert_close(found, dictionary.encode(x)[..., features], rtol=1e-5, atol=1e-6)
