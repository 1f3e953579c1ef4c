"""The tables of counts, against counting every reading by hand."""

import numpy as np
import pytest
import torch

from evaluate.memory import MemoryStore
from evaluate.shifted import D, planted, sparse
from monoscope.dictionaries import ReLU, TopK
from monoscope.evaluate.candidates import STEPS, Candidates, Features, Tally, Units
from monoscope.evaluate.selection import above
from monoscope.evaluate.stream import unwatched
from monoscope.evaluate.tags import Tags

ROTATION = torch.linalg.qr(torch.randn(D, D, generator=torch.Generator().manual_seed(9))).Q
SOURCES = [
    (Features(sparse(TopK(4)), "s"), 20),
    (Features(sparse(ReLU()), "s"), 20),
    (Units("s", 0), D),
    (Units("s", 0, ROTATION), D),
]


def tallied(source: Candidates, store: MemoryStore) -> tuple[Tally, Tags]:
    tags = Tags.of(store.rows, 10**6)
    (tally,) = source.tallies(store, list(tags.members.values()), tags.n_tokens, unwatched)
    return tally, tags


@pytest.mark.parametrize(("source", "count"), SOURCES)
def test_the_tables_count_readings_above_every_threshold(source: Candidates, count: int) -> None:
    store = planted(6, 0.1)
    tally, tags = tallied(source, store)
    readings = source.read(store.usable("s"), torch.arange(count)).numpy()
    thresholds = np.array(
        [[tally.grid.threshold(each, number) for number in range(STEPS - 1)] for each in range(count)]
    )
    is_above = readings[..., None] > thresholds  # [token, candidate, threshold]
    tables = [(tally.total(), np.arange(tags.n_tokens))]
    tables += [(tally.tagged(number), members) for number, members in enumerate(tags.members.values())]
    for table, members in tables:
        assert table.shape == (count, STEPS)
        wrong = np.abs(above(table) - is_above[members].sum(0))
        # A reading that lies on a threshold may be rounded to either side of it.
        assert wrong.max() <= 1
        assert (wrong > 0).mean() < 0.01


@pytest.mark.parametrize(("source", "count"), SOURCES[:2])
def test_the_lowest_threshold_of_a_feature_is_zero(source: Features, count: int) -> None:
    store = planted(7, 0.1)
    tally, _ = tallied(source, store)
    codes = source.dictionary.encode(store.usable("s")).numpy()
    assert [tally.grid.threshold(each, 0) for each in range(count)] == [0.0] * count
    assert above(tally.total())[:, 0].tolist() == (codes > 0).sum(0).tolist()


@pytest.mark.parametrize(("source", "count"), SOURCES[2:])
def test_every_token_of_a_unit_is_counted_once(source: Units, count: int) -> None:
    tally, tags = tallied(source, planted(8, 0.1))
    assert tally.total().sum(1).tolist() == [tags.n_tokens] * count


def test_only_the_first_tokens_are_counted() -> None:
    store = planted(9, 0.1)
    for source in (Features(sparse(TopK(4)), "s"), Units("s", 0)):
        done: list[int] = []
        (tally,) = source.tallies(store, [np.array([0, 99])], 100, done.append)
        readings = source.read(store.usable("s")[:100], torch.arange(D)).numpy()
        assert sum(done) == 100
        assert above(tally.total())[:D, 0].tolist() == pytest.approx(
            (readings > [tally.grid.threshold(each, 0) for each in range(D)]).sum(0).tolist(), abs=1
        )


def test_readings_are_columns_of_the_codes_or_of_the_rotated_activations() -> None:
    store, chosen = planted(10, 0.1), torch.tensor([3, 0, 3])
    x = store.usable("s")
    features = Features(sparse(TopK(4)), "s")
    assert torch.allclose(features.read(x, chosen), features.dictionary.encode(x)[:, chosen])
    assert torch.equal(Units("s", 0).read(x, chosen), x[:, chosen])
    assert torch.allclose(Units("s", 0, ROTATION).read(x, chosen), (x @ ROTATION)[:, chosen], atol=1e-6)
