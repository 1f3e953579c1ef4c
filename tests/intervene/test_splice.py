import pytest
import torch
from torch import Tensor

from monoscope.dictionaries import AutoencoderOptions, ReLU, SparseAutoencoder
from monoscope.errors import MismatchedArtefact, UnknownSite, WrongUse
from monoscope.intervene.edits import Ablate, Clamp
from monoscope.intervene.splice import ablated, spliced
from monoscope.intervene.steer import steer
from monoscope.models import LanguageModel, edit, read


@pytest.fixture
def tokens() -> Tensor:
    return torch.randint(2, 400, (3, 10), generator=torch.Generator().manual_seed(1))


def activation(lm: LanguageModel, site: str, tokens: Tensor) -> Tensor:
    """What passes at the site under whatever is on."""
    place = lm.resolve(site)
    with read(lm, [place]) as values:
        lm.forward(tokens)
    return values[place]


def test_the_model_goes_on_from_the_reconstruction(tiny_llama, dictionary, tokens):
    with edit(tiny_llama, {tiny_llama.resolve(dictionary.site): dictionary.forward}):
        expected = tiny_llama.forward(tokens)
    clean = tiny_llama.forward(tokens)
    with spliced(tiny_llama, dictionary):
        assert torch.equal(tiny_llama.forward(tokens), expected)
    assert torch.equal(tiny_llama.forward(tokens), clean)
    assert (expected - clean).abs().max() > 0.1


def test_a_perfect_dictionary_changes_nothing(tiny_llama, tokens):
    eye = torch.eye(tiny_llama.d_model)
    directions = torch.cat([eye, -eye])
    perfect = SparseAutoencoder(
        AutoencoderOptions(n_features=len(directions), sparsifier=ReLU()),
        encoder=directions.T,
        encoder_bias=torch.zeros(len(directions)),
        decoder=directions,
        bias=torch.zeros(tiny_llama.d_model),
        site="blocks.1.mlp_out",
    )
    clean = tiny_llama.forward(tokens)
    with spliced(tiny_llama, perfect):
        torch.testing.assert_close(tiny_llama.forward(tokens), clean, rtol=0, atol=1e-4)


def test_keeping_the_error_is_steering(tiny_llama, dictionary, live, tokens):
    clean = tiny_llama.forward(tokens)
    with spliced(tiny_llama, dictionary, keep_error=True):
        assert (tiny_llama.forward(tokens) - clean).abs().max() < 1e-4
    edits = {live[0]: Clamp(5), live[1]: Ablate(), live[2]: Clamp(value=-1)}
    with steer(tiny_llama, dictionary, edits):
        expected = tiny_llama.forward(tokens)
    with spliced(tiny_llama, dictionary, edits=edits, keep_error=True):
        torch.testing.assert_close(tiny_llama.forward(tokens), expected, rtol=1e-4, atol=1e-4)


def test_dropping_the_error_leaves_the_edited_reconstruction(tiny_llama, dictionary, live, tokens):
    x = activation(tiny_llama, dictionary.site, tokens)
    codes = dictionary.encode(x)
    codes[..., live[0]] = 5 * dictionary.max_activation[live[0]]
    with spliced(tiny_llama, dictionary, edits={live[0]: Clamp(5)}):
        found = activation(tiny_llama, dictionary.site, tokens)
    torch.testing.assert_close(found, dictionary.decode(codes), rtol=1e-4, atol=1e-4)


def test_only_the_chosen_tokens_are_replaced(tiny_llama, dictionary, tokens):
    where = torch.ones_like(tokens, dtype=torch.bool)
    where[:, 0] = where[1, 4] = False
    x = activation(tiny_llama, dictionary.site, tokens)
    mean = x.mean((0, 1))
    for context, replacement in (
        (spliced(tiny_llama, dictionary, where=where), dictionary(x)),
        (ablated(tiny_llama, dictionary.site, "zero", where=where), torch.zeros_like(x)),
        (ablated(tiny_llama, dictionary.site, "mean", mean=mean, where=where), mean.expand_as(x)),
    ):
        with context:
            found = activation(tiny_llama, dictionary.site, tokens)
        assert torch.equal(found[~where], x[~where])
        torch.testing.assert_close(found[where], replacement[where], rtol=0, atol=1e-6)
    with (
        pytest.raises(WrongUse, match=r"rows of \(3, 10\), and these are \(2, 10\)"),
        spliced(tiny_llama, dictionary, where=where),
    ):
        tiny_llama.forward(tokens[:2])


@pytest.mark.parametrize("site", ["blocks.0.resid_mid", "blocks.1.mlp_hidden", "blocks.2.attn_out"])
def test_ablation_puts_zero_or_the_mean(tiny_llama, tokens, site):
    clean = tiny_llama.forward(tokens)
    mean = torch.randn(tiny_llama.width(site))
    with ablated(tiny_llama, site, "zero"):
        assert not activation(tiny_llama, site, tokens).any()
        assert (tiny_llama.forward(tokens) - clean).abs().max() > 1e-3
    with ablated(tiny_llama, site, "mean", mean=mean):
        found = activation(tiny_llama, site, tokens)
        assert torch.equal(found, mean.expand_as(found))
    assert torch.equal(tiny_llama.forward(tokens), clean)


def test_ablations_that_make_no_sense(tiny_llama):
    def enter(*arguments, **options) -> None:
        with ablated(tiny_llama, *arguments, **options):
            pytest.fail("the block ran")

    with pytest.raises(WrongUse, match="needs the mean"):
        enter("blocks.0.resid_post", "mean")
    with pytest.raises(WrongUse, match="takes no mean"):
        enter("blocks.0.resid_post", "zero", mean=torch.zeros(32))
    with pytest.raises(MismatchedArtefact, match=r"width 31, and blocks\.0\.resid_post has 32"):
        enter("blocks.0.resid_post", "mean", mean=torch.zeros(31))
    with pytest.raises(UnknownSite):
        enter("blocks.9.resid_post", "zero")
