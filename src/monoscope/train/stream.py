"""Where training activations come from: anything that can say its batches again."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from monoscope.dictionaries.scaling import Moments
from monoscope.errors import WrongUse


@runtime_checkable
class Stream(Protocol):
    """Activations of one site, shuffled, without end.

    ``batches`` is a pure function of its arguments: the batch of number ``n`` is the same whether the
    stream was begun at 0 or at ``n``. That, and nothing else, is what makes a resumed training run equal an
    uninterrupted one.
    """

    @property
    def d_model(self) -> int:
        """How many numbers an activation has."""
        ...

    def batches(self, size: int, *, seed: int, start: int = 0) -> Iterator[Float[Tensor, "batch d_model"]]:
        """Batches of ``size`` activations, from number ``start`` on."""
        ...

    def sample(self, n: int, seed: int) -> Float[Tensor, "sampled d_model"]:
        """``n`` activations, or all there are when they are fewer."""
        ...


@runtime_checkable
class Store(Protocol):
    """What an activation store offers: a stream for each of its sites, and where it came from."""

    @property
    def site_names(self) -> Sequence[str]:
        """The sites that it has."""
        ...

    @property
    def hash(self) -> str:
        """Its content hash."""
        ...

    @property
    def model_hash(self) -> str:
        """Content hash of the model it was harvested from."""
        ...

    def stream(self, site: str) -> Stream:
        """The activations of one site."""
        ...

    def statistics(self, site: str) -> Moments:
        """Their mean and mean squared norm."""
        ...


Batch = Tensor | tuple[Tensor, Tensor]
"""Activations to reconstruct, or what is read and what should be written."""


@dataclass(frozen=True)
class PairStream:
    """What is read beside what should be written: a transcoder's (2406.11944) MLP input and output.

    Both streams must tell of the same tokens in the same order, as two sites of one store do.
    """

    reading: "Stream"
    """What the dictionary reads."""
    writing: "Stream"
    """What it should write."""

    @property
    def d_model(self) -> int:
        """Width of what is read."""
        return self.reading.d_model

    @property
    def d_out(self) -> int:
        """Width of what should be written."""
        return self.writing.d_model

    def batches(self, size: int, *, seed: int, start: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """Batches of both."""
        both = (stream.batches(size, seed=seed, start=start) for stream in (self.reading, self.writing))
        return zip(*both, strict=True)

    def sample(self, n: int, seed: int) -> Float[Tensor, "sampled d_model"]:
        """Activations that are read."""
        return self.reading.sample(n, seed)


@dataclass(frozen=True)
class JoinedStream:
    """Several sites, or models, side by side: a crosscoder's (Lindsey et al. 2024) activations."""

    streams: tuple["Stream", ...]
    """One for each site, of the same tokens in the same order."""

    @property
    def parts(self) -> tuple[int, ...]:
        """Their widths."""
        return tuple(stream.d_model for stream in self.streams)

    @property
    def d_model(self) -> int:
        """The width of all together."""
        return sum(self.parts)

    def batches(self, size: int, *, seed: int, start: int = 0) -> Iterator[Float[Tensor, "batch d_model"]]:
        """Batches of all, joined."""
        each = (stream.batches(size, seed=seed, start=start) for stream in self.streams)
        return (torch.cat(parts, dim=1) for parts in zip(*each, strict=True))

    def sample(self, n: int, seed: int) -> Float[Tensor, "sampled d_model"]:
        """Activations of all, joined."""
        return torch.cat([stream.sample(n, seed) for stream in self.streams], dim=1)


class TensorStream:
    """A stream over activations that are in memory, each epoch in another order."""

    def __init__(self, x: Float[Tensor, "rows d_model"]) -> None:
        if not len(x):
            raise WrongUse("a stream of no activations cannot be trained on", "give at least one row")
        self.x = x
        self.d_model = x.shape[1]

    def batches(self, size: int, *, seed: int, start: int = 0) -> Iterator[Float[Tensor, "batch d_model"]]:
        """Batches of ``size`` rows; epochs follow one another without a gap, so that a batch may span two."""
        position, epoch, order = start * size, -1, torch.empty(0, dtype=torch.int64)
        while True:
            parts, missing = [], size
            while missing:
                if position // len(self.x) != epoch:
                    epoch = position // len(self.x)
                    order = permutation(len(self.x), seed, epoch)
                rows = order[position % len(self.x) :][:missing]
                parts.append(self.x[rows])
                position += len(rows)
                missing -= len(rows)
            yield torch.cat(parts)

    def sample(self, n: int, seed: int) -> Float[Tensor, "sampled d_model"]:
        """``n`` rows, or all of them when they are fewer."""
        return self.x[permutation(len(self.x), seed, 0)[:n]]


def permutation(n: int, seed: int, epoch: int) -> Tensor:
    """An order of ``n`` rows that depends on the seed and the epoch alone."""
    mixed = int(torch.randint(2**62, (1,), generator=torch.Generator().manual_seed(seed))) + epoch
    return torch.randperm(n, generator=torch.Generator().manual_seed(mixed))


def stream_of(source: Stream | PairStream | Store, site: str) -> tuple[Stream | PairStream, str]:
    """The stream of ``site``, and the site's name; a store of one site needs no name.

    Raises:
        WrongUse: the store holds several sites and none was named.
    """
    if not isinstance(source, Store):
        return source, site
    if not site and len(source.site_names) != 1:
        raise WrongUse(
            f"these activations are of {len(source.site_names)} sites, and none was named",
            f"give one of {', '.join(source.site_names)}",
        )
    name = site or source.site_names[0]
    return source.stream(name), name
