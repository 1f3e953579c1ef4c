"""Activations of several sites at the same tokens."""

import numpy as np
import torch

from evaluate.memory import MemoryStore, token_rows
from monoscope.evaluate.analyses.readings import read_together
from monoscope.models import LanguageModel

SITES = ["blocks.1.resid_post", "blocks.0.mlp_hidden"]


def test_a_store_and_the_model_say_the_same(tiny_llama: LanguageModel) -> None:
    rows = token_rows(20, 9, {}, padding=3)
    found = tiny_llama.activations(torch.from_numpy(rows.tokens.astype(np.int64)), SITES)
    values = {str(site): x.flatten(0, 1) for site, x in found.items()}
    whole, lacking = MemoryStore(rows, values), MemoryStore(rows, {SITES[0]: values[SITES[0]]})
    for n_tokens in (10_000, 40):
        stored, run = (list(read_together(tiny_llama, store, SITES, n_tokens)) for store in (whole, lacking))
        places = np.concatenate([positions for positions, _ in run])
        assert np.array_equal(places, np.concatenate([positions for positions, _ in stored]))
        assert np.array_equal(places, np.flatnonzero(rows.usable.reshape(-1))[:n_tokens])
        for site in SITES:
            both = [torch.cat([x[site] for _, x in parts]) for parts in (stored, run)]
            assert torch.allclose(both[0], both[1], atol=1e-5)
