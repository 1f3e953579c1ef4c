"""How well a feature's activity tells that a context is there."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int

from monoscope.evaluate.analyses.base import Material
from monoscope.evaluate.analyses.pairwise import pearson
from monoscope.evaluate.analyses.proxies_contexts import Context
from monoscope.evaluate.analyses.readings import read_together
from monoscope.evaluate.intervals import IntervalOptions, interval, resamples

STEPS = 20
"""Equal steps of the activation, from 0 to its largest, that tokens are counted in."""
FEW = 20
"""Active tokens below which deciles are not told."""


@torch.no_grad()
def activity(
    contexts: Sequence[Context], material: Material, neuron_site: str, n_tokens: int, options: IntervalOptions
) -> list[dict[str, Any]]:
    """What held-out text says of each context's feature, beside its neuron."""
    dictionary, store = material.dictionary, material.heldout
    features = torch.tensor([each.feature for each in contexts])
    neurons = torch.tensor([each.neuron for each in contexts])
    codes, readings, places = [], [], []
    for positions, x in read_together(material.lm, store, [dictionary.site, neuron_site], n_tokens):
        encoded = dictionary.sparse_encode(x[dictionary.site].to(dictionary.bias.device))
        codes.append(encoded.select(features.to(encoded.indices.device)).cpu().numpy())
        readings.append(x[neuron_site][:, neurons].numpy())
        places.append(positions)
    found, units, where = np.concatenate(codes), np.concatenate(readings), np.concatenate(places)
    records = []
    for column, each in enumerate(contexts):
        inside, neuron = each.heldout[where], np.sign(each.neuron_r) * units[:, column]
        gap = gap_interval(found[:, column], neuron, inside, where // store.rows.context, options)
        record = {"neuron_r": pearson(neuron, inside), "r_minus_neuron_r_interval": gap}
        records.append(told(found[:, column], inside) | record)
    return records


def gap_interval(
    codes: Float[np.ndarray, " token"],
    neuron: Float[np.ndarray, " token"],
    inside: Bool[np.ndarray, " token"],
    rows: Int[np.ndarray, " token"],
    options: IntervalOptions,
) -> list[float | None]:
    """[low, high] of the feature's r minus the neuron's, over rows of text that are drawn again."""
    names, place = np.unique(rows, return_inverse=True)
    weights = resamples(len(names), options)

    def total(values: Any) -> Float[np.ndarray, " draw"]:
        return weights @ np.bincount(place, np.asarray(values, np.float64), len(names))

    n, y = total(np.ones(len(rows))), total(inside)

    def r(x: Any) -> Float[np.ndarray, " draw"]:
        sums, squares, products = total(x), total(np.square(x, dtype=np.float64)), total(x * inside)
        spread = (squares / n - (sums / n) ** 2) * (y / n) * (1 - y / n)
        return (products / n - sums * y / n**2) / np.sqrt(spread)

    with np.errstate(divide="ignore", invalid="ignore"):
        return interval(r(codes) - r(neuron), options)


def told(codes: Float[np.ndarray, " token"], inside: Bool[np.ndarray, " token"]) -> dict[str, Any]:
    """Correlation, specificity and sensitivity of one feature and one context.

    ``precision`` is the share of active tokens in the context, ``recall`` the share of the context's tokens that are
    active, ``weighted_precision`` the share of the whole activation that lies in the context (what the expected-value
    view of Bricken et al. 2023 shows), and the halves and tenths are those of the active tokens, by activation.
    """
    active = codes > 0
    order = np.flatnonzero(active)[np.argsort(codes[active], kind="stable")]
    ranked = inside[order]
    tenths = [float(part.mean()) for part in np.array_split(ranked, 10)] if len(ranked) >= FEW else None
    largest = float(codes.max(initial=0.0))
    edges = np.linspace(0, largest if largest > 0 else 1.0, STEPS + 1)
    return {
        "r": pearson(codes, inside),
        "n_active": int(active.sum()),
        "n_inside": int(inside.sum()),
        "precision": share(inside[active]),
        "precision_top_half": share(ranked[len(ranked) // 2 :]),
        "precision_above_half_maximum": share(inside[codes > largest / 2]) if largest > 0 else None,
        "precision_by_tenth": tenths,
        "weighted_precision": float(codes[inside].sum() / codes.sum()) if active.any() else None,
        "recall": share(active[inside]),
        "edges": edges.round(4).tolist(),
        "tokens": np.histogram(codes[active], edges)[0].tolist(),
        "tokens_inside": np.histogram(codes[active & inside], edges)[0].tolist(),
    }


def share(flags: Bool[np.ndarray, " _"]) -> float | None:
    """Share of true ones; None of nothing."""
    return float(flags.mean()) if len(flags) else None
