import numpy as np
import pytest
import torch

from evaluate.memory import MemoryStore, token_rows
from monoscope.activations import ActivationStore
from monoscope.evaluate import stream
from monoscope.evaluate.stream import Activations, first_tokens


@pytest.mark.parametrize("n_tokens", [0, 1, 7, 8, 20, 1000])
def test_exactly_the_first_tokens_come_in_order(n_tokens: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "BATCH", 8)
    rows = token_rows(5, 9, {}, padding=2)
    store = MemoryStore(rows, {"s": torch.arange(45.0).unsqueeze(1)})
    done: list[int] = []
    read = list(first_tokens(store, "s", n_tokens, done.append))
    expected = np.flatnonzero(rows.usable.reshape(-1))[:n_tokens].tolist()
    assert [position for positions, _ in read for position in positions.tolist()] == expected
    assert [value for _, x in read for value in x[:, 0].tolist()] == expected
    assert sum(done) == len(expected)
    assert all(len(x) <= 8 for _, x in read)


def test_an_activation_store_has_all_that_evaluation_asks_for() -> None:
    members = {name for name in vars(Activations) if not name.startswith("_")}
    in_instances = {"rows", "n_tokens", "site_names", "hash", "model_hash"}
    assert members - in_instances == {"d_model", "statistics", "sequential", "sample"}
    assert all(callable(getattr(ActivationStore, name)) for name in members - in_instances)
