"""The first picture of a run, before anything is learnt: one of the model's own neurons, and all that it means."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from monoscope.activations import ActivationStore
from monoscope.models import LanguageModel, Site

TOKENS = 100_000
"""Tokens looked at, at most."""
ROWS = 6
"""Texts shown."""
CANDIDATES = 32
"""Largest activations kept of each neuron, from which texts of different documents are taken."""
BEFORE, AFTER = 16, 8
"""Tokens shown on either side of the largest."""


@dataclass(frozen=True)
class Strongest:
    """The largest activations of every neuron."""

    values: Float[Tensor, "kept width"]
    """Largest first."""
    positions: Int[Tensor, "kept width"]
    """Their flat positions in the rows of text."""
    n_tokens: int
    """Tokens looked at."""


def glimpse(lm: LanguageModel, store: ActivationStore, site: Site) -> dict[str, Any]:
    """One neuron's strongest texts, each from another document.

    The neuron is the one whose strongest texts differ most: by the number of different words that they peak on, then
    by the number of different concepts where the text is tagged, then by its number.

    Args:
        lm: the model.
        store: activations of the neurons.
        site: the neurons' site.

    Returns:
        ``title``, ``text`` and ``rows`` as :mod:`monoscope.explore.report` takes them, and ``neuron``, its number, with
        ``block``, ``n_neurons`` (those of the block) and ``n_tokens`` (those looked at).
    """
    strongest = largest_activations(store, site)
    documents = store.rows.document_ids.reshape(-1)
    peaks = [distinct(places, documents)[:ROWS] for places in strongest.positions.T.numpy()]
    words = dict(enumerate(lm.vocabulary_strings()))
    tokens = store.rows.tokens.reshape(-1)
    concepts = concept_numbers(store)

    def variety(neuron: int) -> tuple[int, int, int]:
        texts = {words[int(tokens[place])].strip().casefold() for place in peaks[neuron]}
        meant = {int(concepts[place]) for place in peaks[neuron]} - {-1}
        return sum(text.isalpha() and len(text) > 2 for text in texts), len(meant), -neuron

    live = [neuron for neuron in range(len(peaks)) if float(strongest.values[0, neuron]) > 0]
    neuron = max(live, key=variety, default=0)
    values = readings(store, site, neuron, strongest.n_tokens)
    rows = [window(lm, store, place, values) for place in peaks[neuron]]
    return {
        "neuron": neuron,
        "block": site.block,
        "n_neurons": len(peaks),
        "n_tokens": strongest.n_tokens,
        "title": f"Neuron {neuron} of block {site.block}",
        "text": (
            f"Its strongest texts among {strongest.n_tokens:,} tokens, each from another document. Of the block's "
            f"{len(peaks):,} neurons it is the one whose strongest texts peak on the most different words."
        ),
        "rows": rows,
    }


def largest_activations(store: ActivationStore, site: Site) -> Strongest:
    """The largest activations of every neuron over the first tokens of a store."""
    values = positions = None
    seen = 0
    for places, x in store.sequential(site, 8192):
        if seen >= TOKENS:
            break
        seen += len(x)
        flat = torch.from_numpy(places)[:, None].expand_as(x)
        joined = x if values is None else torch.cat([values, x])
        where = flat if positions is None else torch.cat([positions, flat])
        top = joined.topk(min(CANDIDATES, len(joined)), dim=0)
        values, positions = top.values, where.gather(0, top.indices)
    assert values is not None, "a store holds at least one token"
    assert positions is not None
    return Strongest(values, positions, seen)


def distinct(places: Int[np.ndarray, " kept"], documents: Int[np.ndarray, " position"]) -> list[int]:
    """The first place in each document, in their order."""
    first: dict[int, int] = {}
    for place in places.tolist():
        first.setdefault(int(documents[place]), place)
    return list(first.values())


def concept_numbers(store: ActivationStore) -> Int[np.ndarray, " position"]:
    """A concept of the passage that each position is in; -1 outside of all."""
    numbers = np.full(store.rows.tokens.size, -1, dtype=np.int64)
    places, concepts = store.rows.tags.get("passage", (np.empty(0, np.int64), np.empty(0, np.int16)))
    numbers[places] = concepts
    return numbers


def readings(
    store: ActivationStore, site: Site, neuron: int, n_tokens: int
) -> Float[np.ndarray, " position"]:
    """One neuron's activation at every position; 0 where it was not looked at."""
    values = np.zeros(store.rows.tokens.size, dtype=np.float32)
    seen = 0
    for places, x in store.sequential(site, 8192):
        if seen >= n_tokens:
            break
        values[places] = x[:, neuron].numpy()
        seen += len(x)
    return values


def window(
    lm: LanguageModel, store: ActivationStore, place: int, values: Float[np.ndarray, " position"]
) -> dict[str, Sequence[Any]]:
    """The text around a position, not beyond its row and document, and the neuron's activation on it."""
    row = place // store.rows.context
    low = max(place - BEFORE, row * store.rows.context)
    high = min(place + AFTER + 1, (row + 1) * store.rows.context)
    shown = np.arange(low, high)
    inside = (store.rows.document_ids.reshape(-1)[shown] == store.rows.document_ids.reshape(-1)[place]) & (
        store.rows.usable.reshape(-1)[shown]
    )
    shown = shown[inside]
    return {
        "tokens": lm.token_strings(store.rows.tokens.reshape(-1)[shown].astype(np.int64)),
        "values": [max(0.0, float(value)) for value in values[shown]],
    }
