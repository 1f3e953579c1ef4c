"""Make the index of a dictionary's features: one pass over stored activations, then one database."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Int

from monoscope.activations import ActivationStore
from monoscope.dictionaries import SparseAutoencoder
from monoscope.errors import BrokenInput, MismatchedArtefact, UnknownSite, nearest
from monoscope.features import database as layout
from monoscope.features.collect import Collected, collect
from monoscope.features.contexts import count_contexts
from monoscope.features.database import Lists, write_database
from monoscope.features.index import FeatureIndex
from monoscope.features.logits import Effects, LogitWeights, strongest_effects
from monoscope.features.neighbours import nearest_directions
from monoscope.features.options import IndexOptions
from monoscope.features.passages import corpus_words, coverage, passages
from monoscope.features.tables import (
    FeatureLists,
    effect_lists,
    examples,
    feature_rows,
    histograms,
    packed,
    token_rows,
    token_shares,
    word_rows,
)
from monoscope.manifest import Manifest, content_hash, staged, write_manifest


def build_index(
    dictionary: SparseAutoencoder,
    store: ActivationStore,
    *,
    vocabulary: Sequence[str],
    logit_weights: LogitWeights | None,
    address: str,
    out: Path,
    options: IndexOptions | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> FeatureIndex:
    """Index what every feature fires on and writes.

    Args:
        dictionary: the dictionary; its ``site`` must be in the store.
        store: activations of the corpus to index, all of which is read once.
        vocabulary: text of every token id, spaces kept (``LanguageModel.vocabulary_strings``).
        logit_weights: maps directions ``[batch, d_model]`` to weights ``[batch, vocabulary]``, for instance
            :func:`monoscope.features.logit_weights` with the model's matrices bound; None when directions of
            the site don't add to the residual stream.
        address: ``MODEL/SITE/DICTIONARY``: the features' address without ``#number``.
        out: folder of the index; what is there is replaced once the new one is complete.
        options: how much to keep.
        progress: called with (tokens done, tokens in all).

    Raises:
        UnknownSite: the store has no activations of the dictionary's site.
        MismatchedArtefact: dictionary, store and vocabulary don't fit each other.
        BrokenInput: the store is empty, or the dictionary is silent on all of it.
        OutOfSpace: the disk is full.
    """
    options = options or IndexOptions()
    _check(dictionary, store, vocabulary)
    passage = passages(store.rows)
    collected = collect(
        dictionary, store, passage, options, vocabulary_size=len(vocabulary), progress=progress
    )
    alive = torch.from_numpy(np.flatnonzero(collected.moments.count))
    if not len(alive):
        raise BrokenInput(
            f"no feature of {address} fires on any of {collected.moments.n_tokens} tokens",
            "check that the activations are those the dictionary was trained on",
        )
    effects = None
    if logit_weights is not None:
        effects = strongest_effects(
            dictionary.directions,
            alive,
            logit_weights,
            kept=options.logits_kept,
            promoters=options.promoters_kept,
        )
        _check_vocabulary("logit weights are", len(effects.promoters), len(vocabulary))
    tables = _tables(dictionary, store, collected, passage, alive, effects, list(vocabulary), options)
    content = _content(dictionary, store, collected, options) | {
        "address": address,
        "logit_weights": effects is not None,
    }
    parents = {"dictionary": dictionary.hash, "activations": store.hash, "model": store.model_hash}
    manifest = Manifest(
        kind="features",
        options=asdict(options),
        parents=parents,
        seeds={"examples": options.seed},
        content=content,
    )
    return _write(Path(out), tables, store, manifest)


def _content(
    dictionary: SparseAutoencoder, store: ActivationStore, collected: Collected, options: IndexOptions
) -> dict[str, Any]:
    """What the reader of the index needs to know."""
    return {
        "n_features": dictionary.n_features,
        "n_alive": int(np.count_nonzero(collected.moments.count)),
        "n_tokens": collected.moments.n_tokens,
        "site": dictionary.site,
        "context": store.rows.context,
        "token_dtype": store.rows.tokens.dtype.newbyteorder("<").str,
        "window": options.window,
        "intervals": options.intervals,
        "samples": options.samples,
    }


def _check(dictionary: SparseAutoencoder, store: ActivationStore, vocabulary: Sequence[str]) -> None:
    """Refuse parts that were not made for each other, before any work."""
    site = dictionary.site
    if site not in store.site_names:
        raise UnknownSite(
            f"the dictionary reads {site or 'an unnamed site'}, which the activations don't hold",
            nearest(site, store.site_names),
        )
    dictionary.check_width(store.d_model(site), site)
    if dictionary.model_hash and dictionary.model_hash != store.model_hash:
        raise MismatchedArtefact(
            f"the dictionary is for model {dictionary.model_hash}, the activations are of {store.model_hash}",
            "harvest activations of the model that the dictionary was trained on",
        )
    if not store.n_tokens:
        raise BrokenInput("the activations hold no tokens", "harvest a corpus with text")
    _check_vocabulary(
        "the activations have tokens", int(store.rows.tokens.max()) + 1, len(vocabulary), most=True
    )


def _check_vocabulary(what: str, size: int, vocabulary: int, *, most: bool = False) -> None:
    if size > vocabulary or (size != vocabulary and not most):
        raise MismatchedArtefact(
            f"{what} over {size} ids and the vocabulary has {vocabulary}", "take both from the same model"
        )


def _tables(
    dictionary: SparseAutoencoder,
    store: ActivationStore,
    collected: Collected,
    passage: Int[np.ndarray, " position"],
    alive: Int[torch.Tensor, " alive"],
    effects: Effects | None,
    vocabulary: list[str],
    options: IndexOptions,
) -> dict[str, Iterable[tuple]]:
    """The rows of every table of the database."""
    n_features, moments = dictionary.n_features, collected.moments
    words = corpus_words(store.rows.tokens.reshape(-1), passage, vocabulary)
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
    promoted, suppressed, promoters = effect_lists(effects, alive, n_features, len(vocabulary))
    near = nearest_directions(dictionary.directions, alive, options.neighbours_kept)
    lists = FeatureLists(
        histogram=histograms(collected),
        examples=examples(collected, store.rows, passage, options),
        tokens=token_shares(collected, store.rows, len(vocabulary), options.tokens_kept),
        promoted=promoted,
        suppressed=suppressed,
        neighbours=packed(layout.NEIGHBOUR, n_features, alive.numpy(), *(part.numpy() for part in near)),
    )
    arrays = {
        "density": density,
        "n_active": moments.count,
        "max_activation": moments.largest,
        "mean_activation": moments.total / np.maximum(moments.count, 1),
    }
    words_near = Lists.pack(layout.PIECE, n_features, contexts.features, contexts.words)
    return {
        "feature": feature_rows(lists, words_near, words, vocabulary),
        "token": token_rows(vocabulary, promoters),
        "word": word_rows(words, base, contexts),
        "array": ((name, column.dtype.str, column.tobytes()) for name, column in arrays.items()),
    }


def _write(
    out: Path, tables: dict[str, Iterable[tuple]], store: ActivationStore, manifest: Manifest
) -> FeatureIndex:
    """Write the artefact and open it."""
    tokens = store.rows.tokens
    with staged(out) as place:
        database, corpus = place / "index.sqlite", place / "tokens.bin"
        write_database(database, tables)
        tokens.astype(tokens.dtype.newbyteorder("<"), copy=False).tofile(corpus)
        write_manifest(place, replace(manifest, hash=content_hash(database, corpus)))
    return FeatureIndex.open(out)
