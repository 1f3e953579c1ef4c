"""A site: a place inside a model where an activation can be read or changed.

In execution order, for one block with ``h`` heads of width ``d_head``; all are ``[batch, token, width]``:

==============  ==================================================================  =================
``resid_pre``   what enters the block                                               ``d_model``
``attn_z``      what enters the attention's output projection, heads side by side   ``h * d_head``
``attn_out``    what attention adds to the residual stream, after any norm of its   ``d_model``
``resid_mid``   ``resid_pre + attn_out``; does not exist in parallel blocks         ``d_model``
``mlp_in``      what enters the MLP, after the norm before it                       ``d_model``
``mlp_hidden``  what enters the MLP's down projection: its neurons                  ``d_mlp``
``mlp_out``     what the MLP adds to the residual stream, after any norm of its     ``d_model``
``resid_post``  what leaves the block: ``resid_mid + mlp_out``                      ``d_model``
==============  ==================================================================  =================

A parallel block (Phi, most GPT-NeoX) feeds attention and MLP from the same input:
``resid_post = resid_pre + attn_out + mlp_out``.
"""

import re
from dataclasses import dataclass
from functools import total_ordering

from monoscope.errors import UnknownSite, nearest

KINDS: tuple[str, ...] = (
    "resid_pre",
    "attn_z",
    "attn_out",
    "resid_mid",
    "mlp_in",
    "mlp_hidden",
    "mlp_out",
    "resid_post",
)
"""The kinds of site, in the order in which a block computes them."""

TRANSFORMER_LENS = {
    "hook_resid_pre": "resid_pre",
    "hook_resid_mid": "resid_mid",
    "hook_resid_post": "resid_post",
    "hook_attn_out": "attn_out",
    "attn.hook_z": "attn_z",
    "mlp.hook_post": "mlp_hidden",
    "hook_mlp_out": "mlp_out",
}
"""TransformerLens hook point -> kind. Its ``hook_mlp_in`` is left out: that is the value before the norm."""

NAME = re.compile(r"blocks\.(?P<block>\d+)\.(?P<kind>[\w.]+)", re.ASCII)


@total_ordering
@dataclass(frozen=True, slots=True)
class Site:
    """One place in a model; ordered as the model computes them."""

    block: int
    """Number of the block, from 0."""
    kind: str
    """One of ``KINDS``."""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise UnknownSite(f"{self.kind!r} is no kind of site", nearest(self.kind, KINDS))

    @property
    def order(self) -> tuple[int, int]:
        """Sorts sites as the model computes them."""
        return self.block, KINDS.index(self.kind)

    def __lt__(self, other: "Site") -> bool:
        return self.order < other.order

    def __str__(self) -> str:
        return f"blocks.{self.block}.{self.kind}"

    @classmethod
    def parse(cls, name: str) -> "Site":
        """The site of that name: ``blocks.2.mlp_out``, or ``blocks.2.hook_mlp_out`` as TransformerLens says.

        Module paths of Hugging Face depend on the model: see ``LanguageModel.resolve``.

        Raises:
            UnknownSite: the name is neither; the hint lists the nearest names.
        """
        match = NAME.fullmatch(name)
        kind = match and TRANSFORMER_LENS.get(match["kind"], match["kind"])
        if match and kind in KINDS:
            return cls(int(match["block"]), kind)
        number = re.search(r"\d+", name, re.ASCII)
        known = [f"blocks.{int(number[0]) if number else 0}.{kind}" for kind in KINDS]
        raise UnknownSite(f"{name!r} is not a site", f"{nearest(name, known)}; sites are blocks.NUMBER.KIND")
