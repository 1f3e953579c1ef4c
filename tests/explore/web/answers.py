"""What the API of the made-up server answers."""

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np

from explore import fake
from explore.web.growth import forming, lineage
from explore.web.tour import tour

HOSTILE = [*fake.HOSTILE, "\x00\u200b\ufeff", "\u202eevil\u2066", "<b>bold</b>"]
"""Texts that were written to break the page."""
HOSTILE_FEATURE = 7
SILENT_FEATURE = 39
"""As :func:`explore.fake.card` has it: one in forty."""


class Refusal(Exception):
    """What the API refuses, with its status, sentence and hint."""

    def __init__(self, status: int, message: str, hint: str | None, code: str = "refused") -> None:
        super().__init__(message)
        self.status, self.hint, self.code = status, hint, code


COMPLETED = {"brid": "bridge"}
"""Words that are completed while they are typed."""


@dataclass
class Answers:
    """What the API says."""

    n_features: int = 100_000
    status: str = "complete"
    dictionary: str = "050021ad568b316c"
    has_index: bool = True
    snapshots: int = 0
    """Checkpoints of the training at which one feature was looked at."""
    evaluation: dict[str, Any] | None = None
    tour: dict[str, Any] = field(default_factory=tour)
    seconds: dict[str, float] = field(default_factory=dict)
    """Text of a search -> how long its answer takes."""
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    """Paths and parameters of the requests so far."""

    def answer(self, path: str, asked: dict[str, str]) -> dict[str, Any] | bytes:
        """The answer to a request: JSON, or the bytes of a file.

        Raises:
            Refusal: it is refused.
        """
        if path == "run":
            return self.run()
        if path == "forming":
            return forming(self.snapshots)
        if path == "training":
            return {"points": training(), "running": self.status == "running"}
        if path == "tour":
            return self.tour
        if path == "evaluation" and self.evaluation is not None:
            return self.evaluation
        if path.startswith("features") and not self.has_index:
            raise Refusal(404, "the run has no index yet: it is made after the dictionary", None)
        if path == "features":
            return self.features(asked)
        if found := re.fullmatch(r"features/(\d+)", path):
            return self.record(int(found.group(1)))
        raise Refusal(404, f"there is no {path} here", None)

    def map(self) -> bytes | None:
        """The map's bytes; none while it is being drawn.

        Raises:
            Refusal: there is none.
        """
        raise Refusal(404, "there is no map here", None)

    def made(self, path: str, body: dict[str, Any]) -> dict[str, Any] | Iterator[str]:
        """The answer to a question with a body, or the events of one that is written bit by bit.

        Raises:
            Refusal: it is refused.
        """
        raise Refusal(404, f"there is no {path} here", None)

    def run(self) -> dict[str, Any]:
        done = self.status == "complete"
        return {
            "name": "runs/story <b>teller</b>",
            "address": "builtin/blocks.2.resid_post/4f2a91c07b13",
            "status": self.status,
            "site": "blocks.2.resid_post",
            "model": {"name": "builtin", "hash": "775724beb7a78a6e"},
            "dictionary": {
                "n_features": self.n_features,
                "sparsifier": "topk",
                "k": 16,
                "d_model": 256,
                "hash": self.dictionary,
            },
            "corpus": "builtin",
            "n_tokens": 2_000_000,
            "seed": 0,
            "stages": [
                {"name": "harvest", "seconds": 54.4, "done": True},
                {"name": "train", "seconds": 127.1 if done else None, "done": done},
                {"name": "index", "seconds": 3635.0 if done else None, "done": done},
            ],
            "has": {
                "index": self.has_index,
                "labels": True,
                "evaluation": self.evaluation is not None,
                "model": True,
                "glimpse": True,
            },
            "showcase": {"feature": 12, "topic": "golden_gate_bridge"} if self.has_index else None,
            "presets": [],
            "strengths": {"13": 0.5},
            "vectors": [],
        }

    def features(self, asked: dict[str, str]) -> dict[str, Any]:
        time.sleep(self.seconds.get(asked.get("q", ""), 0.0))
        word = asked.get("q", "")
        rows = ordered(asked.get("where", ""), word, asked.get("sort", "-density"), self.n_features)
        offset, limit = int(asked.get("offset", 0)), int(asked.get("limit", 100))
        found = [row(each) for each in rows[offset : offset + limit]]
        if word:
            found = [{**each, "score": 12.5, "why": f"fires on {word}"} for each in found]
        return {
            "total": len(rows),
            "more": word == "bee",
            "searched": COMPLETED.get(word, word),
            "rows": found,
        }

    def record(self, feature: int) -> dict[str, Any]:
        if feature >= self.n_features:
            raise Refusal(404, f"there is no feature {feature}", f"the last one is {self.n_features - 1}")
        silent = [each % 40 == SILENT_FEATURE for each in (feature - 1, feature + 1)]
        beside = {"previous": feature - 1 - silent[0] if feature else None, "next": feature + 1 + silent[1]}
        return record(feature) | {"n_features": self.n_features} | beside


def description(feature: int) -> str:
    """What a row says of a feature."""
    if feature == HOSTILE_FEATURE:
        return "".join(HOSTILE)
    if feature % 40 == SILENT_FEATURE:
        return "never active on the indexed corpus"
    topic = list(fake.TOPICS)[feature % len(fake.TOPICS)]
    return f"{', '.join(fake.TOPICS[topic][:3])} (41 % of activation); near {fake.TOPICS[topic][3]}"


