"""Contexts whose tokens are known, and the feature and the neuron that go with each on calibration text."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from monoscope.activations.rows import TokenRows
from monoscope.dictionaries import SparseAutoencoder
from monoscope.evaluate.analyses.base import Material
from monoscope.evaluate.analyses.pairwise import Pairwise
from monoscope.evaluate.analyses.proxies_likelihood import CONTEXTS, Vocabulary, likelihood_ratio
from monoscope.evaluate.analyses.readings import read_together
from monoscope.evaluate.stream import Activations
from monoscope.evaluate.tags import KINDS

COLUMNS = 256
"""Contexts whose labels are held as numbers at once."""


@dataclass(frozen=True)
class Context:
    """A context: which tokens are in it, by a proxy or by the corpus's own tags."""

    name: str
    """Its name."""
    by: str
    """``likelihood ratio``, ``mention`` or ``passage``: how its tokens are known."""
    calibration: Bool[np.ndarray, " position"]
    """Where it is in calibration text, by flat position."""
    heldout: Bool[np.ndarray, " position"]
    """Where it is in held-out text."""
    feature: int = -1
    """The feature of largest r on calibration text."""
    feature_r: float = 0.0
    """That r: the best of many."""
    neuron: int = -1
    """The neuron of largest |r| there."""
    neuron_r: float = 0.0
    """Its r, with its sign."""

    @property
    def planted(self) -> bool:
        """Whether the corpus itself tells where it is."""
        return self.by in KINDS


def likely_contexts(material: Material) -> list[Context]:
    """Those of Bricken et al. 2023, told by how text is written."""
    seen, kept = material.calibration.rows, material.heldout.rows
    vocabulary = Vocabulary.of(material.lm.vocabulary_strings(), seen)
    inside = {
        name: [likelihood_ratio(context, vocabulary, seen, rows).reshape(-1) > 0 for rows in (seen, kept)]
        for name, context in CONTEXTS.items()
    }
    return [Context(name, "likelihood ratio", before, after) for name, (before, after) in inside.items()]


def planted_contexts(material: Material) -> list[Context]:
    """What the corpus is tagged with: each concept's mentions and passages."""
    seen, kept = material.calibration.rows, material.heldout.rows
    return [
        Context(concept, kind, seen.tagged(concept, kind).reshape(-1), kept.tagged(concept, kind).reshape(-1))
        for concept in sorted(set(seen.concepts) & set(kept.concepts))
        for kind in KINDS
    ]


def common(
    contexts: Sequence[Context], material: Material, n_tokens: int, minimum: int
) -> tuple[list[Context], list[str]]:
    """Contexts with so many tokens of either text's first ``n_tokens``, and the names of the others."""
    looked = [first_of(store, n_tokens) for store in (material.calibration, material.heldout)]
    kept = [
        each
        for each in contexts
        if each.calibration[looked[0]].sum() >= minimum and each.heldout[looked[1]].sum() >= minimum
    ]
    names = {each.name for each in kept}
    return kept, sorted({each.name for each in contexts} - names)


def first_of(store: Activations, n_tokens: int) -> Int[np.ndarray, " token"]:
    """Flat positions of the first usable tokens."""
    return np.flatnonzero(store.rows.usable.reshape(-1))[:n_tokens]


@torch.no_grad()
def chosen(
    contexts: Sequence[Context], material: Material, neuron_site: str, n_tokens: int
) -> Iterator[Context]:
    """Each context with the feature and the neuron that go with it best on calibration text."""
    dictionary, store, lm = material.dictionary, material.calibration, material.lm
    for first in range(0, len(contexts), COLUMNS):
        some = contexts[first : first + COLUMNS]
        features = Pairwise(dictionary.n_features, len(some))
        neurons = Pairwise(lm.width(neuron_site), len(some))
        for positions, x in read_together(lm, store, [dictionary.site, neuron_site], n_tokens):
            labels = torch.from_numpy(
                np.stack([each.calibration[positions] for each in some], axis=1)
            ).float()
            features.see(dense_codes(dictionary, x[dictionary.site]), labels)
            neurons.see(x[neuron_site], labels)
        by_feature, by_neuron = features.r(), neurons.r()
        best, rival = by_feature.argmax(0), np.abs(by_neuron).argmax(0)
        for column, each in enumerate(some):
            yield replace(
                each,
                feature=int(best[column]),
                feature_r=float(by_feature[best[column], column]),
                neuron=int(rival[column]),
                neuron_r=float(by_neuron[rival[column], column]),
            )


def clearer_kind(contexts: Sequence[Context]) -> list[Context]:
    """Of each planted concept the kind of tag that a feature goes with better, on calibration text."""
    best: dict[str, Context] = {}
    for each in contexts:
        if each.name not in best or each.feature_r > best[each.name].feature_r:
            best[each.name] = each
    return list(best.values())


def dense_codes(
    dictionary: SparseAutoencoder, x: Float[Tensor, "batch d_model"]
) -> Float[Tensor, "batch n_features"]:
    """Activations of all features, on the CPU."""
    return dictionary.sparse_encode(x.to(dictionary.bias.device)).dense(dictionary.n_features).cpu()


def typical_tokens(
    context: Context, rows: TokenRows, vocabulary_size: int, minimum: int
) -> Bool[np.ndarray, " vocabulary"]:
    """Tokens of which half the occurrences in calibration text, or more, and ``minimum`` are in the context."""
    tokens = rows.tokens.reshape(-1).astype(np.int64)
    usable = rows.usable.reshape(-1)
    seen = np.bincount(tokens[usable], minlength=vocabulary_size)[:vocabulary_size]
    inside = np.bincount(tokens[usable & context.calibration], minlength=vocabulary_size)[:vocabulary_size]
    return (inside >= minimum) & (2 * inside >= seen)
