from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from monoscope.errors import UnknownSite, WrongUse
from monoscope.models.hooks import edit, read
from monoscope.models.language_model import LanguageModel
from monoscope.models.sites import Site


def tokens_of(lm: LanguageModel, seed: int = 0, batch: int = 2, length: int = 24) -> Tensor:
    return torch.randint(
        2, lm.vocabulary_size, (batch, length), generator=torch.Generator().manual_seed(seed)
    )


def direction(lm: LanguageModel, seed: int = 1) -> Tensor:
    return torch.randn(lm.d_model, generator=torch.Generator().manual_seed(seed))


def adding(v: Tensor) -> Callable[[Tensor], Tensor]:
    return lambda x: x + v


def everything(lm: LanguageModel, tokens: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """Logits and all sites, by name, of one run."""
    with read(lm, lm.sites()) as values:
        logits = lm.forward(tokens)
    return logits, {str(site): value for site, value in values.items()}


# Reading


def test_what_each_part_adds_makes_the_residual_stream(every_family: LanguageModel) -> None:
    lm = every_family
    _, x = everything(lm, tokens_of(lm))
    for block in range(lm.n_blocks):
        at = {
            kind: x.get(f"blocks.{block}.{kind}")
            for kind in ("resid_pre", "attn_out", "mlp_out", "resid_post")
        }
        if lm.family.parallel:
            assert_close(at["resid_pre"] + at["attn_out"] + at["mlp_out"], at["resid_post"])
        else:
            middle = x[f"blocks.{block}.resid_mid"]
            assert torch.equal(at["resid_pre"] + at["attn_out"], middle)
            assert torch.equal(middle + at["mlp_out"], at["resid_post"])
        assert min(at["attn_out"].norm(), at["mlp_out"].norm()) > 0.01 * at["resid_pre"].norm()
        if block + 1 < lm.n_blocks:
            assert torch.equal(at["resid_post"], x[f"blocks.{block + 1}.resid_pre"])


def test_the_last_block_feeds_the_final_norm(every_family: LanguageModel) -> None:
    lm = every_family
    entering: list[Tensor] = []
    norm = lm.model.get_submodule(lm.family.final_norm)
    handle = norm.register_forward_pre_hook(lambda _, arguments: entering.append(arguments[0]))
    try:
        _, x = everything(lm, tokens_of(lm))
    finally:
        handle.remove()
    assert torch.equal(entering[0], x[f"blocks.{lm.n_blocks - 1}.resid_post"])


def test_sites_have_their_shape(every_family: LanguageModel) -> None:
    lm = every_family
    _, x = everything(lm, tokens_of(lm, batch=3, length=5))
    assert len(x) == len(lm.sites())
    for name, value in x.items():
        assert value.shape == (3, 5, lm.width(name)), name
    assert lm.width("blocks.0.mlp_hidden") == 128 if lm.family.name == "gpt2" else 64
    assert lm.width("blocks.0.attn_z") == (64 if lm.family.name == "qwen3" else 32)


def test_attention_and_mlp_are_the_projections_of_what_enters_them(every_family: LanguageModel) -> None:
    lm = every_family
    _, x = everything(lm, tokens_of(lm))
    if lm.family.attention_projection.startswith(lm.family.attention):  # no norm behind it
        projection = lm.model.get_submodule(lm.family.place(Site(1, "attn_z")).module)
        assert_close(projection(x["blocks.1.attn_z"]), x["blocks.1.attn_out"])
    if lm.family.mlp_projection.startswith(lm.family.mlp_output):
        projection = lm.model.get_submodule(lm.family.place(Site(1, "mlp_hidden")).module)
        assert_close(projection(x["blocks.1.mlp_hidden"]), x["blocks.1.mlp_out"])


# Editing


def test_editing_with_the_identity_changes_no_bit(every_family: LanguageModel) -> None:
    lm = every_family
    tokens = tokens_of(lm)
    clean, before = everything(lm, tokens)
    for same in (lambda x: x, lambda x: x.clone()):
        with edit(lm, dict.fromkeys(lm.sites(), same)):
            logits, after = everything(lm, tokens)
        assert torch.equal(logits, clean)
        assert all(torch.equal(before[name], after[name]) for name in before)


def test_the_end_of_a_block_is_the_start_of_the_next(every_family: LanguageModel) -> None:
    lm = every_family
    tokens, v = tokens_of(lm), direction(lm)
    for block in range(lm.n_blocks - 1):
        with edit(lm, {Site(block, "resid_post"): adding(v)}):
            at_the_end = lm.forward(tokens)
        with edit(lm, {Site(block + 1, "resid_pre"): adding(v)}):
            at_the_start = lm.forward(tokens)
        assert torch.equal(at_the_end, at_the_start)
        assert (at_the_end - lm.forward(tokens)).abs().max() > 0.01


def test_adding_to_a_part_is_adding_to_the_stream_after_it(every_family: LanguageModel) -> None:
    lm = every_family
    tokens, v = tokens_of(lm), direction(lm)

    def logits_with(kind: str, block: int = 1) -> Tensor:
        with edit(lm, {Site(block, kind): adding(v)}):
            return lm.forward(tokens)

    assert_close(logits_with("mlp_out"), logits_with("resid_post"), rtol=1e-3, atol=1e-3)
    if lm.family.parallel:
        assert_close(logits_with("attn_out"), logits_with("resid_post"), rtol=1e-3, atol=1e-3)
    else:
        assert_close(logits_with("attn_out"), logits_with("resid_mid"), rtol=1e-3, atol=1e-3)
        assert (logits_with("resid_mid") - logits_with("resid_post")).abs().max() > 0.01


@pytest.mark.parametrize(
    ("patched", "decided"),
    [
        ("resid_pre", ["attn_z", "attn_out", "mlp_in", "resid_post"]),
        ("attn_z", ["attn_out"]),
        ("resid_mid", ["mlp_in", "mlp_hidden", "mlp_out", "resid_post"]),
        ("mlp_in", ["mlp_hidden", "mlp_out"]),
        ("mlp_hidden", ["mlp_out"]),
        ("resid_post", []),
    ],
)
def test_a_patched_site_decides_what_follows_from_it(
    every_family: LanguageModel, patched: str, decided: list[str]
) -> None:
    lm = every_family
    if patched == "resid_mid" and lm.family.parallel:
        with pytest.raises(UnknownSite, match="parallel"), edit(lm, {Site(1, patched): torch.zeros_like}):
            pass
        return
    logits, source = everything(lm, tokens_of(lm, seed=3))
    with edit(lm, {Site(1, patched): lambda x: source[f"blocks.1.{patched}"]}):
        patched_logits, target = everything(lm, tokens_of(lm, seed=4))
    for kind in [patched, *decided]:
        assert torch.equal(target[f"blocks.1.{kind}"], source[f"blocks.1.{kind}"]), kind
    if "resid_post" in [patched, *decided]:
        assert torch.equal(patched_logits, logits)
        assert not torch.equal(target["blocks.0.resid_post"], source["blocks.0.resid_post"])


@pytest.mark.parametrize("kind", ["attn_out", "mlp_out"])
def test_what_a_silenced_part_added_is_missing(every_family: LanguageModel, kind: str) -> None:
    lm = every_family
    with edit(lm, {Site(1, kind): torch.zeros_like}):
        _, x = everything(lm, tokens_of(lm))
    assert x[f"blocks.1.{kind}"].abs().max() == 0
    other = x["blocks.1.mlp_out" if kind == "attn_out" else "blocks.1.attn_out"]
    assert_close(x["blocks.1.resid_pre"] + other, x["blocks.1.resid_post"])


def test_edits_at_one_site_follow_each_other(tiny_llama: LanguageModel) -> None:
    lm, v = tiny_llama, direction(tiny_llama)
    tokens, site = tokens_of(lm), Site(1, "resid_mid")
    with edit(lm, {site: adding(v)}), edit(lm, {site: lambda x: 2 * x}):
        twice = lm.activations(tokens, [site])[site]
    assert_close(twice, 2 * (lm.activations(tokens, [site])[site] + v))


@pytest.mark.parametrize("kind", ["resid_pre", "resid_mid", "mlp_out", "resid_post"])
def test_an_inner_read_sees_the_edit_and_an_outer_one_does_not(tiny_llama: LanguageModel, kind: str) -> None:
    lm, v = tiny_llama, direction(tiny_llama)
    tokens, site = tokens_of(lm), Site(1, kind)
    clean = lm.activations(tokens, [site])[site]
    with read(lm, [site]) as outer, edit(lm, {site: adding(v)}), read(lm, [site]) as inner:
        lm.forward(tokens)
    assert torch.equal(outer[site], clean)
    assert torch.equal(inner[site], clean + v)


def test_edits_work_token_by_token_under_a_cache(every_family: LanguageModel) -> None:
    lm, v = every_family, 3 * direction(every_family)
    edits = {site: adding(v) for site in lm.sites() if site.kind in ("attn_out", "resid_mid", "resid_post")}
    tokens = tokens_of(lm, batch=2, length=20)
    with edit(lm, edits):
        whole = lm.forward(tokens)
        start = lm.model(tokens[:, :12], use_cache=True)
        past, parts = start.past_key_values, [start.logits]
        for i in range(12, 20):
            step = lm.model(tokens[:, i : i + 1], past_key_values=past, use_cache=True)
            past, parts = step.past_key_values, [*parts, step.logits]
    assert_close(torch.cat(parts, dim=1), whole, rtol=1e-3, atol=1e-3)
    assert (whole - lm.forward(tokens)).abs().max() > 0.1


def test_an_edit_keeps_the_dtype(tiny_model_folder: Callable) -> None:
    from monoscope.models.language_model import load_model

    lm = load_model(tiny_model_folder("opt"), device="cpu", dtype="bfloat16")
    site = Site(1, "mlp_out")
    with edit(lm, {site: lambda x: x.float() + 1}):
        assert lm.activations(tokens_of(lm), [site])[site].dtype == torch.bfloat16


def test_an_edit_of_another_shape_is_refused(every_family: LanguageModel) -> None:
    lm = every_family
    for site in lm.sites()[:8]:
        with (
            edit(lm, {site: lambda x: x[:1]}),
            pytest.raises(WrongUse, match=f"the edit at {site} returned shape"),
        ):
            lm.forward(tokens_of(lm))


def test_gradients_pass_through_edits(every_family: LanguageModel) -> None:
    lm = every_family
    for site in lm.sites()[:8]:
        v = torch.zeros(lm.width(site), requires_grad=True)
        with edit(lm, {site: adding(v)}):
            lm.model(tokens_of(lm, length=6)).logits[:, -1, 7].sum().backward()
        assert v.grad.abs().max() > 0, site
