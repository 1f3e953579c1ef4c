"""Run a model over a corpus and keep what passes at its sites."""

import shutil
import tempfile
import weakref
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from monoscope.activations.corpus import Corpus, read_corpus
from monoscope.activations.rows import TokenRows, pack
from monoscope.activations.store import ActivationStore
from monoscope.activations.unfinished import Recipe, UnfinishedStore
from monoscope.documents import Document
from monoscope.errors import BrokenInput, WrongUse
from monoscope.manifest import full_disk_is_said, is_complete, read_manifest
from monoscope.models.language_model import LanguageModel
from monoscope.models.sites import Site

Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class HarvestOptions:
    """How much is read, and how it is stored."""

    n_tokens: int = 2_000_000
    """Tokens to keep, special ones not counted; all the corpus has, where that is fewer."""
    context: int = 256
    """Tokens in a row; the model's own context, where that is shorter."""
    batch_rows: int = 16
    """Rows run through the model at once."""
    dtype: Literal["bfloat16", "float32"] = "bfloat16"
    """What activations are rounded to on disk: 2 or 4 bytes a number."""


def harvest(
    lm: LanguageModel,
    corpus: Corpus | str | Path | Sequence[Document],
    *,
    site: str | None = None,
    sites: Sequence[str] = (),
    out: str | Path | None = None,
    options: HarvestOptions = HarvestOptions(),
    split: Literal["training", "heldout"] = "training",
    progress: Progress | None = None,
) -> ActivationStore:
    """Store the activations of one or several sites over a corpus, in one pass of the model.

    An unfinished harvest leaves a hidden folder beside ``out`` and goes on from there when it is called again
    with the same model, corpus and options; with others it starts over. A finished store made the same way is
    opened as it is; one made another way is replaced.

    Args:
        lm: the model to read.
        corpus: documents, or what :func:`read_corpus` takes.
        site: the site to read, by any name that the model resolves.
        sites: more of them.
        out: folder of the store; None: a temporary one, deleted with the store that is returned.
        options: how much, and how it is stored.
        split: which side of the corpus.
        progress: called with tokens done and tokens in all, after every batch.

    Raises:
        UnknownSite: the model has no such site.
        WrongUse: no site is named, an option cannot be met, or ``out`` is there and is no store.
        BrokenInput: that side of the corpus is empty, or the model gives activations that are not finite.
        OutOfSpace: the disk is full; what was complete is kept and gone on with.
    """
    places = sorted({lm.resolve(name) for name in [*sites, *([site] if site else [])]})
    if not places:
        raise WrongUse("no site to harvest is named", f"the model has {lm.sites()[0]} to {lm.sites()[-1]}")
    if options.batch_rows < 1:
        raise WrongUse(f"batches of {options.batch_rows} rows cannot be run", "give 1 or more")
    corpus = read_corpus(corpus)
    folder = Path(tempfile.mkdtemp(prefix="monoscope-")) / "activations" if out is None else Path(out)
    recipe = Recipe(
        options=asdict(options)
        | {"sites": [str(place) for place in places], "split": split, "model_dtype": str(lm.dtype)},
        parents={"model": lm.hash, "tokenizer": lm.tokenizer_hash, "corpus": corpus.hash},
        widths={str(place): lm.width(place) for place in places},
    )
    try:
        with full_disk_is_said(folder):
            if not _is_made(folder, recipe):
                _make(lm, corpus, places, folder, recipe, progress)
            store = ActivationStore.open(folder)
    except BaseException:
        if out is None:
            shutil.rmtree(folder.parent, ignore_errors=True)
        raise
    if out is None:
        weakref.finalize(store, shutil.rmtree, folder.parent, ignore_errors=True)
    return store


def _is_made(folder: Path, recipe: Recipe) -> bool:
    """True when the folder is a finished store of that recipe, False when it may be written.

    Raises:
        WrongUse: the folder holds something else.
    """
    if is_complete(folder):
        manifest = read_manifest(folder, "activations")
        return (manifest.options, manifest.parents) == (recipe.options, recipe.parents)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise WrongUse(f"{folder} is there and is no activation store", "name another folder, or empty it")
    return False


def _make(
    lm: LanguageModel,
    corpus: Corpus,
    places: Sequence[Site],
    folder: Path,
    recipe: Recipe,
    progress: Progress | None,
) -> None:
    """Write a store, or the rest of it, and put it in its place."""
    options = recipe.options

    def make_rows() -> TokenRows:
        documents = corpus.training() if options["split"] == "training" else corpus.heldout()
        if not documents:
            raise BrokenInput(
                f"the corpus {corpus.name} has no {options['split']} documents", "choose its other side"
            )
        context = min(options["context"], lm.context)
        return pack(documents, lm, context=context, n_tokens=options["n_tokens"])

    with UnfinishedStore.begin(folder.with_name(f".{folder.name}.part"), recipe, make_rows) as unfinished:
        rows = unfinished.rows
        for start in range(unfinished.rows_done, len(rows.tokens), options["batch_rows"]):
            some = slice(start, start + options["batch_rows"])
            values = lm.activations(torch.from_numpy(rows.tokens[some].astype(np.int64)), places)
            usable = torch.from_numpy(np.flatnonzero(rows.usable[some])).to(lm.device)
            kept = {str(place): value.flatten(0, 1)[usable] for place, value in values.items()}
            unfinished.append(kept, rows_done=min(some.stop, len(rows.tokens)))
            if progress is not None:
                progress(unfinished.tokens_done, rows.n_tokens)
    unfinished.finish(folder)