def row(feature: int) -> dict[str, Any]:
    """A row of the table."""
    silent = feature % 40 == SILENT_FEATURE
    density = 0.0 if silent else (1 + feature * 7919 % 9973) / 1e6
    return {
        "feature": feature,
        "description": description(feature),
        "density": density,
        "n_active": int(density * 2_000_000),
        "max_activation": 0.0 if silent else 20 + feature % 31 / 2,
        "mean_activation": 0.0 if silent else 5 + feature % 13 / 4,
        "score": None,
        "why": None,
    }


@cache
def ordered(where: str, word: str, sort: str, n_features: int) -> list[int]:
    """Features that a filter holds for and whose description holds a word, in that order."""
    numbers = chosen(where, n_features)
    if word:
        numbers = [each for each in numbers if word in description(each)]
    column = sort.removeprefix("-")
    if column == "score":
        return numbers
    return sorted(numbers, key=lambda each: row(each)[column], reverse=sort.startswith("-"))


def chosen(where: str, n_features: int) -> list[int]:
    """Features that a filter holds for, as far as this server reads filters."""
    parts = re.findall(r"feature\s*([<>=])\s*(\d+)", where)
    if where and not parts and "density" not in where and where != "alive":
        raise Refusal(400, f"{where!r} is no filter", 'for instance density<0.01 & description~"bridge"')
    if parts and all(sign == "=" for sign, _ in parts):
        return [int(number) for _, number in parts]
    low, high = 0, n_features
    for sign, number in parts:
        low, high = (max(low, int(number) + 1), high) if sign == ">" else (low, min(high, int(number)))
    silent = (lambda each: each % 40 == SILENT_FEATURE) if "alive" in where else (lambda _: False)
    return [each for each in range(low, high) if not silent(each)]


def record(feature: int) -> dict[str, Any]:
    """A feature's record, with effects, descriptions and patterns; one of them is hostile through and through."""
    generator = np.random.default_rng(feature)
    made = fake.card(feature, 300, generator) | {"lineage": lineage(feature)}
    if not made["n_active"]:
        return made
    made["examples"].append(fake.example("near miss", 0.0, "chess", generator))
    made["effects"] = [fake.effect(each, made, generator) for each in made["examples"][:3]]
    made["descriptions"] = [
        {"method": "tokens", "text": "bridge, towers", "scores": {"share": 0.41}},
        {
            "method": "planted",
            "kind": "passage",
            "text": "golden_gate",
            "scores": {"f1": 0.69, "precision": 0.9},
        },
    ]
    made["patterns"] = [{"text": "the [bridge]", "matches": 12, "active": 9}]
    if feature == HOSTILE_FEATURE:
        made["description"] = "".join(HOSTILE)
        made["address"] += HOSTILE[0]
        for each in made["examples"]:
            each["tokens"][: len(HOSTILE)] = HOSTILE
            each["activations"][: len(HOSTILE)] = [made["max_activation"] / 2] * len(HOSTILE)
        for each, text in zip(
            [*made["tokens"], *made["promoted"], *made["suppressed"]], HOSTILE * 9, strict=False
        ):
            each["text"] = text
        made["descriptions"] += [{"method": HOSTILE[0], "text": HOSTILE[0], "scores": {HOSTILE[1]: 0.5}}]
        made["patterns"] += [{"text": f"{HOSTILE[0]} [{HOSTILE[8]}]", "matches": 0, "active": 0}]
    return made


def training() -> list[dict[str, Any]]:
    """A dictionary that gets better."""
    steps = range(1, 41)
    return [
        {
            "tokens": 200_000 * step,
            "fvu": 0.12 + 0.2 / step,
            "l0": 16.0,
            "dead_share": 0.0,
            "loss": 30.0 + 40 / step,
        }
        for step in steps
    ]


def evaluation() -> dict[str, Any]:
    """Figures of the kind that a report card has."""
    values = {
        "fvu": (0.133, 0.623, 0.436, 0.371, 0.672, "fraction"),
        "l0": (16.0, 16.0, 16.0, 16.0, 16.0, "features per token"),
        "ce_recovered_mean": (0.959, 0.611, 0.673, 0.785, 0.615, "fraction"),
        "kl": (0.337, 2.759, 2.331, 1.546, 2.731, "nats per token"),
        "dead_share": (0.0, 0.0, 0.0, 0.0, 0.0, "fraction"),
        "shrinkage": (1.0, 1.007, 1.002, 1.016, 1.003, "ratio"),
        "new_measure": (-0.5, None, 0.2, None, 0.1, ""),
    }
    rows = [
        {
            "name": name,
            "value": ours,
            "interval": None if name == "dead_share" else [ours - 0.02, ours + 0.02],
            "unit": unit,
            "formula": "sum |x - x_hat|^2 / sum |x - mean(x)|^2",
            "misleads": "A few directions of large variance can make it small.",
            "baselines": {"neurons": neurons, "pca": pca, "ica": ica, "random": chance},
        }
        for name, (ours, neurons, pca, ica, chance, unit) in values.items()
    ]
    recovery = {
        "share_recovered": 0.7625,
        "share_neurons": 0.0375,
        "share_pca": 0.025,
        "share_random": 0.025,
        "n_concepts": 80,
        "intervals": {"share_recovered": [0.66, 0.85]},
    }
    return {"rows": rows, "recovery": recovery}
