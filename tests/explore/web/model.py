"""A made-up model for the screens that ask one: it reads, explains and writes, and the map is a cloud."""

import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from explore.web.answers import HOSTILE, HOSTILE_FEATURE, Answers, Refusal, description, row

LARGEST = 40.0


def tokens_of(text: str) -> list[str]:
    """Words with the space before them, and marks of punctuation."""
    return re.findall(r"\s*(?:\w+|[^\w\s])|\s+$", text)


def strength(feature: int, place: int) -> float:
    """How active a feature is at a place."""
    return LARGEST * ((feature + place) % 5) / 5 if (feature + 2 * place) % 3 == 0 else 0.0


@dataclass
class Model(Answers):
    """Answers of a server with a model."""

    questions: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    """Paths and bodies so far."""
    points: np.ndarray | None = None
    """Places of the features on the map, ``(feature, 2)``."""
    drawings: int = 0
    """How often the map is still being drawn when it is asked for."""
    pause: float = 0.0
    """Seconds between two pieces of what is written."""

    def run(self) -> dict[str, Any]:
        preset = {"name": "golden_gate_bridge", "steering": {"edits": [{"feature": 77, "clamp": 3.0}]}}
        return super().run() | {"presets": [preset], "strengths": {"12": 1.5}, "vectors": ["joy"]}

    def map(self) -> bytes | None:
        if self.drawings:
            self.drawings -= 1
            return None
        assert self.points is not None
        features = np.arange(len(self.points), dtype="<i4")
        density = np.array([row(int(each))["density"] for each in features], "<f4")
        return features.tobytes() + self.points.T.astype("<f4").tobytes() + density.tobytes()

    def made(self, path: str, body: dict[str, Any]) -> dict[str, Any] | Iterator[str]:
        self.questions.append((path, body))
        if path == "lens":
            return self.lens(body["text"], body["limit"])
        if path == "attribution":
            return self.attribution(body["text"], body["position"], body["limit"])
        if path == "reread":
            return self.reread(body)
        if path == "v1/completions":
            if any(
                edit.get("feature", 0) >= self.n_features
                for edit in (body["steering"] or {"edits": []})["edits"]
            ):
                raise Refusal(400, "999999 is no feature of this dictionary", "the last one is 99999")
            return self.completion(body)
        raise Refusal(404, f"there is no {path} here", None)

    def lens(self, text: str, limit: int) -> dict[str, Any]:
        if text == "refused":
            raise Refusal(400, "the text does not fit the context", "give a shorter one")
        tokens = tokens_of(text)
        features = [HOSTILE_FEATURE, *range(20, 19 + limit)]
        return {
            "tokens": tokens,
            "features": [
                {
                    "feature": each,
                    "description": description(each) if each != 21 else None,
                    "max_activation": LARGEST,
                    "activations": [strength(each, place) for place in range(len(tokens))],
                }
                for each in features
            ],
        }

    def attribution(self, text: str, position: int, limit: int) -> dict[str, Any]:
        tokens = [*tokens_of(text), " next"]
        votes = [
            {
                "feature": each,
                "description": description(each),
                "attribution": (-1) ** each * 2.0 / (1 + each),
                "ablation": (-1) ** each * 1.5 / (1 + each),
            }
            for each in range(limit)
        ]
        return {
            "token": tokens[position],
            "probability": 0.415,
            "against": HOSTILE[0],
            "against_probability": 0.11,
            "difference": 1.3125,
            "rest": 0.25,
            "features": votes,
        }

    def reread(self, body: dict[str, Any]) -> dict[str, Any]:
        before, written = tokens_of(body["prompt"]), tokens_of(body["text"])
        tokens = ["<|endoftext|>", *before, *written]
        moved = 0.5 if body["steering"] else 0.0
        return {
            "tokens": tokens,
            "start": 1 + len(before),
            "activations": [
                [strength(each, place) for place in range(len(tokens))] for each in body["features"]
            ],
            "divergence": [moved * (place % 4) for place in range(len(written))],
        }

    def completion(self, body: dict[str, Any]) -> Iterator[str]:
        word = "steered" if body["steering"] else "plain"
        for place in range(body["max_tokens"]):
            time.sleep(self.pause)
            text = f" {word}{place}" if place else f" {HOSTILE[0]}"
            yield json.dumps({"choices": [{"index": 0, "text": text, "finish_reason": None}]})
        yield "[DONE]"
