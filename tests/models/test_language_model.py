from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from conftest import TEXT, save_tiny_model
from monoscope.errors import UnknownSite, WrongUse
from monoscope.models.language_model import LanguageModel, load_model
from monoscope.models.sites import Site


def some_tokens(lm: LanguageModel, batch: int = 2, length: int = 24) -> torch.Tensor:
    return torch.randint(2, lm.vocabulary_size, (batch, length), generator=torch.Generator().manual_seed(0))


# Running


def test_logits_are_those_of_hugging_face(every_family: LanguageModel) -> None:
    lm, tokens = every_family, some_tokens(every_family)
    with torch.no_grad():
        theirs = lm.model(tokens).logits
    ours = lm.forward(tokens)
    assert torch.equal(ours, theirs)
    assert ours.shape == (2, 24, lm.vocabulary_size)
    assert not ours.requires_grad


def test_activations_are_the_hidden_states_of_hugging_face(every_family: LanguageModel) -> None:
    lm, tokens = every_family, some_tokens(every_family)
    with torch.no_grad():
        hidden = lm.model(tokens, output_hidden_states=True).hidden_states
    sites = [f"blocks.{block}.resid_pre" for block in range(lm.n_blocks)]
    found = lm.activations(tokens, sites)
    for block, site in enumerate(sites):
        assert torch.equal(found[lm.resolve(site)], hidden[block])
        assert not found[lm.resolve(site)].requires_grad


def test_padding_changes_nothing_for_the_other_tokens(every_family: LanguageModel) -> None:
    lm, tokens = every_family, some_tokens(every_family, batch=1, length=20)
    padded = torch.cat([torch.full((1, 5), 3), tokens], dim=1)
    mask = torch.cat([torch.zeros(1, 5, dtype=torch.long), torch.ones(1, 20, dtype=torch.long)], dim=1)
    left = lm.forward(padded, attention_mask=mask)[:, 5:]
    right = lm.forward(padded.flip(1), attention_mask=mask.flip(1))[:, :20]
    assert_close(left, lm.forward(tokens), rtol=1e-3, atol=1e-4)
    assert_close(right, lm.forward(tokens.flip(1)), rtol=1e-3, atol=1e-4)


def test_bfloat16_runs_in_bfloat16_and_says_logits_in_float32(
    tiny_llama: LanguageModel, tiny_model_folder: Callable[[str], Path]
) -> None:
    half = load_model(tiny_model_folder("llama"), device="cpu", dtype="bfloat16")
    tokens = some_tokens(half)
    assert half.dtype == torch.bfloat16
    assert half.activations(tokens, ["blocks.1.mlp_out"])[Site(1, "mlp_out")].dtype == torch.bfloat16
    logits, exact = half.forward(tokens), tiny_llama.forward(tokens)
    assert logits.dtype == torch.float32
    assert 0 < (logits - exact).norm() / exact.norm() < 0.1


@pytest.mark.parametrize("run", ["forward", "activations"])
def test_rows_beyond_the_context_are_refused(tiny_llama: LanguageModel, run: str) -> None:
    tokens = some_tokens(tiny_llama, batch=1, length=129)
    with pytest.raises(WrongUse, match="129 tokens do not fit the context of llama, 128"):
        tiny_llama.forward(tokens) if run == "forward" else tiny_llama.activations(tokens, [])
    assert tiny_llama.forward(tokens[:, :128]).shape[1] == 128


# Sites


def test_the_sizes_are_those_of_the_configuration(tiny_llama: LanguageModel) -> None:
    lm = tiny_llama
    assert (lm.n_blocks, lm.d_model, lm.context, lm.vocabulary_size) == (3, 32, 128, 400)
    assert (lm.name, lm.family.name, lm.device.type, lm.dtype) == ("llama", "llama", "cpu", torch.float32)
    assert len(lm.sites()) == 24
    assert lm.sites() == sorted(lm.sites())


