"""An activation store in memory, with tags of one's choosing."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor

from monoscope.activations.rows import PADDING, TokenRows


@dataclass
class MemoryStore:
    """What evaluation needs of an ``ActivationStore``, over activations that a test made."""

    rows: TokenRows
    values: dict[str, Tensor]
    hash: str = "memory"
    model_hash: str = ""

    @property
    def site_names(self) -> tuple[str, ...]:
        return tuple(self.values)

    @property
    def n_tokens(self) -> int:
        return int(self.rows.usable.sum())

    def d_model(self, site: str) -> int:
        return self.values[site].shape[1]

    def usable(self, site: str) -> Tensor:
        return self.values[site][torch.from_numpy(self.rows.usable.reshape(-1))]

    def statistics(self, site: str) -> SimpleNamespace:
        x = self.usable(site)
        return SimpleNamespace(mean=x.mean(0), covariance=x.T.cov(correction=0))

    def sequential(self, site: str, size: int) -> Iterator[tuple[np.ndarray, Tensor]]:
        positions = np.flatnonzero(self.rows.usable.reshape(-1))
        for start in range(0, len(positions), size):
            here = positions[start : start + size]
            yield here, self.values[site][torch.from_numpy(here)]

    def sample(self, site: str, n: int, seed: int) -> Tensor:
        x = self.usable(site)
        return x[torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))[:n]]


def token_rows(
    n_rows: int,
    context: int,
    tags: Mapping[str, Mapping[str, Bool[np.ndarray, "row token"]]],
    *,
    padding: int = 0,
    special: int = 0,
    seed: int = 0,
) -> TokenRows:
    """Rows that begin with a special token; the last one ends in padding. ``tags``: concept -> kind -> mask."""
    generator = np.random.default_rng(seed)
    tokens = generator.integers(4, 200, (n_rows, context)).astype(np.uint16)
    tokens[:, 0] = special
    document_ids = np.repeat(np.arange(n_rows, dtype=np.int32), context).reshape(n_rows, context)
    if padding:
        document_ids[-1, -padding:] = PADDING
        tokens[-1, -padding:] = special
    concepts = tuple(sorted(tags))
    packed = {}
    for kind in ("mention", "passage"):
        positions = [np.flatnonzero(tags[name].get(kind, np.zeros((n_rows, context)))) for name in concepts]
        joined = np.concatenate([*positions, np.empty(0, np.int64)]).astype(np.int64)
        numbers = np.repeat(np.arange(len(concepts), dtype=np.int16), [len(each) for each in positions])
        order = np.argsort(joined, kind="stable")
        packed[kind] = (joined[order], numbers[order])
    return TokenRows(tokens, document_ids, (special,), concepts, packed)
