"""The compiled loop does what torch's operations do, and skips only what cannot matter."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from monoscope.dictionaries import AutoencoderOptions, SparseAutoencoder, TopK
from monoscope.intervene import Add, Clamp, Rule
from monoscope.intervene.channels import SiteChange
from monoscope.intervene.few_tokens import rough_rows
from monoscope.intervene.steer import feature_channels
from monoscope.train.adam import Adam

WIDTH = 24


def made(n_features: int, k: int, seed: int, alike: float = 0.0) -> SparseAutoencoder:
    """A random dictionary; ``alike`` features have nearly the same pre-activations."""
    generator = torch.Generator().manual_seed(seed)
    options = AutoencoderOptions(n_features=n_features, sparsifier=TopK(k))
    dictionary = SparseAutoencoder.initialise(WIDTH, options, seed=seed)
    rows = torch.randn(n_features, WIDTH, generator=generator)
    dictionary.encoder.copy_((rows * (1 - alike) + alike * rows[:1]).T)
    dictionary.encoder_bias.copy_(0.1 * torch.randn(n_features, generator=generator))
    dictionary.max_activation.fill_(2.0)
    return dictionary


def both_ways(change: SiteChange, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """What the loop makes of activations, and what torch's own operations do."""
    assert change.few is not None
    looped = change(x)
    change.few = None
    return looped, change(x)


@settings(deadline=None, max_examples=60)
@given(
    n_features=st.integers(1, 700),
    k=st.integers(1, 40),
    seed=st.integers(0, 10_000),
    n_texts=st.integers(1, 9),
    alike=st.sampled_from([0.0, 0.9, 0.999]),
)
def test_the_loop_finds_the_codes_that_all_features_together_have(
    n_features: int, k: int, seed: int, n_texts: int, alike: float
) -> None:
    dictionary = made(n_features, min(k, n_features), seed, alike)
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n_texts, 1, WIDTH, generator=generator)
    codes = dictionary.encode(x)[:, 0]
    # The strongest, one that is just in or just out, and one anywhere.
    order = dictionary.pre_activations(x[0, 0]).argsort(descending=True).tolist()
    features = {order[0], order[min(k, n_features) - 1], order[min(k, n_features - 1)], seed % n_features}
    channels = list(
        feature_channels(dictionary, Rule(edit=Clamp(1.5), features=dict.fromkeys(features, 1.0)))
    )
    looped, plain = both_ways(SiteChange(channels, dictionary), x)
    torch.testing.assert_close(looped, plain, rtol=1e-4, atol=1e-4)
    by_hand = x[:, 0] + sum(
        (3.0 - codes[:, feature, None]) * dictionary.directions[feature] for feature in features
    )
    torch.testing.assert_close(looped[:, 0], by_hand, rtol=1e-4, atol=1e-4)


def test_each_text_has_its_own_features() -> None:
    dictionary = made(600, 20, 3)
    x = torch.randn(8, 1, WIDTH, generator=torch.Generator().manual_seed(0))
    active = dictionary.encode(x)[:, 0].argmax(dim=-1).tolist()
    rules = [Rule(edit=Clamp(1), features={feature: 1.0}) for feature in active]
    channels = [channel for rule in rules for channel in feature_channels(dictionary, rule)]
    looped, plain = both_ways(SiteChange(channels, dictionary, rows=range(8)), x)
    torch.testing.assert_close(looped, plain)
    assert (looped != x).any(dim=-1).all()


def test_encodings_with_gaps_of_size_zero_and_huge_ones_are_compared_too() -> None:
    dictionary = made(300, 10, 4)
    dictionary.encoder[:, 5] = 0.0
    dictionary.encoder[:, 6] *= 1e12
    dictionary.encoder[3] *= 1e4
    x = torch.randn(6, 1, WIDTH, generator=torch.Generator().manual_seed(1))
    channels = list(feature_channels(dictionary, Rule(edit=Add(1), features={0: 1.0})))
    channels = [replace(channels[0], feature=feature, move=Clamp(1).move(1.0)) for feature in (0, 5, 7, 100)]
    looped, plain = both_ways(SiteChange(channels, dictionary), x)
    torch.testing.assert_close(looped, plain)


def test_bytes_bound_every_product() -> None:
    dictionary = made(400, 8, 7)
    rough, rows = rough_rows(dictionary), dictionary.encoder.T.detach().double()
    for row, bytes_, scale, rest in zip(rows, rough.bytes, rough.scale, rough.rest, strict=True):
        left = (row - torch.from_numpy(bytes_).double() * float(scale)).norm()
        assert left <= float(rest) * (1 + 1e-5)
        assert float(rest) < 0.02 * row.norm()


@pytest.mark.parametrize("how", ["in place", "by a training step", "anew"])
def test_bytes_are_those_of_the_encoder_as_it_is_now(how: str) -> None:
    dictionary = made(50, 4, 0)
    before = rough_rows(dictionary)
    assert rough_rows(dictionary) is before
    if how == "in place":
        dictionary.encoder.mul_(2)
    elif how == "anew":
        dictionary.encoder.data = (2 * dictionary.encoder.T).contiguous().T
    else:
        dictionary.encoder.grad = torch.ones_like(dictionary.encoder)
        Adam({"encoder": dictionary.get_parameter("encoder")}, betas=(0.9, 0.999), clip=None).step(0.1)
    after = rough_rows(dictionary)
    assert after is not before
    assert (after.scale != before.scale).any()