def test_names_of_three_kinds_resolve_to_one_site(
    tiny_llama: LanguageModel, tiny_gpt2: LanguageModel
) -> None:
    mlp = Site(2, "mlp_out")
    for name in ("blocks.2.mlp_out", "blocks.2.hook_mlp_out", "model.layers.2.mlp", "layers.2.mlp", mlp):
        assert tiny_llama.resolve(name) == mlp
    for name in ("transformer.h.2.mlp", "h.2.mlp", "h.2.mlp.output", "blocks.2.hook_mlp_out"):
        assert tiny_gpt2.resolve(name) == mlp


def test_every_name_of_a_site_resolves_to_it(every_family: LanguageModel) -> None:
    lm = every_family
    for site in lm.sites():
        place = lm.family.place(site)
        assert lm.resolve(site) == lm.resolve(str(site)) == lm.resolve(f"{place.module}.{place.side}") == site


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("blocks.2.resid_pots", "blocks.2.resid_post"),
        ("blocks.2.hook_resid_pst", "blocks.2.resid_post"),
        ("model.layers.2.mlpp", "layers.2.mlp"),
        ("transformer.layers.1.mlp", "layers.1.mlp"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(
    tiny_llama: LanguageModel, name: str, near: str
) -> None:
    with pytest.raises(UnknownSite, match="is not a site of llama") as raised:
        tiny_llama.resolve(name)
    assert name in raised.value.sentence
    assert near in raised.value.hint


@pytest.mark.parametrize("name", ["blocks.3.resid_post", Site(3, "resid_post")])
def test_a_block_beyond_the_last_is_refused(tiny_llama: LanguageModel, name: str | Site) -> None:
    with pytest.raises(
        UnknownSite, match=r"blocks\.3\.resid_post is not a site of llama, which has 3 blocks"
    ):
        tiny_llama.resolve(name)


# Text and tokens


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.sampled_from(TEXT) | st.text(max_size=40))
def test_tokens_decode_to_the_text(tiny_llama: LanguageModel, text: str) -> None:
    tokens = tiny_llama.tokenize(text)
    assert tokens[0] == tiny_llama.bos_id == 0
    assert tiny_llama.decode(tokens) == tiny_llama.decode(tokens.numpy()) == text
    assert tiny_llama.tokenize(text, bos=False).tolist() == tokens[1:].tolist()


def test_a_tokenizer_without_a_first_token_adds_none(tiny_model_folder: Callable[[str], Path]) -> None:
    lm = load_model(tiny_model_folder("qwen2"), device="cpu", dtype="float32")
    assert lm.bos_id is None
    assert lm.decode(lm.tokenize("The old bridge")) == "The old bridge"
    assert lm.special_ids == {0, 1}
    assert not lm.special_ids & set(lm.tokenize("The old bridge").tolist())
    with pytest.raises(WrongUse, match="the prompt is empty"):
        lm.generate("")


def test_the_tokenizer_is_the_one_in_the_folder(every_family: LanguageModel) -> None:
    from tokenizers import Tokenizer

    saved = Tokenizer.from_file(str(every_family.folder / "tokenizer.json"))
    for text in TEXT:
        assert (
            every_family.tokenize(text, bos=False).tolist()
            == saved.encode(text, add_special_tokens=False).ids
        )


def test_tokens_have_readable_strings(tiny_llama: LanguageModel) -> None:
    tokens = tiny_llama.tokenize("The old bridge")
    strings = tiny_llama.token_strings(tokens)
    assert strings[0] == "<|begin|>"
    assert "".join(strings[1:]) == "The old bridge"
    assert strings[-1] == " bridge"
    every = tiny_llama.vocabulary_strings()
    assert len(every) == 400
    assert [every[token] for token in tokens] == strings == tiny_llama.token_strings(tokens.numpy())


# Writing


def test_one_prompt_gives_a_text_and_several_a_list(tiny_llama: LanguageModel) -> None:
    one = tiny_llama.generate("The old", n_tokens=8)
    several = tiny_llama.generate(["The old", "Once upon a time"], n_tokens=8)
    assert isinstance(one, str)
    assert several[0] == one
    assert several[1] == tiny_llama.generate("Once upon a time", n_tokens=8, first_index=1)
    assert several == tiny_llama.generate(["The old", "Once upon a time"], n_tokens=8, cache=False)
    assert tiny_llama.generate([]) == []


