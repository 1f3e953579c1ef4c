"""What is known of a site's activations taken together."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from monoscope.errors import BrokenInput

OUTLIER = 10
"""A token is an outlier when its norm is above this many median norms."""
SINK = 100
"""A token is an attention sink when its norm is above this many median norms."""
SAMPLE = 300_000
"""Tokens that statistics are measured on at most."""
WIDEST_COVARIANCE = 4096
"""Sites that are wider get no covariance: it would take more memory and time than the rest of the harvest."""


def sample_size(width: int) -> int:
    """Tokens that the statistics of a site are measured on: 300,000, enough for norms of one in ten thousand.

    Fewer at wide sites, where a covariance of so many would cost more than 0.2 Tflop, but 16 for each
    dimension.
    """
    return SAMPLE if width > WIDEST_COVARIANCE else min(SAMPLE, max(16 * width, 10**11 // width**2))


@dataclass(frozen=True, eq=False)
class Statistics:
    """Moments and norms of the activations of one site, from a uniform sample of its tokens.

    Attention sinks are the few tokens on which models park attention; their norms are a hundred times those
    of other tokens (Sun et al. 2024, 2402.17762), so that means and scale factors should not be trusted
    blindly where ``sink_share`` is above 0.
    """

    mean: Float[Tensor, " d_model"]
    """``E[x]``, float32."""
    covariance: Float[Tensor, "d_model d_model"] | None
    """``E[(x - mean) (x - mean)^T]``, float32; None at sites wider than 4096."""
    mean_squared_norm: float
    """``E|x|^2``."""
    median_norm: float
    """The median of ``|x|``."""
    outlier_share: float
    """Share of tokens whose norm is above 10 median norms."""
    sink_share: float
    """Share of tokens whose norm is above 100 median norms."""
    n_tokens: int
    """How many tokens were looked at."""

    @classmethod
    def measure(cls, blocks: Iterable[Float[Tensor, "_ d_model"]]) -> "Statistics":
        """Statistics of activations that come in blocks.

        Products are taken in float32 within a block, around the first block's mean, and summed in float64.

        Raises:
            BrokenInput: an activation is infinite or not a number, or there are none.
        """
        count, norms = 0, []
        shift = total = products = torch.empty(0)
        for block in blocks:
            x = block.float()
            norms.append(x.square().sum(1).sqrt())
            if not count:
                shift = x.mean(0)
                total = torch.zeros(x.shape[1], dtype=torch.float64)
                side = x.shape[1] if x.shape[1] <= WIDEST_COVARIANCE else 0
                products = torch.zeros(side, side, dtype=torch.float64)
            x = x - shift
            total += x.sum(0, dtype=torch.float64)
            if products.numel():
                products += x.T @ x
            count += len(x)
        if not count:
            raise BrokenInput("there are no activations to measure", "harvest some tokens")
        norm = torch.cat(norms)
        if not bool(norm.isfinite().all()):
            raise BrokenInput(
                f"{int((~norm.isfinite()).sum())} of {count} activations are infinite or not a number",
                "run the model in float32, and check that its weights are whole",
            )
        offset = total / count
        median = float(norm.median())
        return cls(
            mean=(shift.double() + offset).float(),
            covariance=(products / count - offset.outer(offset)).float() if products.numel() else None,
            mean_squared_norm=float(norm.double().square().mean()),
            median_norm=median,
            outlier_share=float((norm > OUTLIER * median).double().mean()),
            sink_share=float((norm > SINK * median).double().mean()),
            n_tokens=count,
        )
