"""From what the pass gathered, and the weights, to the finished index."""

import shutil
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int

from monoscope.activations import TokenRows
from monoscope.dictionaries import SparseAutoencoder
from monoscope.errors import BrokenInput
from monoscope.features import database as layout
from monoscope.features.coactivation import coactive
from monoscope.features.collect import Collected
from monoscope.features.contexts import count_contexts
from monoscope.features.database import Lists, write_database
from monoscope.features.examples import examples
from monoscope.features.fitting import check_vocabulary
from monoscope.features.index import FeatureIndex
from monoscope.features.logits import Effects, LogitWeights, strongest_effects
from monoscope.features.near_misses import near_misses
from monoscope.features.neighbours import nearest_directions
from monoscope.features.options import IndexOptions
from monoscope.features.parts import Origin, write_part
from monoscope.features.passages import corpus_words, coverage
from monoscope.features.shards import write_feature_table
from monoscope.features.tables import (
    FeatureLists,
    coactive_lists,
    effect_lists,
    feature_rows,
    firers,
    histograms,
    of_token_rows,
    packed,
    token_rows,
    token_shares,
    word_rows,
)
from monoscope.manifest import Manifest, content_hash, staged, write_manifest


@dataclass(frozen=True)
class Material:
    """All that an index is made from, besides what was gathered."""

    dictionary: SparseAutoencoder
    """The dictionary."""
    corpus: TokenRows
    """The rows of the corpus."""
    passage: Int[np.ndarray, " position"]
    """Passage number by position."""
    vocabulary: list[str]
    """Text of every token."""
    logit_weights: LogitWeights | None
    """Maps directions to weights of the logits."""
    address: str
    """``MODEL/SITE/DICTIONARY``."""
    origin: Origin
    """What the pass read."""

    @property
    def options(self) -> IndexOptions:
        """How much is kept."""
        return self.origin.options


def assemble(material: Material, collected: Collected, out: Path, shards: Path | None = None) -> FeatureIndex:
    """Write the index and open it; ``shards`` is a folder that is moved into it.

    Raises:
        MismatchedArtefact: the logit weights are not over the vocabulary.
        BrokenInput: no feature fired.
        OutOfSpace: the disk is full.
    """
    origin, options, corpus = material.origin, material.options, material.corpus
    tables, n_alive = _tables(material, collected)
    content = {
        "layout": layout.LAYOUT,
        "address": material.address,
        "logit_weights": material.logit_weights is not None,
        "n_features": origin.n_features,
        "n_alive": n_alive,
        "n_tokens": collected.moments.n_tokens,
        "site": material.dictionary.site,
        "context": origin.context,
        "token_dtype": corpus.tokens.dtype.newbyteorder("<").str,
        "window": options.window,
        "intervals": options.intervals,
        "quantiles": options.quantiles,
        "samples": options.samples,
        "activations": origin.activations,
    }
    stores = origin.activations
    parents = {
        "dictionary": origin.dictionary,
        "activations": stores[0] if len(stores) == 1 else content_hash(*stores),
        "model": origin.model,
    }
    seeds = {"examples": options.seed}
    manifest = Manifest(
        kind="features", options=asdict(options), parents=parents, seeds=seeds, content=content
    )
    with staged(out) as place:
        database, tokens = place / "index.sqlite", place / "tokens.bin"
        write_database(database, tables)
        corpus.tokens.astype(corpus.tokens.dtype.newbyteorder("<"), copy=False).tofile(tokens)
        if options.keep_state:
            (place / "state").mkdir()
            write_part(collected, origin, place / "state")
            replace(corpus, concepts=(), tags={}).save(place / "rows")
        if shards is not None:
            shutil.move(shards, place / "shards")
            write_feature_table(database, place / "shards" / "features.parquet")
        write_manifest(place, replace(manifest, hash=content_hash(database, tokens)))
    return FeatureIndex.open(out)


