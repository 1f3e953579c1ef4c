"""Make the index of a dictionary's features: one pass over stored activations, then one database.

The pass can be cut. One that is interrupted or killed goes on from its last state when it is called again; several
processes can take a share of the rows each (:func:`build_part`, then :func:`merge_parts`); and a finished index takes
further text (:func:`add_to_index`). Each gives the tables that one pass over all rows gives. Only for features that
fire on more than 256 different tokens of the vocabulary can the rarer rows of their token table differ.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from monoscope.activations import ActivationStore, TokenRows
from monoscope.dictionaries import SparseAutoencoder
from monoscope.errors import BrokenInput, MissingInput, WrongUse
from monoscope.features.assemble import Material
from monoscope.features.fitting import check_fit
from monoscope.features.index import FeatureIndex
from monoscope.features.logits import LogitWeights
from monoscope.features.one_pass import Pass, Progress, joined, origin_of, shards_of
from monoscope.features.options import IndexOptions
from monoscope.features.parts import KIND, check_origin, open_part, save_part
from monoscope.features.passages import passages
from monoscope.features.shards import join_shards
from monoscope.manifest import check_parent, is_complete, read_manifest


def build_index(
    dictionary: SparseAutoencoder,
    store: ActivationStore,
    *,
    vocabulary: Sequence[str],
    logit_weights: LogitWeights | None,
    address: str,
    out: Path,
    options: IndexOptions | None = None,
    progress: Progress | None = None,
) -> FeatureIndex:
    """Index what every feature fires on and writes.

    A pass that was interrupted or killed leaves hidden folders beside ``out`` and goes on from there when this is
    called again with the same dictionary, store and options.

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
    check_fit(dictionary, store, vocabulary)
    origin = origin_of(dictionary, store, len(vocabulary), options or IndexOptions())
    material = Material(
        dictionary, store.rows, passages(store.rows), list(vocabulary), logit_weights, address, origin
    )
    return Pass(material, store, Path(out)).finish(origin.empty(), progress=progress)


def add_to_index(
    folder: Path,
    dictionary: SparseAutoencoder,
    store: ActivationStore,
    *,
    vocabulary: Sequence[str],
    logit_weights: LogitWeights | None,
    progress: Progress | None = None,
) -> FeatureIndex:
    """Add the activations of further text to an index: the same as having had all of it at once.

    The store's rows come after those that the index has; its documents are numbered on from there. It is gone on
    with like any pass, and the index stays as it was until the new one is complete.

    Args:
        folder: the index, made with ``keep_state``.
        dictionary: the dictionary that it was made from.
        store: activations of the same model, in rows of the same length.
        vocabulary: text of every token id.
        logit_weights: as in :func:`build_index`.
        progress: called with (tokens done, tokens in all) of the store.

    Raises:
        MissingInput: there is no index, or it was made without ``keep_state``.
        WrongUse: it has these activations already.
        UnknownSite, MismatchedArtefact, BrokenInput, OutOfSpace: as :func:`build_index`.
    """
    folder = Path(folder)
    manifest = read_manifest(folder, "features")
    check_fit(dictionary, store, vocabulary)
    check_parent(folder, manifest, "dictionary", dictionary.hash)
    if not is_complete(folder / "state"):
        raise MissingInput(
            f"{folder} was made without its state, so no text can be added",
            "index again with keep_state, on all of the text",
        )
    options = IndexOptions(**manifest.options)
    before = replace(
        origin_of(dictionary, store, len(vocabulary), options),
        activations=tuple(manifest.content["activations"]),
    )
    if store.hash in before.activations:
        raise WrongUse(f"{folder} has the activations {store.hash} already", "harvest other text")
    begun = open_part(folder / "state", before)
    rows = TokenRows.open(folder / "rows")
    corpus = joined(rows, store.rows)
    material = Material(
        dictionary,
        corpus,
        passages(corpus),
        list(vocabulary),
        logit_weights,
        manifest.content["address"],
        replace(before, activations=(*before.activations, store.hash)),
    )
    return Pass(material, store, folder, offset=len(rows.tokens)).finish(begun, progress=progress)


