import pytest
from torch import nn

from conftest import TINY_MODELS
from monoscope.errors import BrokenInput, UnknownSite
from monoscope.models.families import FAMILIES, family_named, family_of
from monoscope.models.language_model import LanguageModel
from monoscope.models.sites import KINDS, Site


def unbuilt(name: str, **options: object) -> nn.Module:
    """A module that has only the configuration of a tiny model, with some options changed."""
    import transformers

    configuration, common = TINY_MODELS[name]
    module = nn.Module()
    module.config = getattr(transformers, configuration)(**common | options)
    return module


def test_every_architecture_of_the_table_is_tried() -> None:
    assert {family_of(unbuilt(name)).name for name in TINY_MODELS} == set(FAMILIES)


def test_every_site_is_held_by_a_module(every_family: LanguageModel) -> None:
    family = every_family.family
    for site in every_family.sites():
        assert every_family.model.get_submodule(family.place(site).module) is not None
    assert every_family.model.get_submodule(family.final_norm) is not None
    kinds = [site.kind for site in every_family.sites() if site.block == 1]
    assert kinds == [kind for kind in KINDS if not (kind == "resid_mid" and family.parallel)]


@pytest.mark.parametrize("name", ["phi", "gpt_neox"])
def test_a_parallel_block_says_why_it_has_no_resid_mid(name: str) -> None:
    family = family_of(unbuilt(name))
    with pytest.raises(UnknownSite, match=f"blocks.1.resid_mid is not part of a {name} model.*parallel"):
        family.place(Site(1, "resid_mid"))


def test_gpt_neox_is_parallel_or_not_as_its_configuration_says() -> None:
    assert family_of(unbuilt("gpt_neox")).parallel
    assert not family_of(unbuilt("gpt_neox_sequential")).parallel


def test_an_unknown_architecture_is_refused_with_the_known_ones() -> None:
    with pytest.raises(
        BrokenInput, match="'bloom' is an architecture that monoscope does not know"
    ) as raised:
        family_named("bloom")
    assert all(name in raised.value.hint for name in FAMILIES)


def test_a_layout_that_breaks_the_sums_is_refused() -> None:
    with pytest.raises(BrokenInput, match="opt models with do_layer_norm_before=False"):
        family_of(unbuilt("opt", do_layer_norm_before=False))


def test_module_paths_name_sites_by_side() -> None:
    paths = family_named("llama").module_paths(3)
    assert paths["model.layers.2"] == paths["layers.2"] == paths["layers.2.output"] == Site(2, "resid_post")
    assert paths["model.layers.2.input"] == Site(2, "resid_pre")
    assert paths["layers.2.mlp"] == Site(2, "mlp_out")
    assert paths["layers.2.mlp.input"] == Site(2, "mlp_in")
    assert paths["layers.2.mlp.down_proj.input"] == Site(2, "mlp_hidden")
    assert paths["layers.2.self_attn"] == Site(2, "attn_out")
    assert "model.layers.3" not in paths
    assert family_named("gpt2").module_paths(2)["transformer.h.1.mlp"] == Site(1, "mlp_out")


def test_where_a_norm_follows_the_mlp_its_output_is_what_the_mlp_adds() -> None:
    paths = family_named("gemma2").module_paths(2)
    assert "layers.1.mlp" not in paths
    assert paths["layers.1.post_feedforward_layernorm"] == Site(1, "mlp_out")
