import pytest
from hypothesis import given
from hypothesis import strategies as st

from monoscope.errors import UnknownSite
from monoscope.models.sites import KINDS, TRANSFORMER_LENS, Site

sites = st.builds(Site, st.integers(0, 200), st.sampled_from(KINDS))


@given(sites)
def test_a_sites_name_is_parsed_back_to_it(site: Site) -> None:
    assert Site.parse(str(site)) == site
    assert len({Site.parse(str(site)), site}) == 1


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("blocks.2.hook_resid_pre", "blocks.2.resid_pre"),
        ("blocks.2.hook_resid_mid", "blocks.2.resid_mid"),
        ("blocks.2.hook_resid_post", "blocks.2.resid_post"),
        ("blocks.2.hook_attn_out", "blocks.2.attn_out"),
        ("blocks.2.attn.hook_z", "blocks.2.attn_z"),
        ("blocks.12.mlp.hook_post", "blocks.12.mlp_hidden"),
        ("blocks.2.hook_mlp_out", "blocks.2.mlp_out"),
    ],
)
def test_names_of_transformer_lens_are_understood(name: str, expected: str) -> None:
    assert str(Site.parse(name)) == expected


def test_every_alias_stands_for_a_kind() -> None:
    assert set(TRANSFORMER_LENS.values()) <= set(KINDS)


@given(st.lists(sites, unique=True))
def test_sites_sort_by_block_and_then_as_a_block_computes_them(several: list[Site]) -> None:
    assert sorted(several) == sorted(several, key=lambda site: (site.block, KINDS.index(site.kind)))


def test_a_block_computes_attention_before_its_mlp() -> None:
    assert Site(1, "resid_pre") < Site(1, "attn_out") < Site(1, "resid_mid") < Site(1, "mlp_out")
    assert Site(1, "resid_post") < Site(2, "resid_pre")
    assert max([Site(0, "resid_post"), Site(1, "attn_z"), Site(0, "mlp_in")]) == Site(1, "attn_z")


@pytest.mark.parametrize(
    "name", ["", "blocks.2", "blocks.2.", "blocks.x.resid_pre", "blocks.-1.resid_pre", "blocks.2.resid_posts"]
)
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(UnknownSite, match="is not a site"):
        Site.parse(name)


def test_the_hint_lists_the_nearest_names_of_the_same_block() -> None:
    with pytest.raises(UnknownSite) as raised:
        Site.parse("blocks.7.resid_pst")
    assert "'blocks.7.resid_pst'" in raised.value.sentence
    assert raised.value.hint.startswith("nearest are blocks.7.resid_post")


def test_a_kind_that_does_not_exist_is_refused() -> None:
    with pytest.raises(UnknownSite, match="'mlp_outt' is no kind of site") as raised:
        Site(0, "mlp_outt")
    assert "mlp_out" in raised.value.hint
