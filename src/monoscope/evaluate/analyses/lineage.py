"""Dictionaries of one site from narrow to wide, and which feature of the one goes on in which of the next."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from monoscope.dictionaries import SparseAutoencoder
from monoscope.errors import MismatchedArtefact, WrongUse
from monoscope.evaluate.analyses.activity import Codes, activity, firings
from monoscope.evaluate.analyses.base import Material
from monoscope.features.description import in_short


@dataclass(frozen=True)
class Level:
    """A dictionary in the row of widths, with its codes of one text."""

    material: Material
    """The run."""
    codes: Codes
    """``[token, feature]``."""
    active: Int[np.ndarray, " feature"]
    """Tokens on which each feature is active."""

    @classmethod
    def of(cls, run: Material, first: Material, n_tokens: int, advance: Callable[[int], None]) -> "Level":
        """A run's dictionary with its codes of the first run's held-out text."""
        codes = activity(run.dictionary, first.heldout, first.dictionary.site, n_tokens, advance)
        return cls(run, codes, firings(codes))

    @property
    def width(self) -> int:
        """Its features."""
        return len(self.active)

    def precision(self, tagged: Bool[np.ndarray, " token"]) -> Float[np.ndarray, " feature"]:
        """Share of each feature's tokens that are tagged."""
        return self.codes.sign().T @ tagged.astype(float) / self.active.clip(1)


def by_width(runs: Sequence[Material]) -> list[Material]:
    """One run of each width, from narrow to wide; of those of a width, the first.

    Raises:
        WrongUse: all have the same width.
        MismatchedArtefact: one reads another model or site than the first.
    """
    first = runs[0].dictionary
    for run in runs[1:]:
        read = run.dictionary
        if (read.site, read.model_hash, read.d_model) != (first.site, first.model_hash, first.d_model):
            raise MismatchedArtefact(
                f"{run.name} reads {read.site or 'an unnamed site'} of model {read.model_hash}, and {runs[0].name} "
                f"{first.site or 'an unnamed site'} of model {first.model_hash}",
                "compare dictionaries of one site",
            )
    widths = {run.dictionary.n_features: run for run in reversed(runs)}
    if len(widths) < 2:
        raise WrongUse(
            f"all these dictionaries have {first.n_features} features",
            "name runs of other widths: --beside RUN; monoscope sweep --over n-features=A,B makes them",
        )
    return [widths[width] for width in sorted(widths)]


def above(similar: Codes, threshold: float) -> Codes:
    """What is above a threshold."""
    kept = similar.copy()
    kept.data[kept.data <= threshold] = 0
    kept.eliminate_zeros()
    return kept


def strongest(links: Codes) -> Int[np.ndarray, " child"]:
    """For each feature of the wider dictionary the one that it is most alike; -1 where no link leads to it."""
    parent = np.full(links.shape[1], -1)
    found = links.tocoo()
    order = np.argsort(found.data, kind="stable")
    parent[found.col[order]] = found.row[order]
    return parent


def leaves(parents: Sequence[Int[np.ndarray, " _"]], n_roots: int) -> Int[np.ndarray, " root"]:
    """How many latents of the widest dictionary each feature of the narrowest becomes."""
    counts = np.ones(len(parents[-1]), np.int64)
    widths = [n_roots, *(len(parent) for parent in parents[:-1])]
    for parent, width in zip(reversed(parents), reversed(widths), strict=True):
        followed = parent >= 0
        counts = np.bincount(parent[followed], weights=counts[followed], minlength=width).astype(np.int64)
    return counts


def clearness(links: Sequence[Codes]) -> Float[np.ndarray, " root"]:
    """Mean similarity of all links in the tree of each feature of the narrowest dictionary; 0 where it has none."""
    root = np.arange(links[0].shape[0])
    total, count = np.zeros(len(root)), np.zeros(len(root))
    for step in links:
        parent = strongest(step)
        child = np.flatnonzero(parent >= 0)
        similar = step.tocsc()[:, child].max(axis=0).toarray().reshape(-1)
        origin = np.full(step.shape[1], -1)
        origin[child] = root[parent[child]]
        known = origin[child] >= 0
        np.add.at(total, origin[child][known], similar[known])
        np.add.at(count, origin[child][known], 1)
        root = origin
    return total / count.clip(1)


def tree(
    root: int, at: int, levels: Sequence[Level], parents: Sequence[Int[np.ndarray, " _"]]
) -> list[list[dict[str, Any]]]:
    """What a feature of dictionary ``at`` becomes: one column for each width, each latent under its parent."""
    columns: list[list[int]] = [[] for _ in range(at)] + [[root]]
    for parent in parents[at:]:
        columns.append(np.flatnonzero(np.isin(parent, columns[-1])).tolist())
    return [
        [
            {
                "feature": feature,
                "parent": int(parents[place - 1][feature]) if place > at else None,
                "active": int(level.active[feature]),
                "label": in_short(level.material.index.description(feature)),
            }
            for feature in column
        ]
        for place, (column, level) in enumerate(zip(columns, levels, strict=True))
    ]


def labels(level: Level, at: int, links: Sequence[Codes]) -> dict[str, str]:
    """What each latent of dictionary ``at`` that any link leads to, or from, is about."""
    linked = np.zeros(level.width, bool)
    if at:
        linked |= np.bincount(links[at - 1].indices, minlength=level.width) > 0
    if at < len(links):
        linked |= np.diff(links[at].indptr) > 0
    index = level.material.index
    return {str(each): in_short(index.description(each)) for each in np.flatnonzero(linked).tolist()}


def unit(dictionary: SparseAutoencoder) -> Float[np.ndarray, "feature d_model"]:
    """Directions of length 1."""
    rows = dictionary.directions.float().cpu().numpy().astype(np.float64)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True).clip(1e-12)


def link_cosines(a: Level, b: Level, links: Codes) -> Float[np.ndarray, " link"]:
    """Cosine of the directions that each link joins, in the order of ``links.tocoo()``."""
    found = links.tocoo()
    rows, columns = unit(a.material.dictionary)[found.row], unit(b.material.dictionary)[found.col]
    return np.einsum("ld,ld->l", rows, columns)


def forest(
    links: Codes, turned: Float[np.ndarray, " link"]
) -> dict[str, list[int] | list[float] | list[float | None]]:
    """Of each feature of the wider dictionary: ``parent`` (-1: none), ``similarity`` and ``cosine`` with it."""
    found, parent = links.tocoo(), strongest(links)
    joined = found.row == parent[found.col]
    similarity, angle = np.zeros(len(parent)), np.zeros(len(parent))
    similarity[found.col[joined]], angle[found.col[joined]] = found.data[joined], turned[joined]
    return {
        "parent": parent.tolist(),
        "similarity": similarity.round(3).tolist(),
        "cosine": angle.round(3).tolist(),
    }
