"""The index as the feature files of attribution graphs, which circuit-tracer's page reads by byte ranges.

::

    features/index.json.gz    {layer: {"filename": ..., "offsets": [n + 1 places]}}
    features/layer_L.bin      records end to end: the length of what follows, as 32 bits, little-endian, and one
                              feature's JSON in gzip

A feature that never fired has no record: its place is that of the next. Where the folder lies on the Hugging Face
hub, or on any host with range requests, a graph whose ``scan`` names it shows its features' examples.
"""

import gzip
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from monoscope.explore.export.source import Advance, Features, Origin, as_json, cards_of, linear_counts
from monoscope.manifest import Manifest, write_manifest

BARS = 50
"""Bars of a feature's histogram."""
LOGITS = 10
"""Tokens listed of those that a feature promotes, and of those it suppresses."""


def write_circuit_tracer(
    features: Features, folder: Path, advance: Advance = lambda done, total: None
) -> Manifest:
    """Write index and records.

    Args:
        features: the index.
        folder: an empty folder.
        advance: told of features written.

    Returns:
        The manifest, which is written last.
    """
    origin = Origin.of(features)
    place = folder / "features"
    place.mkdir(parents=True)
    intervals = int(features.manifest.options.get("intervals", 0)) or 1
    name = f"layer_{origin.layer}.bin"
    offsets = [0]
    with (place / name).open("wb") as file:
        for card in cards_of(features, advance):
            if card["n_active"]:
                packed = gzip.compress(as_json(detail(card, origin, intervals)), 6, mtime=0)
                file.write(struct.pack("<I", len(packed)) + packed)
            offsets.append(file.tell())
    index = {str(origin.layer): {"filename": name, "offsets": offsets}}
    (place / "index.json.gz").write_bytes(gzip.compress(as_json(index), 6, mtime=0))
    content = {"format": "circuit-tracer", "address": origin.address, "n_features": features.n_features}
    made_from = {"features": features.manifest.hash}
    return write_manifest(folder, Manifest(kind="export", parents=made_from, content=content))


def detail(card: Mapping[str, Any], origin: Origin, intervals: int) -> dict[str, Any]:
    """One feature's record; every kind of example is one group of it, in the order of the index."""
    groups: dict[str, list[dict[str, Any]]] = {}
    starts: set[int] = set()
    for example in card["examples"]:
        groups.setdefault(example["kind"], []).append(
            {
                "tokens": example["tokens"],
                "tokens_acts_list": example["activations"],
                "train_token_ind": example["position"] - example["start"],
                "is_repeated_datapoint": example["start"] in starts,
            }
        )
        starts.add(example["start"])
    largest = card["max_activation"]
    histogram = linear_counts(card["histogram"], np.linspace(0.0, largest, BARS + 1))
    return {
        "index": cantor(origin.layer, card["feature"]),
        "examples_quantiles": [
            {"quantile_name": "Top activations" if kind == "top" else kind.capitalize(), "examples": examples}
            for kind, examples in groups.items()
        ],
        "top_logits": [each["text"] for each in card["promoted"][:LOGITS]],
        "bottom_logits": [each["text"] for each in card["suppressed"][:LOGITS]],
        "act_min": 0.0,
        "act_max": largest,
        "quantile_values": np.linspace(0.0, largest, intervals + 1).tolist(),
        "histogram": [round(float(each), 2) for each in histogram],
        "activation_frequency": card["density"],
        "transcoder_id": origin.address,
    }


def cantor(layer: int, feature: int) -> int:
    """One number for layer l and feature f: ``(l + f)(l + f + 1) / 2 + f``."""
    return (layer + feature) * (layer + feature + 1) // 2 + feature
