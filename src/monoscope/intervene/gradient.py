"""How what a model says depends on an activation, to first order: one run forth and back."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from monoscope.models.hooks import edit
from monoscope.models.language_model import LanguageModel
from monoscope.models.sites import Site


@dataclass(frozen=True)
class Gradient:
    """A number that the last logits of a prompt give, and its slope in the activation at a site."""

    x: Float[Tensor, "token d_model"]
    """The activation."""
    slope: Float[Tensor, "token d_model"]
    """``dD/dx`` of the number D."""
    value: float
    """D."""
    logits: Float[Tensor, " vocabulary"]
    """Logits after the last token."""


def gradient_at(
    lm: LanguageModel,
    site: Site,
    tokens: Int[Tensor, " token"],
    explained: Callable[[Float[Tensor, " vocabulary"]], Float[Tensor, ""]],
) -> Gradient:
    """Run the model on a prompt and take the gradient of what its last logits give.

    Args:
        lm: the model; its weights keep no gradient.
        site: where the activation is taken.
        tokens: the prompt.
        explained: the number D, from the logits after the last token.
    """
    leaves: list[Tensor] = []

    def leaf(x: Float[Tensor, "batch token d_model"]) -> Float[Tensor, "batch token d_model"]:
        leaves.append(x.detach().clone().requires_grad_())
        return leaves[-1]

    with torch.enable_grad(), edit(lm, {site: leaf}):
        logits = lm.model(input_ids=tokens[None].to(lm.device), use_cache=False).logits[0, -1].float()
        value = explained(logits)
    (slope,) = torch.autograd.grad(value, leaves[-1])
    return Gradient(leaves[-1].detach()[0].float(), slope[0].float(), float(value.detach()), logits.detach())
