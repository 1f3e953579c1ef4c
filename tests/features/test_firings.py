import numpy as np
import pytest

from features.planted_world import CONTEXT, SITE, World
from monoscope.features.firings import stream_firings


@pytest.mark.parametrize(("batch", "entries"), [(4096, 1 << 20), (7, 1), (16, 200), (1, 50)])
def test_every_firing_comes_once_and_rows_stay_whole(world: World, batch: int, entries: int) -> None:
    dense, rows, n_tokens = np.zeros_like(world.codes), [], 0
    for item in stream_firings(world.dictionary, world.store, batch=batch, entries=entries):
        assert (np.diff(item.keys) > 0).all()
        dense[item.positions, item.features] += item.values
        rows.append(set((item.positions // CONTEXT).tolist()))
        n_tokens += item.n_tokens
    assert dense == pytest.approx(world.codes, abs=1e-6)
    assert n_tokens == world.store.n_tokens
    assert sum(len(part) for part in rows) == len(set.union(*rows))
    assert (len(rows) > 10) == (entries < 100)


def test_windows_are_read_from_the_codes(world: World) -> None:
    (item,) = stream_firings(world.dictionary, world.store)
    features = np.array([0, 1, 1])
    where = np.array([[5, 6, 7], [0, 1, 2], [40, 41, 42]])
    inside = np.array([[True, True, True], [False, True, True], [True, False, True]])
    expected = np.where(inside, world.codes[where, features[:, None]], 0)
    assert item.at(features, where, inside) == pytest.approx(expected, abs=1e-6)


def test_the_progress_is_in_tokens(world: World) -> None:
    seen: list[tuple[int, int]] = []
    list(stream_firings(world.dictionary, world.store, batch=100, progress=lambda *step: seen.append(step)))
    assert seen[0] == (100, world.store.n_tokens)
    assert seen[-1] == (world.store.n_tokens, world.store.n_tokens)
    assert len(seen) == len(list(world.store.sequential(SITE, 100)))
