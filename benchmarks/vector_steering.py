"""What a control vector does to text: the style it brings, the price, and what is left of it in ten features.

    python benchmarks/vector_steering.py --run RUN > vector_steering.json

A vector for joy against sadness is learnt on the built-in model and added behind one block at strengths in shares of
the mean residual norm. A classifier of words, trained on documents of both topics that no model wrote, says how joyful
what is written then is. Beside it: random directions of the same length, distinct-2 and the unsteered model's
perplexity at each strength, and the vector put together again from at most ten directions of the run's dictionary.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
from hardware import row, write
from scipy.stats import spearmanr
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline

from monoscope.dictionaries.files import load
from monoscope.intervene import Add, Rule, steer, story_beginnings
from monoscope.intervene.likelihood import continuation_perplexity
from monoscope.intervene.topic import distinct_bigrams
from monoscope.models import LanguageModel, load_model
from monoscope.synthetic.world import write_document
from monoscope.vectors import ControlVector, contrast_pairs, in_features, learn_vector
from vectors import MOODS, sentences

STRENGTHS = (-0.5, -0.25, 0.0, 0.25, 0.5)
"""Shares of the mean residual norm: -2, -1, 0, 1 and 2 quarters."""
COLLAPSED = (1.0, 2.0, 4.0)
"""Strengths at which text falls apart."""


def main() -> None:
    """Learn, steer, count."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--run", type=Path, required=True, help="a run whose dictionary reads the block")
    parser.add_argument("--prompts", type=int, default=40)
    parser.add_argument("--tokens", type=int, default=40)
    parser.add_argument("--random", type=int, default=5, help="random directions")
    asked = parser.parse_args()
    lm = load_model("builtin", device="cpu", dtype="float32")
    dictionary = load(asked.run / "dictionary")
    block = lm.resolve(dictionary.site).block
    judge = classifier()
    pairs = contrast_pairs("{persona} {suffix}", *MOODS["joy, sadness"], sentences(120))
    vector = learn_vector(lm, pairs, batch=32).at([block])
    prompts = story_beginnings()[: asked.prompts]

    def curve(pushed: ControlVector, strengths: Sequence[float]) -> list[dict[str, Any]]:
        return [measured(lm, pushed, strength, prompts, judge, asked.tokens) for strength in strengths]

    own = curve(vector, STRENGTHS)
    found, norm = in_features(vector, dictionary, block, n=10), vector.norms[block]
    ten = ControlVector.from_features(
        dictionary, {part.feature: part.coefficient * norm for part in found.parts}, norm=norm
    )
    rebuilt = curve(ten, STRENGTHS)
    effect, kept = (each[-1]["joy"] - each[0]["joy"] for each in (own, rebuilt))
    chance = [curve(random_like(vector, seed), STRENGTHS) for seed in range(asked.random)]
    collapse = curve(vector, COLLAPSED)
    joys = [point["joy"] for point in own]
    write(
        [
            row("Spearman of joy and strength", float(spearmanr(STRENGTHS, joys).statistic), ">= 0.9"),
            row("joy at the largest strength minus that at the least", effect),
            row("of random directions, largest", max(abs(c[-1]["joy"] - c[0]["joy"]) for c in chance)),
            row("ten features: share of the effect", kept / effect, ">= 0.7"),
            row("ten features: squared length explained", found.parts[-1].explained),
            row("largest cosine with a direction", max(abs(part.cosine) for part in found.parts)),
            row("distinct-2 at the largest strength", collapse[-1]["distinct_2"]),
            row("distinct-2 unsteered", own[2]["distinct_2"]),
        ],
        curve=own + collapse,
        rebuilt=rebuilt,
        random=chance,
        features=[vars(part) if hasattr(part, "__dict__") else str(part) for part in found.parts],
        block=block,
    )


def classifier() -> Pipeline:
    """Joy or sadness, by the words of documents about them."""
    random = Random("documents of benchmarks/vector_steering.py")
    texts = [
        write_document(topic, random).finish({}, {}, heldout=False).text
        for _ in range(200)
        for topic in ("joy", "sadness")
    ]
    return make_pipeline(CountVectorizer(), LogisticRegression(max_iter=1000)).fit(texts, [1, 0] * 200)


def measured(
    lm: LanguageModel,
    vector: ControlVector,
    strength: float,
    prompts: Sequence[str],
    judge: Pipeline,
    n_tokens: int,
) -> dict[str, Any]:
    """What is written at one strength."""
    with steer(lm, None, [Rule(edit=Add(strength), vector=vector)]):
        texts = lm.generate(prompts, n_tokens=n_tokens, temperature=0.8, seed=0)
    return {
        "strength": strength,
        "joy": float(np.mean(judge.predict_proba(texts)[:, 1])),
        "distinct_2": float(np.mean([distinct_bigrams(text) for text in texts])),
        "perplexity": continuation_perplexity(lm, prompts, texts),
        "sample": texts[0],
    }


def random_like(vector: ControlVector, seed: int) -> ControlVector:
    """A random direction of the same length."""
    (block,) = vector.blocks
    direction = torch.randn(vector.d_model, generator=torch.Generator().manual_seed(seed))
    direction *= vector.directions[block].norm() / direction.norm()
    return ControlVector(
        directions={block: direction},
        norms=dict(vector.norms),
        d_model=vector.d_model,
        model_hash=vector.model_hash,
    )


if __name__ == "__main__":
    main()
