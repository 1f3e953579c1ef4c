"""That hooks end when they should: with their block, and a stopped run after its deepest site."""

import gc
import weakref
from collections import Counter
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from monoscope.errors import UnknownSite
from monoscope.models.hooks import edit, read
from monoscope.models.language_model import LanguageModel
from monoscope.models.sites import Site


def tokens_of(lm: LanguageModel) -> Tensor:
    return torch.randint(2, lm.vocabulary_size, (2, 24), generator=torch.Generator().manual_seed(0))


def hooks_on(lm: LanguageModel) -> int:
    return sum(len(module._forward_hooks) + len(module._forward_pre_hooks) for module in lm.model.modules())


def parts_run(lm: LanguageModel, run: Callable[[], object]) -> Counter[str]:
    """How often each module was entered during ``run``."""
    entered: Counter[str] = Counter()
    handles = [
        module.register_forward_pre_hook(lambda module, arguments, name=name: entered.update([name]))
        for name, module in lm.model.named_modules()
    ]
    try:
        run()
    finally:
        for handle in handles:
            handle.remove()
    return entered


# Hooks


def test_hooks_are_gone_when_the_block_ends(tiny_llama: LanguageModel, tiny_gpt2: LanguageModel) -> None:
    for lm in (tiny_llama, tiny_gpt2):
        tokens, site = tokens_of(lm), Site(1, "resid_mid")
        before, clean = hooks_on(lm), lm.forward(tokens)
        with read(lm, lm.sites()), edit(lm, {site: torch.zeros_like}):
            assert hooks_on(lm) > before
            lm.forward(tokens)
        assert hooks_on(lm) == before
        assert torch.equal(lm.forward(tokens), clean)


def test_hooks_are_gone_after_an_exception_in_an_edit(tiny_llama: LanguageModel) -> None:
    lm = tiny_llama
    before, clean = hooks_on(lm), lm.forward(tokens_of(lm))

    def broken(x: Tensor) -> Tensor:
        raise ZeroDivisionError

    with (
        pytest.raises(ZeroDivisionError),
        read(lm, ["blocks.2.mlp_in"]),
        edit(lm, {Site(1, "attn_out"): broken}),
    ):
        lm.forward(tokens_of(lm))
    assert hooks_on(lm) == before
    assert torch.equal(lm.forward(tokens_of(lm)), clean)


def test_hooks_are_gone_when_a_site_does_not_exist(tiny_llama: LanguageModel) -> None:
    before = hooks_on(tiny_llama)
    sites = {Site(0, "resid_post"): torch.zeros_like, Site(9, "resid_post"): torch.zeros_like}
    with pytest.raises(UnknownSite, match=r"blocks\.9\.resid_post"), edit(tiny_llama, sites):
        pass
    assert hooks_on(tiny_llama) == before


# Stopping


def test_a_stopped_run_computes_nothing_deeper(every_family: LanguageModel) -> None:
    lm = every_family
    tokens = tokens_of(lm)
    with read(lm, lm.sites()) as clean:
        lm.forward(tokens)
    for site in [s for s in lm.sites() if s.block == 1]:
        values: dict[Site, Tensor] = {}
        entered = parts_run(
            lm, lambda site=site, values=values: values.update(lm.activations(tokens, [site]))
        )
        assert torch.equal(values[site], clean[site])
        mlp = f"{lm.family.blocks}.1.{lm.family.mlp}"
        assert entered[f"{lm.family.blocks}.0.{lm.family.mlp}"] == 1
        assert entered[mlp] == (site.kind in ("mlp_in", "mlp_hidden", "mlp_out", "resid_post")), site
        deeper = [lm.family.final_norm, f"{lm.family.blocks}.2", "lm_head", "embed_out"]
        assert not any(entered[name] for name in deeper), site


def test_a_stopped_run_ends_after_the_deepest_of_its_sites(tiny_gpt2: LanguageModel) -> None:
    lm = tiny_gpt2
    sites = ["blocks.1.mlp_in", "blocks.0.resid_post", "blocks.1.resid_pre"]
    entered = parts_run(lm, lambda: lm.activations(tokens_of(lm), sites))
    assert entered["transformer.h.1.ln_2"] == 1
    assert entered["transformer.h.1.mlp"] == 1
    assert entered["transformer.h.1.mlp.c_fc"] == 0
    assert set(lm.activations(tokens_of(lm), sites)) == {Site.parse(name) for name in sites}


def test_the_end_of_a_run_leaves_only_the_block_that_asked(tiny_llama: LanguageModel) -> None:
    lm, reached = tiny_llama, []
    with read(lm, ["blocks.0.attn_out"], stop=True) as outer:
        with read(lm, ["blocks.2.resid_post"], stop=True) as inner:
            lm.forward(tokens_of(lm))
            reached.append("the end of the run")
        reached.append("the end of the inner block")
    assert reached == []
    assert len(outer) == 1
    assert inner == {}


def test_a_run_leaves_no_trace_of_its_stop(tiny_llama: LanguageModel) -> None:
    lm = tiny_llama
    clean = lm.forward(tokens_of(lm))
    lm.activations(tokens_of(lm), ["blocks.0.resid_post"])
    assert torch.equal(lm.forward(tokens_of(lm)), clean)
    assert lm.model(tokens_of(lm), output_hidden_states=True).hidden_states[1].shape == (2, 24, 32)


def test_a_stopped_run_keeps_nothing_alive_but_what_was_read(tiny_llama: LanguageModel) -> None:
    lm = tiny_llama
    passed: list[weakref.ref] = []
    block = lm.model.get_submodule(f"{lm.family.blocks}.1")
    handle = block.register_forward_pre_hook(lambda _, arguments: passed.append(weakref.ref(arguments[0])))
    gc.collect()
    gc.disable()
    try:
        values = lm.activations(tokens_of(lm), ["blocks.1.mlp_in"])
        assert len(values) == 1
        assert passed[0]() is None
    finally:
        gc.enable()
        handle.remove()
