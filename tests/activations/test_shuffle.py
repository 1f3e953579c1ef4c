"""Every number once an epoch, in another order each time, from a seed and a position alone."""

from itertools import islice

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from monoscope.activations import shuffle
from monoscope.activations.shuffle import shuffled


def first_numbers(n: int, size: int, count: int, seed: int = 3) -> np.ndarray:
    batches = islice(shuffled(n, size, seed=seed, start=0), -(-count // size))
    return np.concatenate(list(batches))[:count]


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of 8 numbers, 4 blocks mixed with each other: many groups from few numbers."""
    monkeypatch.setattr(shuffle, "BLOCK", 8)
    monkeypatch.setattr(shuffle, "GROUP", 4)


@given(n=some.integers(1, 2000), size=some.integers(1, 300), seed=some.integers(0, 2**40))
def test_each_epoch_holds_every_number_once(n: int, size: int, seed: int) -> None:
    numbers = first_numbers(n, size, 2 * n, seed)
    for epoch in (numbers[:n], numbers[n:]):
        assert np.array_equal(np.sort(epoch), np.arange(n))


@pytest.mark.parametrize(("n", "size"), [(1, 3), (7, 2), (32, 8), (100, 7), (1000, 64), (333, 400)])
@pytest.mark.usefixtures("small_blocks")
def test_groups_do_not_lose_or_repeat_numbers(n: int, size: int) -> None:
    numbers = first_numbers(n, size, 3 * n)
    for epoch in numbers.reshape(3, n):
        assert np.array_equal(np.sort(epoch), np.arange(n))


@given(n=some.integers(1, 500), size=some.integers(1, 200), start=some.integers(0, 40))
def test_a_later_start_is_the_same_stream(n: int, size: int, start: int) -> None:
    whole = list(islice(shuffled(n, size, seed=5, start=0), start + 3))
    later = list(islice(shuffled(n, size, seed=5, start=start), 3))
    assert np.array_equal(np.stack(whole[start:]), np.stack(later))


@pytest.mark.usefixtures("small_blocks")
def test_a_later_start_skips_whole_groups_and_epochs() -> None:
    whole = list(islice(shuffled(300, 7, seed=5, start=0), 150))
    for start in (1, 5, 42, 43, 86, 147):
        assert np.array_equal(next(shuffled(300, 7, seed=5, start=start)), whole[start])


def test_epochs_and_seeds_differ() -> None:
    numbers = first_numbers(10_000, 100, 20_000)
    other = first_numbers(10_000, 100, 10_000, seed=4)
    # Two independent permutations agree in about one place.
    assert np.count_nonzero(numbers[:10_000] == numbers[10_000:]) < 10
    assert np.count_nonzero(numbers[:10_000] == other) < 10


def test_up_to_a_group_the_order_is_uniform() -> None:
    numbers = first_numbers(100_000, 1000, 100_000)
    assert abs(np.corrcoef(numbers, np.arange(100_000))[0, 1]) < 0.02
    assert np.abs(np.diff(numbers)).mean() == pytest.approx(100_000 / 3, rel=0.02)


@pytest.mark.usefixtures("small_blocks")
def test_groups_are_equal_and_take_blocks_from_everywhere() -> None:
    # 17 blocks in groups of at most 4 make five groups of 3 or 4, not four of 4 and one of 1.
    numbers = first_numbers(17 * 8, 8, 17 * 8)
    blocks = numbers // 8
    assert len(set(blocks[-24:])) == 3
    assert len(set(blocks[:32])) == 4
    spread = [np.ptp(np.unique(first_numbers(8000, 8, 32, seed=seed) // 8)) for seed in range(20)]
    assert np.mean(spread) == pytest.approx(1000 * 3 / 5, rel=0.2)
