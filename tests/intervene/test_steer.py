from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from jaxtyping import Float
from torch import Tensor

from monoscope.dictionaries import SparseAutoencoder
from monoscope.errors import MismatchedArtefact, UnknownName, UnknownSite, WrongUse
from monoscope.intervene.edits import Ablate, Add, Clamp, Edit, Move, Scale
from monoscope.intervene.steer import edit_function, steer
from monoscope.models import LanguageModel, edit

TEXT = "The old bridge crosses the water, and fog comes in"
PROMPTS = ["Once upon a time", "The", "Fog comes in from the sea and hides the towers of"]

Make = Callable[..., SparseAutoencoder]


@dataclass(frozen=True)
class Own:
    """Clamps to values given for each token."""

    codes: Float[Tensor, "*batch"]
    relative = False

    def move(self, unit: float) -> Move:
        return Move(self.codes, slope=0)


def logits(lm: LanguageModel, text: str = TEXT) -> Tensor:
    return lm.forward(lm.tokenize(text)[None])


def test_doing_nothing_changes_nothing(tiny_llama, dictionary, live):
    clean = logits(tiny_llama)
    with steer(tiny_llama, dictionary, {}):
        assert torch.equal(logits(tiny_llama), clean)
    (x,) = tiny_llama.activations(tiny_llama.tokenize(TEXT)[None], [dictionary.site]).values()
    codes = dictionary.encode(x)
    for edits in (
        {feature: Scale(1) for feature in live},
        {feature: Own(codes[..., feature]) for feature in live},
    ):
        with steer(tiny_llama, dictionary, edits):
            assert (logits(tiny_llama) - clean).abs().max() < 1e-4


def test_clamping_one_token_to_its_own_value_changes_nothing(tiny_llama, dictionary):
    tokens = torch.tensor([[7]])
    clean = tiny_llama.forward(tokens)
    (x,) = tiny_llama.activations(tokens, [dictionary.site]).values()
    codes = dictionary.encode(x)[0, 0]
    assert (codes > 0).sum() >= 3
    with steer(tiny_llama, dictionary, {i: Clamp(value=float(code)) for i, code in enumerate(codes)}):
        assert (tiny_llama.forward(tokens) - clean).abs().max() < 1e-4


def test_nothing_is_left_behind(tiny_llama, dictionary, live):
    clean = logits(tiny_llama)
    with steer(tiny_llama, dictionary, {live[0]: Clamp(10)}):
        assert (logits(tiny_llama) - clean).abs().max() > 0.1
    assert torch.equal(logits(tiny_llama), clean)
    with pytest.raises(KeyboardInterrupt), steer(tiny_llama, dictionary, {live[0]: Clamp(10)}):
        raise KeyboardInterrupt
    assert torch.equal(logits(tiny_llama), clean)


@pytest.mark.parametrize(
    "kind", ["resid_pre", "resid_mid", "resid_post", "attn_out", "mlp_in", "mlp_hidden", "mlp_out"]
)
def test_the_model_goes_on_from_the_edited_activation(tiny_llama, make_dictionary: Make, sparsifier, kind):
    dictionary = make_dictionary(tiny_llama, site=f"blocks.1.{kind}", sparsifier=sparsifier)
    first, second = dictionary.max_activation.argsort(descending=True)[:2].tolist()
    edits: dict[int, Edit] = {first: Clamp(4), second: Add(-1)}
    site = tiny_llama.resolve(dictionary.site)

    def replaced(x: Tensor) -> Tensor:
        codes = dictionary.encode(x)
        changed = codes.clone()
        changed[..., first] = 4 * dictionary.max_activation[first]
        changed[..., second] -= dictionary.max_activation[second]
        return x - dictionary.decode(codes) + dictionary.decode(changed)

    with edit(tiny_llama, {site: replaced}):
        expected = logits(tiny_llama)
    with steer(tiny_llama, dictionary, edits):
        steered = logits(tiny_llama)
    torch.testing.assert_close(steered, expected, rtol=1e-4, atol=1e-4)
    assert (steered - logits(tiny_llama)).abs().max() > 0.01


