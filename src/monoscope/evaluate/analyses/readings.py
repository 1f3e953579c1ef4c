"""Activations of several sites at the same tokens, whether a store has them all or not."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from monoscope.activations.rows import TokenRows
from monoscope.evaluate.stream import Activations, first_tokens
from monoscope.models import LanguageModel

ROWS = 16
"""Rows of text that are run at once."""


def read_together(
    lm: LanguageModel, store: Activations, sites: Sequence[str], n_tokens: int
) -> Iterator[tuple[Int[np.ndarray, " batch"], dict[str, Float[Tensor, "batch _"]]]]:
    """Flat positions and activations, by site, of the first usable tokens of a store's text.

    Where the store lacks one of the sites, all are read by running the model on its text.
    """
    if not set(sites) <= set(store.site_names):
        yield from run_together(lm, store.rows, sites, n_tokens)
        return
    for parts in zip(*(first_tokens(store, site, n_tokens) for site in sites), strict=True):
        yield parts[0][0], {site: x for site, (_, x) in zip(sites, parts, strict=True)}


@torch.no_grad()
def run_together(
    lm: LanguageModel, rows: TokenRows, sites: Sequence[str], n_tokens: int
) -> Iterator[tuple[Int[np.ndarray, " batch"], dict[str, Float[Tensor, "batch _"]]]]:
    """The same, by running the model; activations are float32 on the CPU."""
    left, places = n_tokens, {site: lm.resolve(site) for site in sites}
    for first in range(0, len(rows.tokens), ROWS):
        if left <= 0:
            return
        batch = slice(first, first + ROWS)
        chosen = np.flatnonzero(rows.usable[batch].reshape(-1))[:left]
        found = lm.activations(torch.as_tensor(rows.tokens[batch].astype(np.int64)), list(places.values()))
        yield (
            first * rows.context + chosen,
            {
                site: found[place].flatten(0, 1)[torch.from_numpy(chosen).to(lm.device)].float().cpu()
                for site, place in places.items()
            },
        )
        left -= len(chosen)