def _tables(material: Material, collected: Collected) -> tuple[dict[str, Iterable[tuple]], int]:
    """The rows of every table of the database, and how many features are alive."""
    options, corpus, passage = material.options, material.corpus, material.passage
    n_features, moments = material.origin.n_features, collected.moments
    alive = _alive(material, collected)
    effects = _effects(material, alive)
    words = corpus_words(corpus.tokens.reshape(-1), passage, material.vocabulary)
    base = coverage(words, passage, options.window_before, options.window_after) / moments.n_tokens
    density = moments.count / moments.n_tokens
    contexts = count_contexts(
        collected.by_mass.entries["feature"],
        collected.by_mass.entries["position"],
        words,
        passage,
        base=base,
        density=density,
        before=options.window_before,
        after=options.window_after,
        kept=options.words_kept,
    )
    numbers = {
        "n_active": moments.count,
        "density": density,
        "max_activation": moments.largest,
        "mean_activation": moments.total / np.maximum(moments.count, 1),
    }
    promoters = effect_lists(effects, alive, n_features, len(material.vocabulary))[2]
    near = Lists.pack(layout.PIECE, n_features, contexts.features, contexts.words)
    lists = _feature_lists(material, collected, alive, effects)
    tables = {
        "feature": feature_rows(lists, numbers, near, words.texts, material.vocabulary),
        "token": token_rows(material.vocabulary),
        "of_token": of_token_rows(promoters, firers(lists.tokens, density, len(material.vocabulary))),
        "word": word_rows(words, base, contexts),
        "array": ((name, numbers[name].dtype.str, numbers[name].tobytes()) for name in layout.ARRAYS),
    }
    return tables, len(alive)


def _alive(material: Material, collected: Collected) -> Int[torch.Tensor, " alive"]:
    """The features that fired."""
    alive = torch.from_numpy(np.flatnonzero(collected.moments.count))
    if not len(alive):
        raise BrokenInput(
            f"no feature of {material.address} fires on any of {collected.moments.n_tokens} tokens",
            "check that the activations are those the dictionary was trained on",
        )
    return alive


def _effects(material: Material, alive: Int[torch.Tensor, " alive"]) -> Effects | None:
    """What the features do to the logits."""
    if material.logit_weights is None:
        return None
    effects = strongest_effects(
        material.dictionary.directions,
        alive,
        material.logit_weights,
        kept=material.options.logits_kept,
        promoters=material.options.promoters_kept,
    )
    check_vocabulary("logit weights are", len(effects.promoters), len(material.vocabulary))
    return effects


def _feature_lists(
    material: Material, collected: Collected, alive: Int[torch.Tensor, " alive"], effects: Effects | None
) -> FeatureLists:
    """The lists of the table ``feature``."""
    options, corpus, n_features = material.options, material.corpus, material.origin.n_features
    promoted, suppressed, _ = effect_lists(effects, alive, n_features, len(material.vocabulary))
    near = nearest_directions(material.dictionary.directions, alive, options.neighbours_kept)
    shares = token_shares(collected, corpus, len(material.vocabulary), options.tokens_kept)
    features, positions = collected.sample.entries()
    n_sampled = int(np.count_nonzero(corpus.usable[collected.sample.rows]))
    misses = near_misses(
        collected.sample,
        shares,
        corpus.tokens,
        corpus.usable,
        material.passage,
        before=options.window_before,
        after=options.window_after,
        kept=options.near_misses,
        seed=options.seed,
    )
    return FeatureLists(
        histogram=histograms(collected),
        examples=examples(collected, misses, corpus, material.passage, options),
        tokens=shares,
        promoted=promoted,
        suppressed=suppressed,
        neighbours=packed(layout.NEIGHBOUR, n_features, alive.numpy(), *(part.numpy() for part in near)),
        coactive=coactive_lists(coactive(features, positions, n_features, n_sampled, options.coactive_kept)),
    )
