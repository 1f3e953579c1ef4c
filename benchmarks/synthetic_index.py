"""An index of made-up features, written by the same code and in the same layout as one of a dictionary."""

from collections.abc import Iterator
from dataclasses import asdict
from itertools import chain
from pathlib import Path

import numpy as np

from monoscope.features import IndexOptions
from monoscope.features import database as layout
from monoscope.features.database import ExampleLists, Lists, write_database
from monoscope.features.tables import FeatureLists, feature_rows, token_rows
from monoscope.manifest import Manifest, staged, write_manifest

VOCABULARY = 50_000
"""Tokens; the n-th is drawn in proportion to 1 / (n + 10)."""
CORPUS = 100_000_000
"""Tokens of the corpus that examples refer to."""
WORDS = 100_000
"""Words of the corpus, each with as many features as a dictionary's words would have."""
BLOCK = 4096
"""Features made at a time."""
COMMON = "the bridge golden river stone castle old market rain letter garden".split()
"""The first tokens of the vocabulary."""
BINS = 24
"""Bins of a feature's histogram that are not empty."""


def synthetic_index(out: Path, n_features: int) -> None:
    """Write an index of ``n_features`` features, full lists and all, in blocks."""
    options = IndexOptions()
    random = np.random.default_rng(0)
    vocabulary = [f" {word}" for word in COMMON] + [f" t{n}" for n in range(len(COMMON), VOCABULARY)]
    shares = 1 / (np.arange(VOCABULARY) + 10.0)
    cumulative = np.cumsum(shares / shares.sum())
    with staged(out) as place:
        with (place / "tokens.bin").open("wb") as file:
            for _ in range(0, CORPUS, 1 << 20):
                file.write(tokens(random, cumulative, 1 << 20).astype("<u2").tobytes())
        corpus = np.memmap(place / "tokens.bin", "<u2", mode="r")
        blocks = (
            block_rows(
                random,
                corpus,
                n_features,
                min(BLOCK, n_features - first),
                first,
                cumulative,
                vocabulary,
                options,
            )
            for first in range(0, n_features, BLOCK)
        )
        arrays = {
            "n_active": random.integers(1, 10**6, n_features),
            "density": 10 ** random.normal(-3, 0.7, n_features),
            "max_activation": random.gamma(6, 2, n_features).astype(np.float32),
            "mean_activation": random.gamma(3, 1, n_features),
        }
        tables = {
            "feature": chain.from_iterable(blocks),
            "token": token_rows(vocabulary),
            "of_token": ((token, *token_lists(random, n_features, options)) for token in range(VOCABULARY)),
            "word": (word_row(random, n_features, word, options) for word in range(WORDS)),
            "array": ((name, column.dtype.str, column.tobytes()) for name, column in arrays.items()),
        }
        write_database(place / "index.sqlite", tables)
        content = {
            "layout": layout.LAYOUT,
            "n_features": n_features,
            "address": "made-up/blocks.0.resid_post/synthetic",
            "samples": options.samples,
            "window": options.window,
            "token_dtype": "<u2",
            "logit_weights": True,
        }
        write_manifest(place, Manifest(kind="features", options=asdict(options), content=content))


def tokens(random: np.random.Generator, cumulative: np.ndarray, n: int) -> np.ndarray:
    """Tokens drawn in proportion to their shares."""
    return np.minimum(np.searchsorted(cumulative, random.random(n)), len(cumulative) - 1)


