"""A pass over a store that goes on where it was stopped, and ends in an index."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from monoscope.activations import ActivationStore, TokenRows
from monoscope.dictionaries import SparseAutoencoder
from monoscope.errors import WrongUse
from monoscope.features.assemble import Material, assemble
from monoscope.features.collect import Collected, collect
from monoscope.features.index import FeatureIndex
from monoscope.features.options import IndexOptions
from monoscope.features.parts import Origin, Unfinished
from monoscope.features.shards import ShardWriter, join_shards

Progress = Callable[[int, int], None]
"""Called with (tokens done, tokens in all)."""


@dataclass
class Pass:
    """A pass over a store, kept beside the index that it is for."""

    material: Material
    """What the index is made from."""
    store: ActivationStore
    """What is read."""
    out: Path
    """Folder of the index, or of the part."""
    offset: int = 0
    """Number of the store's first row in the corpus."""

    @property
    def shards(self) -> Path:
        """Where its shards lie until the index is complete."""
        return shards_of(self.out)

    @property
    def unfinished(self) -> Unfinished:
        """Its state, kept now and then."""
        return Unfinished(self.out.with_name(f".{self.out.name}.pass"), self.material.origin)

    def gather(self, begun: Collected, *, stop: int | None = None, progress: Progress | None) -> Collected:
        """Go on from what is kept, or from ``begun``, to the store's last row or to ``stop``."""
        kept, material = self.unfinished, self.material
        end = self.offset + len(self.store.rows.tokens) if stop is None else stop
        collected = kept.resume(begun, end)
        writer = self._writer(collected.rows.stop)
        collect(
            material.dictionary,
            self.store,
            material.corpus,
            material.passage,
            material.options,
            collected,
            stop=end,
            offset=self.offset,
            progress=progress,
            keep=kept.keep,
            see=(lambda firings: None) if writer is None else writer.write,
        )
        return collected

    def finish(self, begun: Collected, *, progress: Progress | None = None) -> FeatureIndex:
        """Gather what is missing, and make the index."""
        collected = self.gather(begun, progress=progress)
        shards = self.shards if self.material.options.shards else None
        made = assemble(self.material, collected, self.out, shards)
        self.tidy()
        return made

    def tidy(self, *, shards: bool = True) -> None:
        """Remove what is beside the index."""
        self.unfinished.delete()
        if shards:
            shutil.rmtree(self.shards, ignore_errors=True)

    def _writer(self, row: int) -> ShardWriter | None:
        """What writes the shards from ``row`` on; those before are there."""
        if not self.material.options.shards:
            return None
        if self.offset and not self.shards.is_dir():
            join_shards(self.out / "shards", self.shards)
        writer = ShardWriter(self.shards, self.material.origin.n_features, self.material.origin.context)
        writer.cut(row)
        return writer


def shards_of(out: Path) -> Path:
    """Where the shards of a pass lie until the index is complete."""
    return out.with_name(f".{out.name}.shards")


def origin_of(
    dictionary: SparseAutoencoder, store: ActivationStore, vocabulary_size: int, options: IndexOptions
) -> Origin:
    """What a pass over a store is made from."""
    return Origin(
        options=options,
        dictionary=dictionary.hash,
        model=store.model_hash,
        n_features=dictionary.n_features,
        vocabulary_size=vocabulary_size,
        context=store.rows.context,
        activations=(store.hash,),
    )


def joined(rows: TokenRows, later: TokenRows) -> TokenRows:
    """Rows of tokens and then others, whose documents are numbered on; concepts are left out.

    Raises:
        WrongUse: the rows are not equally long, or their special tokens differ.
    """
    if rows.context != later.context or set(rows.special) != set(later.special):
        raise WrongUse(
            f"rows of {later.context} tokens cannot be added to rows of {rows.context}, nor rows with other special "
            "tokens",
            f"harvest with a context of {rows.context}, from the same model",
        )
    documents = later.document_ids.copy()
    documents[documents >= 0] += rows.document_ids.max() + 1
    return TokenRows(
        np.concatenate([rows.tokens, later.tokens]),
        np.concatenate([rows.document_ids, documents]),
        rows.special,
        (),
        {},
    )
