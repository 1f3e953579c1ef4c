"""Vectors in features, and features as vectors."""

import pytest
import torch

from monoscope.dictionaries import AutoencoderOptions, SparseAutoencoder, TopK
from monoscope.errors import MismatchedArtefact, UnknownName, UnknownSite, WrongUse
from monoscope.vectors import ControlVector, in_features

from .made import D_MODEL, made_vector

D = 32


def dictionary(
    site: str = "blocks.1.resid_post", n_features: int = 48, d_model: int = D
) -> SparseAutoencoder:
    options = AutoencoderOptions(n_features=n_features, sparsifier=TopK(2))
    return SparseAutoencoder.initialise(d_model, options, seed=0, site=site, model_hash="feed")


@pytest.mark.parametrize(("site", "block"), [("blocks.1.resid_post", 1), ("blocks.2.resid_pre", 1)])
def test_features_become_a_push_at_their_block(site: str, block: int) -> None:
    features = dictionary(site)
    vector = ControlVector.from_features(features, {3: 2.0, 7: -1.5})
    wanted = 2 * features.directions[3] - 1.5 * features.directions[7]
    torch.testing.assert_close(vector.push(block, 1.0), wanted)
    assert (vector.blocks, vector.unit, vector.model_hash) == ((block,), "activation", "feed")
    assert vector.provenance == {"dictionary": features.hash, "features": {"3": 2.0, "7": -1.5}}
    counted = ControlVector.from_features(features, {3: 2.0, 7: -1.5}, norm=5.0)
    torch.testing.assert_close(counted.push(block, 1.0), wanted)
    assert counted.norms == {block: 5.0}


def test_a_vector_of_features_is_found_again() -> None:
    features = dictionary()
    weights = {3: 2.0, 7: -1.5, 20: 0.7}
    found = in_features(ControlVector.from_features(features, weights), features)
    assert {part.feature for part in found.parts} == set(weights), "it ends when nothing is left"
    for part in found.parts:
        assert part.coefficient == pytest.approx(weights[part.feature], abs=1e-4)
    assert found.parts[-1].explained == pytest.approx(1)
    assert float(found.residue.norm()) == pytest.approx(0, abs=1e-5)


def test_parts_and_residue_are_the_whole() -> None:
    features = dictionary()
    generator = torch.Generator().manual_seed(1)
    vector = ControlVector(directions={1: 3 * torch.randn(D, generator=generator)}, norms={1: 2.0}, d_model=D)
    found = in_features(vector, features, 1, n=6)
    whole, summed = vector.directions[1], torch.zeros(D)
    for part in found.parts:
        direction = features.directions[part.feature]
        summed += part.coefficient * direction
        assert part.cosine == pytest.approx(float(torch.cosine_similarity(direction, whole, dim=0)), abs=1e-5)
    torch.testing.assert_close(summed + found.residue, whole, rtol=1e-4, atol=1e-4)
    left = float(found.residue.square().sum() / whole.square().sum())
    assert found.parts[-1].explained == pytest.approx(1 - left, abs=1e-5)
    shares = [part.explained for part in found.parts]
    assert shares == sorted(shares)
    first = int((features.directions @ whole).abs().argmax())
    assert found.parts[0].feature == first, "the first is the one of the largest cosine"
    again = ControlVector.from_features(
        features, {p.feature: p.coefficient * 2.0 for p in found.parts}, norm=2.0
    )
    torch.testing.assert_close(again.directions[1], summed, rtol=1e-4, atol=1e-4)


def test_chance_is_what_a_random_direction_would_have() -> None:
    features = dictionary()
    random = torch.randn(200, D, generator=torch.Generator().manual_seed(5))
    firsts = [
        in_features(ControlVector(directions={1: d}, d_model=D), features, n=1).parts[0].explained
        for d in random
    ]
    found = in_features(ControlVector(directions={1: random[0]}, d_model=D), features, n=3)
    assert len(found.chance) == 3
    assert found.chance[0] == pytest.approx(sum(firsts) / len(firsts), abs=0.05)


def test_dictionaries_of_other_places_are_refused() -> None:
    for site in ("blocks.1.mlp_out", "blocks.0.resid_pre", "layer one"):
        with pytest.raises(WrongUse):
            ControlVector.from_features(dictionary(site), {0: 1.0})
    plain = dictionary()
    transcoder = SparseAutoencoder(
        plain.options,
        encoder=plain.encoder,
        encoder_bias=plain.encoder_bias,
        decoder=plain.decoder,
        bias=plain.bias,
        output_bias=plain.bias,
        site=plain.site,
    )
    with pytest.raises(WrongUse, match="autoencoder"):
        ControlVector.from_features(transcoder, {0: 1.0})


def test_features_that_are_not_there_are_refused() -> None:
    with pytest.raises(UnknownName, match="48 is no feature"):
        ControlVector.from_features(dictionary(), {48: 1.0})
    with pytest.raises(WrongUse, match="no feature to make"):
        ControlVector.from_features(dictionary(), {})
    with pytest.raises(WrongUse, match="nan is no weight"):
        ControlVector.from_features(dictionary(), {0: float("nan")})


def test_vectors_that_do_not_fit_the_dictionary_are_refused() -> None:
    small = dictionary(d_model=D_MODEL)
    with pytest.raises(MismatchedArtefact, match=r"width 6 .* width 32"):
        in_features(made_vector(), dictionary())
    with pytest.raises(MismatchedArtefact, match=r"beef.*feed"):
        in_features(made_vector(model_hash="beef"), small)
    with pytest.raises(WrongUse, match="not of block 2"):
        in_features(made_vector(), small, 2)
    with pytest.raises(UnknownSite, match="no direction for block 1"):
        in_features(made_vector(blocks=(2,)), small)
    with pytest.raises(WrongUse, match="direction of block 1 is zero"):
        in_features(made_vector() * 0, small)
    with pytest.raises(WrongUse, match="0 is no number"):
        in_features(made_vector(), small, n=0)
