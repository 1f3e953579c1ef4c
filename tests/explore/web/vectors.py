"""A made-up model that learns control vectors: every answer of ``/api/vectors``."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from explore.web.answers import HOSTILE, HOSTILE_FEATURE, Refusal, description
from explore.web.model import Model, tokens_of

N_BLOCKS = 12
BEST = 6
BEGINNINGS = ["Once upon a time", "The old man", "One morning"]
SENTENCES = {1: "Everyone laughed.", -1: "Everyone wept."}


def block(number: int, measured: bool) -> dict[str, Any]:
    """What is known of the direction behind a block: the best in the middle."""
    accuracy = 0.55 + 0.4 * (1 - abs(number - BEST) / BEST)
    told = {
        "accuracy": accuracy,
        "low": accuracy - 0.15,
        "high": min(1.0, accuracy + 0.04),
        "random": 0.5 + 0.04 * (number % 3),
        "difference": 0.3 * accuracy,
        "explained": 0.1 * accuracy,
        "n_pairs": 24,
        "n_groups": 12,
    }
    return {
        "block": number,
        "length": 1.0,
        "norm": 3.5 + number if measured else None,
        "middle_half": 3 <= number <= 8,
        "reliability": told if measured else None,
    }


def vector(name: str, **parts: Any) -> dict[str, Any]:
    """A vector as the list has it; ``measured=False`` for one that was made elsewhere."""
    measured = parts.pop("measured", True)
    made = {
        "name": name,
        "hash": f"hash of {name}",
        "method": "mean_difference",
        "unit": "mean residual norm" if measured else "activation",
        "recommended": 0.25 if measured else None,
        "n_pairs": 120 if measured else None,
        "held_out": 0.2 if measured else None,
        "seed": 0 if measured else None,
        "best_block": BEST if measured else None,
        "blocks": [block(number, measured) for number in range(N_BLOCKS)],
    }
    return made | parts


def pairs_of(personas: dict[str, Any]) -> list[dict[str, str]]:
    """What personas come to before the beginnings."""
    sides = list(zip(personas["positive"], personas["negative"], strict=True))
    return [
        {
            "positive": personas["template"].replace("{persona}", one).replace("{suffix}", beginning),
            "negative": personas["template"].replace("{persona}", other).replace("{suffix}", beginning),
        }
        for beginning in BEGINNINGS
        for one, other in sides
    ]


@dataclass
class Vectors(Model):
    """Answers of a server whose run has vectors."""

    vectors: dict[str, dict[str, Any]] = field(
        default_factory=lambda: {
            "joy": vector("joy"),
            "made_elsewhere": vector("made_elsewhere", measured=False, method=HOSTILE[0]),
        }
    )
    pairs: dict[str, list[dict[str, str]]] = field(
        default_factory=lambda: {
            "joy": [{"positive": text, "negative": SENTENCES[-1]} for text in [SENTENCES[1], *HOSTILE]]
        }
    )

    def run(self) -> dict[str, Any]:
        return super().run() | {"vectors": sorted(self.vectors)}

    def answer(self, path: str, asked: dict[str, str]) -> dict[str, Any] | bytes:
        if path == "vectors":
            return {"vectors": [self.vectors[name] for name in sorted(self.vectors)]}
        if found := re.fullmatch(r"vectors/([^/]+)(/file)?", path):
            name = self.known(unquote(found.group(1)))
            if found.group(2):
                return f"{name} {asked['format']} {asked.get('strength')}".encode()
            return self.vectors[name] | {"pairs": self.pairs.get(name), "made_of": self.made_of(name)}
        return super().answer(path, asked)

    def made(self, path: str, body: dict[str, Any]) -> dict[str, Any] | Iterator[str]:
        if path == "vectors":
            self.questions.append((path, body))
            return self.learnt(body)
        if found := re.fullmatch(r"vectors/([^/]+)/reading", path):
            self.questions.append((path, body))
            return self.reading(self.known(unquote(found.group(1))), body)
        return super().made(path, body)

    def known(self, name: str) -> str:
        if name not in self.vectors:
            raise Refusal(404, f"there is no vector {name}", "the list has those that there are")
        return name

    def learnt(self, body: dict[str, Any]) -> dict[str, Any]:
        name = body["name"]
        if not re.fullmatch(r"\w[\w.-]*", name) or name.isdigit():
            raise Refusal(400, f"{name} is no name", "give one word")
        if name in self.vectors and not body["overwrite"]:
            raise Refusal(400, f"there is a vector {name} already", "replace it", code="exists")
        self.pairs[name] = body["pairs"] or pairs_of(body["personas"])
        n_pairs = len(self.pairs[name])
        again = f"hash of {name}, {len(self.questions)}"
        self.vectors[name] = vector(name, method=body["method"], n_pairs=n_pairs, hash=again)
        return self.vectors[name]

    def made_of(self, name: str) -> dict[str, Any] | None:
        if self.vectors[name]["best_block"] is None:
            return None
        features = [HOSTILE_FEATURE, 12, 40, 77]
        parts = [
            {
                "feature": each,
                "description": description(each) if each != 77 else None,
                "cosine": 0.6 * (-0.6) ** place,
                "coefficient": 0.5 * (-0.6) ** place,
                "explained": 0.3 + 0.05 * place,
            }
            for place, each in enumerate(features)
        ]
        return {"block": 2, "explained": 0.45, "chance": 0.06, "parts": parts}

    def reading(self, name: str, body: dict[str, Any]) -> dict[str, Any]:
        if body["text"] == "refused":
            raise Refusal(400, "the text does not fit the context", "give a shorter one")
        tokens = tokens_of(body["text"])
        scores = [
            0.1 * (place % 5 - 2) + (0.1 if "steered" in each else 0.0) for place, each in enumerate(tokens)
        ]
        return {"block": BEST if body["block"] is None else body["block"], "tokens": tokens, "scores": scores}
