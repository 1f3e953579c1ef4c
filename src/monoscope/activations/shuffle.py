"""An endless shuffle of numbers, known from its seed and a position."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Int64

BLOCK = 256
"""Consecutive numbers that stay near each other: what the disk is asked for at once."""
GROUP = 4096
"""Blocks that are mixed with each other: about a million numbers."""


def shuffled(n: int, size: int, *, seed: int, start: int) -> Iterator[Int64[np.ndarray, " batch"]]:
    """Endless batches of ``size`` of the numbers 0 to n - 1, each exactly once in every epoch of n.

    Blocks of 256 consecutive numbers are put in random order; each run of up to 4096 blocks is then permuted
    number by number. Up to a million numbers this is a uniform permutation; above, it reads a disk in pieces
    that are worth a seek. A batch may hold the end of one epoch and the beginning of the next.

    The result depends on ``seed`` and ``start`` alone: ``start`` batches are skipped as if they had been
    taken.
    """
    epoch, skip = divmod(start * size, n)
    waiting = np.empty(0, dtype=np.int64)
    for group in _groups(n, seed, epoch, skip):
        waiting = np.concatenate([waiting, group])
        whole = len(waiting) - len(waiting) % size
        yield from waiting[:whole].reshape(-1, size)
        waiting = waiting[whole:]


def _groups(n: int, seed: int, epoch: int, skip: int) -> Iterator[Int64[np.ndarray, " group"]]:
    """The shuffled numbers from epoch ``epoch`` on, without its first ``skip``, a group at a time."""
    n_blocks = -(-n // BLOCK)
    while True:
        blocks = np.random.default_rng((seed, epoch, 0)).permutation(n_blocks)
        # Equal parts: a short last group would hardly be mixed.
        for number, members in enumerate(np.array_split(blocks, -(-n_blocks // GROUP)), start=1):
            count = int(np.minimum(n - members * BLOCK, BLOCK).sum())
            if skip < count:
                group = (members[:, None] * BLOCK + np.arange(BLOCK)).ravel()
                yield np.random.default_rng((seed, epoch, number)).permutation(group[group < n])[skip:]
            skip = max(skip - count, 0)
        epoch += 1