def block_rows(
    random: np.random.Generator,
    corpus: np.ndarray,
    n_features: int,
    n: int,
    first: int,
    cumulative: np.ndarray,
    vocabulary: list[str],
    options: IndexOptions,
) -> Iterator[tuple]:
    """Rows of some features."""

    def owners(each: int) -> np.ndarray:
        return np.repeat(np.arange(n), each)

    def weights(each: int) -> Lists:
        size = n * each
        return Lists.pack(
            layout.LOGIT_WEIGHT, n, owners(each), tokens(random, cumulative, size), random.random(size)
        )

    def features(dtype: np.dtype, each: int, *columns: np.ndarray) -> Lists:
        return Lists.pack(dtype, n, owners(each), random.integers(0, n_features, n * each), *columns)

    kept, near, together = options.tokens_kept * n, options.neighbours_kept * n, options.coactive_kept * n
    lists = FeatureLists(
        histogram=Lists.pack(
            layout.HISTOGRAM,
            n,
            owners(BINS),
            np.tile(np.arange(BINS) + 20, n),
            random.integers(1, 9999, n * BINS),
        ),
        examples=example_lists(random, corpus, n, options),
        tokens=Lists.pack(
            layout.TOKEN_SHARE,
            n,
            owners(options.tokens_kept),
            tokens(random, cumulative, kept),
            random.integers(1, 9999, kept),
            random.random(kept) / 12,
            1 + 99 * random.random(kept),
        ),
        promoted=weights(options.logits_kept),
        suppressed=weights(options.logits_kept),
        neighbours=features(layout.NEIGHBOUR, options.neighbours_kept, random.random(near)),
        coactive=features(
            layout.COACTIVE, options.coactive_kept, random.random(together), random.random(together)
        ),
    )
    numbers = {
        "n_active": random.integers(1, 10**6, n),
        "density": random.random(n),
        "max_activation": random.gamma(6, 2, n).astype(np.float32),
        "mean_activation": random.gamma(3, 1, n),
    }
    words = Lists.pack(layout.PIECE, n, owners(3), tokens(random, cumulative, 3 * n))
    texts = [text.strip() for text in vocabulary]
    for number, *rest in feature_rows(lists, numbers, words, texts, vocabulary):
        yield first + number, *rest


def example_lists(
    random: np.random.Generator, corpus: np.ndarray, n: int, options: IndexOptions
) -> ExampleLists:
    """As many examples of each kind as a feature shows at most, each of a full window."""
    counts = {
        layout.TOP: options.top,
        layout.INTERVAL: options.intervals * options.per_interval,
        layout.QUANTILE: options.quantiles * options.per_quantile,
        layout.RANDOM: options.random,
        layout.NEAR_MISS: options.near_misses,
    }
    kinds = np.repeat(list(counts), list(counts.values()))
    size = n * len(kinds)
    positions = random.integers(options.window, CORPUS - options.window, size)
    levels = random.integers(100, 256, (size, options.window)) * (random.random((size, options.window)) < 0.2)
    lists = Lists.pack(
        layout.example_dtype(options.window),
        n,
        np.repeat(np.arange(n), len(kinds)),
        np.tile(kinds, n),
        np.tile(np.where(np.isin(kinds, (layout.INTERVAL, layout.QUANTILE)), 2, 0), n),
        options.window_before,
        options.window,
        positions // 500,
        positions,
        random.gamma(3, 2, size),
        levels,
    )
    return ExampleLists(lists, corpus)


def token_lists(random: np.random.Generator, n_features: int, options: IndexOptions) -> tuple[bytes, bytes]:
    """The features that promote a token, and those that fire on it: of these as many as list it, on average."""
    promoters = np.zeros(options.promoters_kept, layout.PROMOTER)
    promoters["feature"] = random.integers(0, n_features, len(promoters))
    promoters["score"] = random.random(len(promoters)) * 9
    firers = np.zeros(n_features * options.tokens_kept // VOCABULARY, layout.FIRER)
    firers["feature"] = np.sort(random.integers(0, n_features, len(firers)))
    firers["share"] = random.random(len(firers)) / 12
    return promoters.tobytes(), firers.tobytes()


def word_row(random: np.random.Generator, n_features: int, word: int, options: IndexOptions) -> tuple:
    """A word, and the features that go with it: together as many pairs as the features keep words, at most."""
    entries = np.zeros(n_features * options.words_kept // WORDS, layout.ASSOCIATION)
    entries["feature"] = np.sort(random.integers(0, n_features, len(entries)))
    entries["count"] = random.integers(1, options.samples, len(entries))
    return word, f"word{word}", 1000, 1e-4, np.zeros(1, layout.PIECE).tobytes(), layout.in_steps(entries)