def test_the_prompt_is_not_repeated_and_its_space_is_kept(tiny_llama: LanguageModel) -> None:
    lm = tiny_llama
    text = lm.generate("The old", n_tokens=6, temperature=0)
    row = lm.tokenize("The old").tolist()
    for _ in range(6):
        row.append(int(lm.forward(torch.tensor([row]))[0, -1].argmax()))
    assert "The old" + text == lm.decode(row)
    first = int(lm.forward(torch.tensor([[lm.bos_id]]))[0, -1].argmax())
    assert lm.generate("", n_tokens=1, temperature=0) == lm.decode([first])


def test_a_text_ends_at_the_end_token(tiny_llama: LanguageModel) -> None:
    from monoscope.models.hooks import edit

    toward_end = 1e4 * torch.nn.functional.normalize(tiny_llama.unembedding()[:, 1], dim=0)
    with edit(tiny_llama, {Site(2, "resid_post"): lambda x: x * 0 + toward_end}):
        assert tiny_llama.forward(torch.tensor([[5]])).argmax() == 1
        assert tiny_llama.generate("The old", temperature=0) == ""


@pytest.mark.parametrize(
    ("options", "sentence", "hint"),
    [
        ({"n_tokens": 126}, "129 tokens do not fit the context of llama, 128", "at most 125 tokens"),
        ({"n_tokens": 0}, "n_tokens=0", "at least 1"),
        ({"seed": -1}, "seed=-1", "at least 0"),
        ({"temperature": -1.0}, "temperature -1.0", "likeliest"),
    ],
)
def test_requests_that_cannot_be_met_are_refused(
    tiny_llama: LanguageModel, options: dict, sentence: str, hint: str
) -> None:
    assert len(tiny_llama.tokenize("The the")) == 3
    with pytest.raises(WrongUse, match=sentence) as raised:
        tiny_llama.generate("The the", **options)
    assert hint in raised.value.hint


# Weights


def test_the_norm_and_the_unembedding_make_the_logits(every_family: LanguageModel) -> None:
    lm, tokens = every_family, some_tokens(every_family)
    last = lm.activations(tokens, [Site(2, "resid_post")])[Site(2, "resid_post")]
    norm = lm.model.get_submodule(lm.family.final_norm)
    centred = last - last.mean(-1, keepdim=True) if lm.final_norm_centres else last
    normed = centred * (centred.pow(2).mean(-1, keepdim=True) + 1e-6).rsqrt() * lm.final_norm_weight()
    logits = (normed + getattr(norm, "bias", 0)) @ lm.unembedding()
    bias = getattr(lm.model.get_output_embeddings(), "bias", None)
    assert (bias is not None) == (lm.family.name == "phi")
    logits = logits if bias is None else logits + bias
    if lm.family.name == "gemma2":
        logits = 30 * torch.tanh(logits / 30)
    assert_close(logits, lm.forward(tokens), rtol=1e-3, atol=1e-3)
    assert lm.final_norm_centres == (lm.family.name in ("gpt2", "gpt_neox", "opt", "phi"))


def test_the_hash_follows_the_weights_and_the_configuration(
    tiny_llama: LanguageModel, tiny_model_folder: Callable[[str], Path], tmp_path: Path
) -> None:
    same = load_model(tiny_model_folder("llama"), device="cpu", dtype="bfloat16")
    assert same.hash == tiny_llama.hash
    assert same.tokenizer_hash == tiny_llama.tokenizer_hash
    assert len(same.hash) == 16

    save_tiny_model("llama", tmp_path / "twin")
    assert load_model(tmp_path / "twin", device="cpu", dtype="float32").hash == tiny_llama.hash
    configuration = tmp_path / "twin" / "config.json"
    configuration.write_text(
        configuration.read_text().replace('"rms_norm_eps": 1e-06', '"rms_norm_eps": 1e-05')
    )
    other = load_model(tmp_path / "twin", device="cpu", dtype="float32")
    assert other.hash != tiny_llama.hash
    assert other.tokenizer_hash == tiny_llama.tokenizer_hash
