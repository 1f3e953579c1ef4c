import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from monoscope.features import logit_weights
from monoscope.features.logits import strongest_effects
from monoscope.models import LanguageModel
from monoscope.models.hooks import edit, read
from monoscope.models.sites import Site

N_FEATURES, D_MODEL, VOCABULARY = 23, 8, 11


def _weights(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    directions = torch.randn(N_FEATURES, D_MODEL, generator=generator)
    return directions, torch.randn(D_MODEL, VOCABULARY, generator=generator)


@pytest.mark.parametrize("centres", [True, False])
def test_weights_are_the_formula(centres: bool) -> None:
    directions, unembedding = _weights()
    gain = torch.linspace(-1, 2, D_MODEL)
    found = logit_weights(directions, unembedding, gain, centres)
    for feature in range(N_FEATURES):
        d = directions[feature] - (directions[feature].mean() if centres else 0)
        logits = (d * gain) @ unembedding
        assert found[feature] == pytest.approx((logits - logits.median()).numpy(), abs=1e-5)
        assert found[feature].median() == 0


@settings(max_examples=20)
@given(st.floats(0.1, 10), st.integers(0, 100))
def test_weights_scale_with_the_direction_and_ignore_what_all_logits_share(scale: float, seed: int) -> None:
    directions, unembedding = _weights(seed)
    gain = torch.ones(D_MODEL)
    plain = logit_weights(directions, unembedding, gain, False)
    assert logit_weights(directions * scale, unembedding, gain, False) == pytest.approx(
        plain * scale, abs=1e-4
    )
    shifted = unembedding + torch.randn(D_MODEL, 1, generator=torch.Generator().manual_seed(seed))
    assert logit_weights(directions, shifted, gain, False) == pytest.approx(plain, abs=1e-4)


@pytest.mark.parametrize("name", ["tiny_llama", "tiny_gpt2"])
def test_weights_are_what_happens_when_the_direction_is_added(
    name: str, request: pytest.FixtureRequest
) -> None:
    lm: LanguageModel = request.getfixturevalue(name)
    site = Site(lm.n_blocks - 1, "resid_post")
    tokens = torch.arange(5, 13)[None]
    with read(lm, [site]) as seen, torch.no_grad():
        clean = lm.forward(tokens)[0, -1]
    x = seen[site][0, -1].double()
    d = torch.randn(lm.d_model, generator=torch.Generator().manual_seed(0)).double()
    if lm.final_norm_centres:
        x, d = x - x.mean(), d - d.mean()
    # Along the activation itself the norm takes the change back: the weights are about what is left.
    d -= x * (x @ d) / (x @ x)
    with edit(lm, {site: lambda activation: activation + 1e-2 * d.float()}), torch.no_grad():
        moved = lm.forward(tokens)[0, -1]
    change = (moved - clean).double() / 1e-2 * x.square().mean().sqrt()
    weights = logit_weights(d.float()[None], lm.unembedding(), lm.final_norm_weight(), lm.final_norm_centres)[
        0
    ]
    assert (change - change.median()).float() == pytest.approx(weights, abs=0.02 * weights.abs().max().item())


@pytest.mark.parametrize("block", [4, 512])
def test_the_strongest_effects_are_those_of_the_whole_matrix(block: int) -> None:
    directions, unembedding = _weights()
    alive = torch.arange(0, N_FEATURES, 2)

    def project(rows: torch.Tensor) -> torch.Tensor:
        return logit_weights(rows, unembedding, torch.ones(D_MODEL), False)

    found = strongest_effects(directions, alive, project, kept=3, promoters=5, block=block)
    weights = project(directions[alive]).numpy().astype(np.float64)
    order = np.argsort(-weights, 1)
    assert np.array_equal(found.promoted, order[:, :3])
    assert np.array_equal(found.suppressed, order[:, ::-1][:, :3])
    assert found.suppressed_weights == pytest.approx(np.sort(weights, 1)[:, :3])
    z = (weights - weights.mean(0)) / weights.std(0)
    assert found.promoter_scores == pytest.approx(np.sort(z, 0)[::-1][:5].T, abs=1e-4)
    # The median token's weight is 0: features can tie, so their scores are compared and not their order.
    of_promoters = np.take_along_axis(z, np.searchsorted(alive.numpy(), found.promoters).T, 0)
    assert found.promoter_scores == pytest.approx(of_promoters.T, abs=1e-4)


def test_fewer_features_and_tokens_than_asked_for() -> None:
    directions, unembedding = _weights()
    found = strongest_effects(
        directions, torch.tensor([4]), lambda rows: rows @ unembedding, kept=99, promoters=99
    )
    assert found.promoted.shape == (1, VOCABULARY)
    assert found.promoters.tolist() == [[4]] * VOCABULARY
    assert found.promoter_scores.tolist() == [[0.0]] * VOCABULARY
