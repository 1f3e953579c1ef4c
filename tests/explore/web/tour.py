"""What the made-up server has for the tour; some of it is hostile."""

from itertools import pairwise
from typing import Any

from explore import fake

HOSTILE = fake.HOSTILE[0]
WIDTHS = [256, 1024, 4096]
OWN = 1
"""Place of the run's own dictionary among the widths."""


def tour() -> dict[str, Any]:
    """Everything that a run can have for it."""
    return {
        "feature": 12,
        "neuron": neuron(),
        "splitting": splitting(),
        "universality": {
            "features": 0.84,
            "neurons": 0.31,
            "random": 0.12,
            "interval": [0.82, 0.86],
            "n_features": 950,
            "other": f"runs/seed-1 {HOSTILE}",
        },
        "showcase": {
            "feature": 12,
            "topic": "golden_gate_bridge",
            "strength": 2.5,
            "prompt": "The old man",
            "default": " sat by the fire.\nHe slept.",
            "steered": f" sat on the bridge {HOSTILE}",
        },
    }


def nothing() -> dict[str, Any]:
    """A run that has none of it."""
    return dict.fromkeys(tour())


def neuron() -> dict[str, Any]:
    """A neuron that fires on bread, on trains and on what was written to break the page."""
    rows = []
    for word in (" bread", " train", HOSTILE, " queen", " el"):
        tokens = [f" {each}" for each in fake.OTHERS[:12]] + [word] + [f" {each}" for each in fake.OTHERS[:9]]
        rows.append({"tokens": tokens, "values": [0.1] * 12 + [3.0] + [-0.1] * 9})
    return {"neuron": 113, "block": 2, "n_tokens": 200_000, "n_neurons": 1024, "rows": rows}


def splitting() -> dict[str, Any]:
    """A family in all three widths, and one that begins in the middle."""
    first = [
        [latent(3, None, 9000, "bridge, towers, cables")],
        [latent(12, 3, 5000, "bridge, fog"), latent(40, 3, 3000, HOSTILE)],
        [latent(100 + each, 12 if each % 3 else 40, 1000 - each, f"narrower {each}") for each in range(12)],
    ]
    second = [
        [],
        [latent(7, None, 800, "bread, oven")],
        [latent(9, 7, 500, "bread"), latent(10, 7, 300, "oven")],
    ]
    steps = [
        {
            "from_width": narrow,
            "to_width": wide,
            "links_per_feature": 1.42,
            "chance_links": 0.03,
            "split_share": 0.31,
            "new_share": None,
        }
        for narrow, wide in pairwise(WIDTHS)
    ]
    return {"widths": WIDTHS, "own": OWN, "trees": [first, second], "steps": steps}


def latent(feature: int, parent: int | None, active: int, label: str) -> dict[str, Any]:
    """A latent of a family."""
    return {"feature": feature, "parent": parent, "active": active, "label": label}
