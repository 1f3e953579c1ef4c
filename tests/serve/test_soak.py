"""Memory under load does not grow."""

import gc
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from random import Random

import pytest

from serve.conftest import Running


def rounds(server: Running, live: list[int], n_rounds: int, seed: int) -> None:
    """Streams, whole answers, steerings, mistakes and clients that hang up."""

    def one(number: int) -> None:
        random = Random(number)
        with server.client() as client:
            told = client.completions.with_raw_response.create(
                model=server.served.lm.name,
                prompt=random.choice(["The old", "Fog comes in from the sea"]),
                max_tokens=random.randint(1, 40),
                stop=random.choice([None, ["e", "the"]]),
                logprobs=random.choice([None, 2]),
                seed=number,
                stream=random.random() < 0.7,
                extra_body={"steering": {"edits": [{"feature": random.choice(live), "clamp": 2}]}},
            )
            if random.random() < 0.2:
                told.http_response.close()

    with ThreadPoolExecutor(8) as callers:
        list(callers.map(one, range(seed, seed + n_rounds)))


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_memory_does_not_grow_under_load(server: Running, live: list[int]) -> None:
    rounds(server, live, 100, 0)
    assert server.idle()
    tracemalloc.start()
    try:
        held = []
        for part in range(3):
            rounds(server, live, 150, 1000 * (part + 1))
            assert server.idle()
            gc.collect()
            held.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    # What 150 requests leave behind: less than a kilobyte each would be seen.
    assert held[2] - held[1] < 100_000, held
    assert len(server.engine.decoder.texts) == 0
    assert not server.engine.writing
    assert not server.engine.waiting