def test_blocks_may_be_nested(tiny_llama, dictionary, live):
    first, second = {live[0]: Clamp(3)}, {live[1]: Scale(-2), live[0]: Add(1)}
    outer, inner = edit_function(dictionary, first), edit_function(dictionary, second)
    with edit(tiny_llama, {tiny_llama.resolve(dictionary.site): lambda x: inner(outer(x))}):
        expected = logits(tiny_llama)
    with steer(tiny_llama, dictionary, first), steer(tiny_llama, dictionary, second):
        assert torch.equal(logits(tiny_llama), expected)


def test_padding_changes_nothing(tiny_llama, dictionary, live):
    rows = [tiny_llama.tokenize(prompt).tolist() for prompt in PROMPTS]
    longest = max(map(len, rows))
    edits = {live[0]: Clamp(5), live[3]: Ablate()}
    with steer(tiny_llama, dictionary, edits):
        alone = [tiny_llama.forward(torch.tensor([row]))[0] for row in rows]
        for left in (True, False):
            padding = [[9] * (longest - len(row)) for row in rows]
            tokens = torch.tensor(
                [pad + row if left else row + pad for pad, row in zip(padding, rows, strict=True)]
            )
            zeros = [[0] * len(pad) for pad in padding]
            ones = [[1] * len(row) for row in rows]
            mask = torch.tensor([a + b if left else b + a for a, b in zip(zeros, ones, strict=True)])
            together = tiny_llama.forward(tokens, attention_mask=mask)
            for found, kept, expected in zip(together, mask.bool(), alone, strict=True):
                torch.testing.assert_close(found[kept], expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("model", ["tiny_llama", "tiny_gpt2"])
def test_writing_does_not_depend_on_cache_or_batch(model, request, make_dictionary: Make):
    lm = request.getfixturevalue(model)
    dictionary = make_dictionary(lm)
    first, second = dictionary.max_activation.argsort(descending=True)[:2].tolist()
    options = {"n_tokens": 8, "seed": 3}
    default = lm.generate(PROMPTS, **options)
    with steer(lm, dictionary, {first: Clamp(6), second: Clamp(-3)}):
        together = lm.generate(PROMPTS, **options)
        assert lm.generate(PROMPTS, cache=False, **options) == together
        single = [lm.generate([text], first_index=i, **options)[0] for i, text in enumerate(PROMPTS)]
    assert single == together
    assert together != default
    assert lm.generate(PROMPTS, **options) == default


def test_other_names_of_the_site_and_other_sites(tiny_llama, dictionary, live):
    edits = {live[0]: Clamp(8)}
    with steer(tiny_llama, dictionary, edits):
        expected = logits(tiny_llama)
    for name in ("blocks.1.hook_resid_post", "model.layers.1", tiny_llama.resolve("blocks.1.resid_post")):
        with steer(tiny_llama, dictionary, edits, site=name):
            assert torch.equal(logits(tiny_llama), expected)
    with steer(tiny_llama, dictionary, edits, site="blocks.0.resid_post"):
        assert not torch.equal(logits(tiny_llama), expected)


def test_a_dictionary_of_another_model(tiny_llama, tiny_gpt2, dictionary):
    with (
        pytest.raises(MismatchedArtefact, match=rf"{dictionary.model_hash}.*{tiny_gpt2.hash}"),
        steer(tiny_gpt2, dictionary, {}),
    ):
        pass


def test_a_site_of_another_width(tiny_llama, dictionary):
    with (
        pytest.raises(MismatchedArtefact, match=r"width 32 and .*mlp_hidden has width 64"),
        steer(tiny_llama, dictionary, {}, site="blocks.1.mlp_hidden"),
    ):
        pass


def test_a_site_that_nobody_names_or_that_is_not_there(tiny_llama, dictionary):
    with (
        pytest.raises(UnknownSite, match=r"blocks\.7"),
        steer(tiny_llama, dictionary, {}, site="blocks.7.resid_post"),
    ):
        pass
    dictionary.site = ""
    with pytest.raises(UnknownSite, match="does not say at which site"), steer(tiny_llama, dictionary, {}):
        pass


def test_features_are_checked_before_the_block_runs(tiny_llama, dictionary):
    with pytest.raises(UnknownName), steer(tiny_llama, dictionary, {10_000: Ablate()}):
        pytest.fail("the block ran")
    dictionary.max_activation[3] = 0
    with pytest.raises(WrongUse, match="feature 3"), steer(tiny_llama, dictionary, {3: Clamp(10)}):
        pytest.fail("the block ran")
