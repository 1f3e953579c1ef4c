"""What may mark a concept (features, neurons, principal components), and the counts that tell how well.

Readings are cut into equal steps, one scale for each candidate, so that every threshold of every candidate is
judged from two tables: how many tokens, and how many tokens of the concept, read within each step.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from monoscope.dictionaries import SparseAutoencoder, SparseCodes
from monoscope.evaluate.stream import Activations, Advance, first_tokens

STEPS = 256
"""Steps a candidate's readings are cut into."""
SAMPLE = 32_768
"""Activations that tell the range of a coordinate."""
TAIL = 2e-4
"""Share of the sample beyond either end of that range; what lies there is counted in the outermost step."""
UNITS_AT_ONCE = 1024
"""Coordinates counted in one pass over the store; a byte is held for each of them and each token."""

Members = Sequence[Int[np.ndarray, " _"]]
"""For each concept, the ordinals of its tokens, ascending."""


@dataclass(frozen=True)
class Grid:
    """Thresholds ``low + step * j`` of each candidate, for j from 0 to ``STEPS - 2``.

    Step j of the tables holds the readings with ``threshold[j - 1] < reading <= threshold[j]``, the last step
    those above every threshold.
    """

    low: Float[np.ndarray, " candidate"]
    step: Float[np.ndarray, " candidate"]

    def threshold(self, candidate: int, number: int) -> float:
        """Threshold ``number`` of a candidate."""
        return float(self.low[candidate] + self.step[candidate] * number)


@runtime_checkable
class Tally(Protocol):
    """Counts over calibration text of some candidates, which are numbered from ``first``."""

    @property
    def first(self) -> int:
        """Number of the first candidate."""
        ...

    @property
    def grid(self) -> Grid:
        """Thresholds of each candidate."""
        ...

    @property
    def both_signs(self) -> bool:
        """Whether a reading at or below a threshold may mark a concept too."""
        ...

    def total(self) -> Int[np.ndarray, "candidate step"]:
        """Tokens of each candidate's readings, by step."""
        ...

    def tagged(self, concept: int) -> Int[np.ndarray, "candidate step"]:
        """Tokens tagged with a concept, likewise."""
        ...


@runtime_checkable
class Candidates(Protocol):
    """Scalar readings of an activation."""

    @property
    def site(self) -> str:
        """Where the activation is."""
        ...

    def tallies(
        self, store: Activations, members: Members, n_tokens: int, advance: Advance
    ) -> Iterator[Tally]:
        """Count the readings of the first ``n_tokens`` usable tokens, some candidates at a time."""
        ...

    def read(
        self, x: Float[Tensor, "batch d_model"], chosen: Int[Tensor, " chosen"]
    ) -> Float[Tensor, "batch chosen"]:
        """Readings of the chosen candidates."""
        ...


@dataclass(frozen=True)
class CodeTally:
    """Counts of a dictionary's features, made from their kept activations when asked."""

    keys: Int[np.ndarray, "token slot"]
    """``feature * STEPS + step`` of each slot; step 0 means not active and is never above a threshold."""
    members: Members
    grid: Grid
    first: int = 0
    both_signs: bool = False

    def total(self) -> Int[np.ndarray, "candidate step"]:
        """Tokens of each feature's activations, by step; those where it is not active are left out."""
        return self._count(self.keys)

    def tagged(self, concept: int) -> Int[np.ndarray, "candidate step"]:
        """Tokens tagged with a concept, likewise."""
        return self._count(self.keys[self.members[concept]])

    def _count(self, keys: Int[np.ndarray, "some slot"]) -> Int[np.ndarray, "candidate step"]:
        cells = len(self.grid.low) * STEPS
        return np.bincount(keys.reshape(-1), minlength=cells).reshape(-1, STEPS)


