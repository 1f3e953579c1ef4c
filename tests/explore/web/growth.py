"""What the made-up server says of how features come about: in training, and from one width to the next."""

from typing import Any

import numpy as np

from explore import fake

HOSTILE_FEATURE = 7
"""Some of its kin have labels that were written to break the page."""
WIDTHS = (128, 512, 2048, 8192)
"""Features of the dictionaries beside each other; the second is the run's own."""


def label(number: int) -> str:
    """What a feature of any width is called."""
    words = list(fake.TOPICS.values())[number % len(fake.TOPICS)]
    return f"{', '.join(words[:3])} (41 % of activation); near {words[3]}"


def kin(number: int, similarity: float | None) -> dict[str, Any]:
    """A feature of some width."""
    return {"feature": number, "label": label(number), "similarity": similarity}


def lineage(feature: int) -> list[dict[str, Any]]:
    """It came from one, with two beside it, and became three and then many; of each forty the last ten have no kin."""
    if feature % 40 >= 30:
        return []
    columns = [
        [kin(feature // 4, None)],
        [kin(feature + 101, 0.93), kin(feature, 0.84), kin(feature + 202, 0.61)],
        [kin(4 * feature + place, 0.8 - place / 10) for place in range(3)],
        [kin(16 * feature + place, 0.9 - place / 40) for place in range(24)],
    ]
    if feature == HOSTILE_FEATURE:
        for each, text in zip(columns[3], fake.HOSTILE, strict=False):
            each["label"] = text
    return [
        {"width": width, "own": width == WIDTHS[1], "features": features}
        for width, features in zip(WIDTHS, columns, strict=True)
    ]


def forming(snapshots: int) -> dict[str, Any]:
    """A feature at so many checkpoints: silent at the first, then on ever fewer topics."""
    generator = np.random.default_rng(5)
    return {
        "feature": 312 if snapshots else None,
        "snapshots": [snapshot(place, generator) for place in range(snapshots)],
    }


def snapshot(place: int, generator: np.random.Generator) -> dict[str, Any]:
    """The feature at one checkpoint."""
    topics = list(fake.TOPICS)
    texts = [forming_text(topics[each % max(1, 5 - place)], 3.0 * place, generator) for each in range(4)]
    return {
        "tokens": 400_000 * (place + 1) ** 2,
        "active": 8000 // place**2 if place else 0,
        "looked_at": 20_000,
        "fvu": 0.5 / (place + 1) if place else None,
        "texts": texts if place else [],
    }


def forming_text(topic: str, peak: float, generator: np.random.Generator) -> dict[str, Any]:
    """A text on which it fires, with a token that was written to break the page."""
    made = fake.example("top", peak, topic, generator)
    made["tokens"][3] = fake.HOSTILE[0]
    return {"tokens": made["tokens"], "activations": made["activations"], "peak": 16}
