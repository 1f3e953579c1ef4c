import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from monoscope.features.grouping import falling, first_of_groups, run_starts, stable_order

KEYS = st.lists(st.integers(0, 5), max_size=40)
WIDE_KEYS = st.lists(st.sampled_from([0, 3, 2**40, 2**62 - 1]), max_size=40)


@given(KEYS | WIDE_KEYS)
def test_stable_order_is_that_of_a_stable_sort(keys: list[int]) -> None:
    array = np.array(keys, np.int64)
    assert np.array_equal(stable_order(array), np.argsort(array, kind="stable"))


@given(KEYS, st.integers(1, 4))
def test_first_of_groups_keeps_so_many_of_each(keys: list[int], size: int) -> None:
    groups = np.sort(np.array(keys, np.int64))
    kept = groups[first_of_groups(groups, size)]
    for group in range(6):
        assert np.count_nonzero(kept == group) == min(size, keys.count(group))
    assert len(run_starts(groups)) == len(set(keys))


@given(st.lists(st.floats(2.0**-100, 2.0**100, width=32), min_size=1, max_size=30))
def test_falling_sorts_as_the_negative_does(values: list[float]) -> None:
    array = np.array(values, np.float32)
    assert np.array_equal(array[np.argsort(falling(array), kind="stable")], np.sort(array)[::-1])
    assert falling(array).min() >= 0
    assert falling(array).max() < 2**32