@dataclass(frozen=True)
class Features:
    """The features of a dictionary, as active as its sparsifier leaves them."""

    dictionary: SparseAutoencoder
    site: str

    @torch.no_grad()
    def tallies(
        self, store: Activations, members: Members, n_tokens: int, advance: Advance
    ) -> Iterator[CodeTally]:
        """One tally; it keeps the codes of all tokens (8 bytes for each active feature of each token)."""
        batches = [self._encoded(x) for _, x in first_tokens(store, self.site, n_tokens, advance)]
        slots = max(codes.values.shape[1] for codes in batches)
        values = np.zeros((sum(len(codes.values) for codes in batches), slots), np.float32)
        features = np.zeros(values.shape, np.int32)
        start = 0
        for codes in batches:
            rows = slice(start, start := start + len(codes.values))
            values[rows, : codes.values.shape[1]] = codes.values.numpy()
            features[rows, : codes.values.shape[1]] = codes.indices.numpy()
        largest = np.zeros(self.dictionary.n_features, np.float32)
        np.maximum.at(largest, features.reshape(-1), values.reshape(-1))
        step = np.where(largest > 0, largest, 1) / (STEPS - 1)
        steps = np.minimum(np.ceil(values / step[features]), STEPS - 1).astype(np.int32)
        yield CodeTally(features * STEPS + steps, members, Grid(np.zeros_like(step), step))

    @torch.no_grad()
    def read(
        self, x: Float[Tensor, "batch d_model"], chosen: Int[Tensor, " chosen"]
    ) -> Float[Tensor, "batch chosen"]:
        """Activations of the chosen features."""
        return self._encoded(x).select(chosen)

    def _encoded(self, x: Float[Tensor, "batch d_model"]) -> SparseCodes:
        codes = self.dictionary.sparse_encode(x.to(self.dictionary.bias.device))
        return SparseCodes(codes.values.cpu(), codes.indices.cpu())


@dataclass(frozen=True)
class UnitTally:
    """Counts of some coordinates, made from all their readings when asked; either sign may mark a concept."""

    steps: UInt8[np.ndarray, "unit token"]
    """Which step each reading falls in."""
    members: Members
    grid: Grid
    first: int
    both_signs: bool = True

    def total(self) -> Int[np.ndarray, "candidate step"]:
        """Tokens of each coordinate's readings, by step."""
        return self._count(self.steps)

    def tagged(self, concept: int) -> Int[np.ndarray, "candidate step"]:
        """Tokens tagged with a concept, likewise."""
        return self._count(self.steps[:, self.members[concept]])

    def _count(self, steps: UInt8[np.ndarray, "unit some"]) -> Int[np.ndarray, "unit step"]:
        return np.stack([np.bincount(unit, minlength=STEPS) for unit in steps])


@dataclass(frozen=True)
class Units:
    """The coordinates of a site, or of a rotation of it; not made sparse, which favours them."""

    site: str
    seed: int
    """Draws the sample that tells each coordinate's range."""
    rotation: Float[Tensor, "d_model unit"] | None = None
    """Columns are the directions to read; None: the coordinates themselves."""

    def tallies(
        self, store: Activations, members: Members, n_tokens: int, advance: Advance
    ) -> Iterator[UnitTally]:
        """A tally for every ``UNITS_AT_ONCE`` coordinates, each made by one pass over the store."""
        low, step = self._range(store)
        for first in range(0, len(low), UNITS_AT_ONCE):
            block = slice(first, first + UNITS_AT_ONCE)
            steps = np.empty((len(low[block]), n_tokens), np.uint8)
            start = 0
            for _, x in first_tokens(store, self.site, n_tokens, advance):
                scaled = (self._rotated(x)[:, block] - low[block]).div_(step[block])
                steps[:, start : start + len(x)] = (
                    scaled.ceil_().clamp_(0, STEPS - 1).byte().T.contiguous().numpy()
                )
                start += len(x)
            yield UnitTally(steps[:, :start], members, Grid(low[block].numpy(), step[block].numpy()), first)

    def read(
        self, x: Float[Tensor, "batch d_model"], chosen: Int[Tensor, " chosen"]
    ) -> Float[Tensor, "batch chosen"]:
        """Values of the chosen coordinates."""
        return x[:, chosen] if self.rotation is None else x @ self.rotation[:, chosen]

    def _rotated(self, x: Float[Tensor, "batch d_model"]) -> Float[Tensor, "batch unit"]:
        return x if self.rotation is None else x @ self.rotation

    def _range(self, store: Activations) -> tuple[Float[Tensor, " unit"], Float[Tensor, " unit"]]:
        """Lowest threshold and distance between thresholds of each coordinate."""
        sample = self._rotated(store.sample(self.site, SAMPLE, self.seed))
        outside = int(TAIL * len(sample))
        ends = [outside, len(sample) - 1 - outside]
        ordered = np.partition(sample.T.contiguous().numpy(), ends, axis=1)
        low, high = torch.from_numpy(ordered[:, ends]).unbind(1)
        return low, torch.where(high > low, high - low, 1.0) / (STEPS - 2)
