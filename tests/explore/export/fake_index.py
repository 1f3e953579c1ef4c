"""A made-up index, answering as a real one does, and features of a corpus that was written to break pages."""

import gzip
import json
import struct
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from explore import fake
from monoscope.manifest import Manifest

HOSTILE = (
    *fake.HOSTILE,
    "nul\0nul",
    "\x1b[31m\x07\x08",
    "\u202eevil\u202c",
    "half \ud83d and \udc00 half",
    "emoji 🐧 whole",
    "x" * 100_000,
    "../../etc/passwd",
    "%2e%2e%2f #/feature/1",
)
"""What may stand in a corpus."""


class Card:
    """A record."""

    def __init__(self, content: dict[str, Any]) -> None:
        self._content = content

    def to_json(self) -> dict[str, Any]:
        return self._content


class FakeIndex:
    """Reads like ``FeatureIndex``."""

    def __init__(self, cards: list[dict[str, Any]]) -> None:
        self.cards = cards
        self.n_features = len(cards)
        self.manifest = Manifest(
            kind="features",
            hash="0123456789abcdef",
            options={"intervals": 4},
            content={
                "address": "some/builtin/blocks.2.resid_post/4f2a91c07b13",
                "n_tokens": 1_500_000,
                "n_alive": sum(card["n_active"] > 0 for card in cards),
                "context": 256,
            },
        )

    def record(self, feature: int) -> Card:
        return Card(self.cards[feature])

    def statistics(self) -> dict[str, np.ndarray]:
        return {
            name: np.array([card[name] for card in self.cards])
            for name in ("density", "max_activation", "n_active")
        }


def fake_index(n_features: int, seed: int = 0) -> FakeIndex:
    """Features of topics, one in forty silent, and among the last of them the hostile ones."""
    return FakeIndex(list(cards_of_topics(n_features, seed)))


def fake_labels(index: FakeIndex) -> dict[int, dict[str, Any]]:
    """Labels of one feature in three, and hostile ones of those with hostile records."""
    broken = [card for card in reversed(index.cards) if card["examples"]]
    return fake.labels_of(index.cards) | {
        card["feature"]: fake.hostile_label(card, text) for card, text in zip(broken, HOSTILE, strict=False)
    }


@cache
def cards_of_topics(n_features: int, seed: int) -> tuple[dict[str, Any], ...]:
    """Made once; not to be changed."""
    generator = np.random.default_rng(seed)
    cards = [fake.card(feature, n_features, generator, top=6) for feature in range(n_features)]
    for card, text in zip(reversed([card for card in cards if card["examples"]]), HOSTILE, strict=False):
        break_with(card, text)
    return tuple(cards)


def break_with(card: dict[str, Any], text: str) -> None:
    """Put a text wherever texts are."""
    card["description"] = f"{text}; promotes {text}"
    card["tokens"][0]["text"] = card["promoted"][0]["text"] = card["suppressed"][0]["text"] = text
    for example in card["examples"][:2]:
        example["tokens"][16] = text
        example["tokens"][3] = text


def offsets_of(folder: Path) -> list[int]:
    """Places of records."""
    raw = (folder / "offsets.bin").read_bytes()
    return list(struct.unpack(f"<{len(raw) // 8}Q", raw))


def read_records(folder: Path, layout: dict[str, Any]) -> list[Any]:
    """Every record, read by its range of bytes from the file that it lies in."""
    places, shards = offsets_of(folder), layout["shards"]
    assert len(places) == layout["records"] + 1
    found = []
    for start, end in pairwise(places):
        shard = max(number for number, begins in enumerate(shards) if begins <= start)
        with (folder / f"{shard:05}.bin").open("rb") as file:
            file.seek(start - shards[shard])
            packed = file.read(end - start)
        assert len(packed) == end - start
        found.append(json.loads(gzip.decompress(packed)))
    return found