def share_of_rows(n_rows: int, rank: int, ranks: int) -> range:
    """The rows that one of several processes takes: nearly equal shares, in order, none empty if it can be."""
    return range(n_rows * rank // ranks, n_rows * (rank + 1) // ranks)


def build_part(
    dictionary: SparseAutoencoder,
    store: ActivationStore,
    *,
    rows: range,
    vocabulary: Sequence[str],
    out: Path,
    options: IndexOptions | None = None,
    progress: Progress | None = None,
) -> Path:
    """Gather what one share of the rows has for an index; what is complete is not made again.

    Args:
        dictionary: the dictionary.
        store: activations of the whole corpus.
        rows: the share, for instance :func:`share_of_rows`.
        vocabulary: text of every token id.
        out: folder of the part.
        options: the same for all parts.
        progress: called with (tokens done, tokens in all) of the store.

    Returns:
        ``out``.

    Raises:
        UnknownSite, MismatchedArtefact, BrokenInput, OutOfSpace: as :func:`build_index`.
    """
    check_fit(dictionary, store, vocabulary)
    out = Path(out)
    origin = origin_of(dictionary, store, len(vocabulary), options or IndexOptions())
    if is_complete(out):
        content = read_manifest(out, KIND).content
        check_origin(out, content, origin)
        if content["rows"] == [rows.start, rows.stop]:
            return out
    material = Material(dictionary, store.rows, passages(store.rows), list(vocabulary), None, "", origin)
    begun = Pass(material, store, out)
    collected = begun.gather(origin.empty(rows.start), stop=rows.stop, progress=progress)
    save_part(collected, origin, out)
    begun.tidy(shards=False)
    return out


def merge_parts(
    parts: Sequence[Path],
    dictionary: SparseAutoencoder,
    store: ActivationStore,
    *,
    vocabulary: Sequence[str],
    logit_weights: LogitWeights | None,
    address: str,
    out: Path,
    options: IndexOptions | None = None,
) -> FeatureIndex:
    """Make the index out of parts that cover all rows, as :func:`build_index` makes it in one pass.

    Args:
        parts: folders that :func:`build_part` wrote, in any order.
        dictionary: the dictionary.
        store: activations of the whole corpus.
        vocabulary: text of every token id.
        logit_weights: as in :func:`build_index`.
        address: ``MODEL/SITE/DICTIONARY``.
        out: folder of the index.
        options: those of the parts.

    Raises:
        BrokenInput: rows are missing, or in two parts; or a part cannot be read.
        UnknownSite, MismatchedArtefact, OutOfSpace: as :func:`build_index`.
    """
    check_fit(dictionary, store, vocabulary)
    origin = origin_of(dictionary, store, len(vocabulary), options or IndexOptions())
    folders = {read_manifest(part, KIND).content["rows"][0]: Path(part) for part in parts}
    collected = origin.empty()
    for _, folder in sorted(folders.items()):
        part = open_part(folder, origin)
        if part.rows.start != collected.rows.stop:
            raise BrokenInput(
                f"rows {collected.rows.stop} to {part.rows.start} are missing, or in two parts, before {folder}",
                "give one part for each share of the rows",
            )
        collected.merge(part, origin.options)
    n_rows = len(store.rows.tokens)
    if collected.rows.stop != n_rows or len(folders) != len(parts):
        raise BrokenInput(
            f"the parts hold {collected.rows.stop} of {n_rows} rows",
            "give one part for each share of the rows",
        )
    material = Material(
        dictionary, store.rows, passages(store.rows), list(vocabulary), logit_weights, address, origin
    )
    made = Pass(material, store, Path(out))
    if origin.options.shards:
        for folder in folders.values():
            join_shards(shards_of(folder), made.shards)
    return made.finish(collected)
