"""Where each architecture keeps its parts: a table, not code.

A row gives module paths, from the model down to the blocks and from a block down to its parts.
``Family.place`` turns a site into the module that holds it and the side, input or output, on which it passes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NamedTuple

from torch import nn

from monoscope.errors import BrokenInput, UnknownSite
from monoscope.models.sites import Site


class Place(NamedTuple):
    """Where an activation passes."""

    module: str
    """Path of a module, from the model."""
    side: Literal["input", "output"]
    """Whether it is the module's first input or its (first) output."""


@dataclass(frozen=True, kw_only=True)
class Family:
    """The layout of one architecture; paths below ``blocks`` are relative to a block."""

    name: str = ""
    """Hugging Face's ``model_type``; filled in from the table."""
    blocks: str = "model.layers"
    """The list of blocks."""
    final_norm: str = "model.norm"
    """The norm between the last block and the unembedding."""
    attention: str = "self_attn"
    """The module whose output attention adds to the residual stream: the norm after it, if there is one."""
    attention_projection: str = "self_attn.o_proj"
    """Attention's output projection."""
    mlp_norm: str = "post_attention_layernorm"
    """The norm before the MLP; in a sequential block its input is the residual stream after attention."""
    mlp: str = "mlp"
    """The module that the normed residual stream enters."""
    mlp_projection: str = "mlp.down_proj"
    """The MLP's down projection."""
    mlp_output: str = "mlp"
    """The module whose output the MLP adds to the residual stream: the norm after it, where there is one."""
    parallel: bool = False
    """Attention and MLP read the same input; there is no residual stream between them."""
    parallel_option: str = ""
    """The option of the model's configuration that decides ``parallel``, where it does."""
    gain_offset: float = 0.0
    """What a norm adds to its weight before multiplying (Gemma: 1)."""
    requires: Mapping[str, Any] = field(default_factory=dict)
    """Options of the configuration that must have this value: other values are other layouts."""

    def place(self, site: Site) -> Place:
        """The module that holds ``site`` and the side on which it passes.

        Raises:
            UnknownSite: a parallel block has no ``resid_mid``.
        """
        if site.kind == "resid_mid" and self.parallel:
            raise UnknownSite(
                f"{site} is not part of a {self.name} model: its attention and MLP run in parallel",
                f"use blocks.{site.block}.resid_pre, which both read, or blocks.{site.block}.resid_post",
            )
        part, side = self._parts()[site.kind]
        return Place(f"{self.blocks}.{site.block}.{part}".rstrip("."), side)

    def sites(self, n_blocks: int) -> list[Site]:
        """All the sites of a model with that many blocks, in execution order."""
        kinds = [kind for kind in self._parts() if not (kind == "resid_mid" and self.parallel)]
        return sorted(Site(block, kind) for block in range(n_blocks) for kind in kinds)

    def module_paths(self, n_blocks: int) -> dict[str, Site]:
        """What a site is called by the module that holds it.

        A path stands for the module's output, or for the side at its end: ``model.layers.2.mlp``,
        ``model.layers.2.mlp.output``, ``model.layers.2.mlp.input``. Its first part, the name of the model
        without the unembedding, may be left out.
        """
        paths: dict[str, Site] = {}
        for site in self.sites(n_blocks):
            path, side = self.place(site)
            for start in (path, path.partition(".")[2]):
                paths[f"{start}.{side}"] = site
                if side == "output":
                    paths[start] = site
        return paths

    def _parts(self) -> dict[str, Place]:
        return {
            "resid_pre": Place("", "input"),
            "attn_z": Place(self.attention_projection, "input"),
            "attn_out": Place(self.attention, "output"),
            "resid_mid": Place(self.mlp_norm, "input"),
            "mlp_in": Place(self.mlp, "input"),
            "mlp_hidden": Place(self.mlp_projection, "input"),
            "mlp_out": Place(self.mlp_output, "output"),
            "resid_post": Place("", "output"),
        }


LLAMA = Family()
GEMMA = Family(
    attention="post_attention_layernorm",
    mlp_norm="pre_feedforward_layernorm",
    mlp_output="post_feedforward_layernorm",
    gain_offset=1.0,
)

FAMILIES: dict[str, Family] = {
    "gpt2": Family(
        blocks="transformer.h",
        final_norm="transformer.ln_f",
        attention="attn",
        attention_projection="attn.c_proj",
        mlp_norm="ln_2",
        mlp_projection="mlp.c_proj",
        requires={"add_cross_attention": False},
    ),
    "gpt_neox": Family(
        blocks="gpt_neox.layers",
        final_norm="gpt_neox.final_layer_norm",
        attention="attention",
        attention_projection="attention.dense",
        mlp_projection="mlp.dense_4h_to_h",
        parallel=True,
        parallel_option="use_parallel_residual",
    ),
    "llama": LLAMA,
    "mistral": LLAMA,
    "qwen2": LLAMA,
    "qwen3": LLAMA,
    "gemma2": GEMMA,
    "gemma3_text": GEMMA,
    "opt": Family(
        blocks="model.decoder.layers",
        final_norm="model.decoder.final_layer_norm",
        attention_projection="self_attn.out_proj",
        mlp_norm="final_layer_norm",
        mlp="fc1",
        mlp_projection="fc2",
        mlp_output="fc2",
        # The 350M model alone norms after adding and projects its embeddings.
        requires={"do_layer_norm_before": True, "_remove_final_layer_norm": False},
    ),
    "phi": Family(
        final_norm="model.final_layernorm",
        attention_projection="self_attn.dense",
        mlp_projection="mlp.fc2",
        parallel=True,
    ),
}
"""Hugging Face's ``model_type`` -> layout."""


def family_of(model: nn.Module) -> Family:
    """The layout of a Hugging Face language model.

    Raises:
        BrokenInput: the architecture, or this variant of it, is not in the table.
    """
    return family_of_configuration(model.config)


def family_of_configuration(configuration: Any) -> Family:
    """The layout of the models that a Hugging Face configuration (``config.json``) describes.

    Raises:
        BrokenInput: the architecture, or this variant of it, is not in the table.
    """
    family = family_named(configuration.model_type)
    for option, value in family.requires.items():
        if (found := getattr(configuration, option, value)) != value:
            raise BrokenInput(
                f"{family.name} models with {option}={found!r} have a layout that monoscope does not know",
                f"it knows those with {option}={value!r}",
            )
    if family.parallel_option:
        return replace(family, parallel=getattr(configuration, family.parallel_option))
    return family


def family_named(model_type: str) -> Family:
    """The row of the table for Hugging Face's ``model_type``.

    Raises:
        BrokenInput: there is none; the hint lists all.
    """
    if model_type not in FAMILIES:
        raise BrokenInput(
            f"{model_type!r} is an architecture that monoscope does not know",
            f"it knows {', '.join(sorted(FAMILIES))}",
        )
    return replace(FAMILIES[model_type], name=model_type)
