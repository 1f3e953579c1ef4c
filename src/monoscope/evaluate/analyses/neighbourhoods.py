"""Features whose directions are near: whether they mean related things, and a map of them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float, Int

from monoscope.errors import WrongUse
from monoscope.evaluate.analyses.base import ANALYSES, Check, Material, Progress, unwatched
from monoscope.evaluate.intervals import IntervalOptions, interval, resamples
from monoscope.features import FeatureRecord
from monoscope.features.description import in_short
from monoscope.features.map import LEAST, MapOptions, embedded
from monoscope.features.neighbours import nearest_directions

FORMULAS = {
    "neighbours": "the features of largest cosine between directions, among those that fire",
    "tokens": "tokens among those listed of both features / tokens listed of either",
    "contexts": "cosine of the TF-IDF weights of the words in the two features' top examples",
    "random": "the same for pairs of features drawn at random",
    "cluster": "HDBSCAN on a UMAP of 10 dimensions; -1 is in no cluster",
    "label": "words with the largest TF-IDF weight, summed over the descriptions that have them, in two or more",
}


@ANALYSES.register("neighbourhoods")
@dataclass(frozen=True, kw_only=True)
class Neighbourhoods:
    """Neighbourhoods of features, and a map of them.

    Features are near when their directions have a large cosine. Whether that means anything is told by what neighbours
    have in common: the tokens they fire on and the words around, beside what random pairs have. The map shows
    neighbourhoods in two dimensions; its clusters are named by the words that their features' descriptions share.

    References: Templeton et al. 2024 (Scaling Monosemanticity), "Feature Neighborhoods"; Bricken et al. 2023 (Towards
    Monosemanticity), whose settings of UMAP and HDBSCAN these are; McInnes et al. 2018 (1802.03426).
    """

    name: ClassVar[str]

    neighbours: int = 5
    """Nearest features of each that are compared with it."""
    n_neighbors: int = 15
    """Neighbours that the map keeps near."""
    min_dist: float = 0.05
    """Least distance of points on the map."""
    min_cluster: int = 3
    """Features in the smallest cluster."""
    named: int = 3
    """Words in the name of a cluster."""
    intervals: IntervalOptions = field(default_factory=IntervalOptions)
    """How intervals over features are drawn."""
    seed: int = 0
    """Seed of the map and of the random pairs."""

    def __call__(self, material: Material, progress: Progress = unwatched) -> dict[str, Any]:
        """Draw the map and compare neighbours.

        Raises:
            MonoscopeError: umap-learn is not installed.
            WrongUse: fewer than 20 features fire.
        """
        index = material.index
        alive = np.asarray(index.alive, np.int64)
        if len(alive) < LEAST:
            raise WrongUse(
                f"{len(alive)} features of {material.name} fire, too few for a map",
                f"map a dictionary of which {LEAST} or more do",
            )
        directions = material.dictionary.directions.float().cpu()
        points = torch.nn.functional.normalize(directions[torch.from_numpy(alive)], dim=1).numpy()
        place = self.embedded(points, dimensions=2, min_dist=self.min_dist)
        progress(1, 3)
        cluster = self.clustered(self.embedded(points, dimensions=min(10, len(alive) - 2), min_dist=0.1))
        progress(2, 3)
        records = [index.record(int(feature)) for feature in alive]
        descriptions = [in_short(record.description) for record in records]
        numbers, cosines = nearest_directions(directions, torch.from_numpy(alive), self.neighbours)
        near = np.searchsorted(alive, numbers.numpy())
        alike = self.compared(records, near)
        progress(3, 3)
        return {
            "formulas": FORMULAS,
            "n_features": index.n_features,
            "n_alive": len(alive),
            "neighbours": int(near.shape[1]),
            "median_cosine": float(cosines.median()),
            "median_cosine_random": self.random_cosine(points),
            "alike": alike,
            "clustered_share": float((cluster >= 0).mean()),
            "clusters": cluster_names(
                [each.removeprefix("near ") for each in descriptions], cluster, self.named
            ),
            "feature": alive.tolist(),
            "x": place[:, 0].round(3).tolist(),
            "y": place[:, 1].round(3).tolist(),
            "cluster": cluster.tolist(),
            "label": descriptions,
            "density": [float(f"{record.density:.3g}") for record in records],
            "checks": [check.to_json() for check in checks(alike)],
        }

    def embedded(
        self, points: Float[np.ndarray, "feature d_model"], *, dimensions: int, min_dist: float
    ) -> Float[np.ndarray, "feature dimension"]:
        """The points in few dimensions.

        Raises:
            MonoscopeError: umap-learn is not installed.
        """
        options = MapOptions(n_neighbors=self.n_neighbors, min_dist=min_dist, seed=self.seed)
        return embedded(points, dimensions, options)

    def clustered(self, points: Float[np.ndarray, "feature dimension"]) -> Int[np.ndarray, " feature"]:
        """The cluster of each point, from 0, the largest first; -1 for those in none."""
        from sklearn.cluster import HDBSCAN

        found = HDBSCAN(min_cluster_size=self.min_cluster, copy=True).fit_predict(points)  # pyright: ignore[reportArgumentType]
        sizes = np.bincount(found[found >= 0], minlength=1)
        rank = np.empty(len(sizes) + 1, np.int64)
        rank[np.argsort(-sizes, kind="stable")], rank[-1] = np.arange(len(sizes)), -1
        return rank[found]

    def compared(
        self, records: Sequence[FeatureRecord], near: Int[np.ndarray, "feature near"]
    ) -> dict[str, Any]:
        """What features have in common with their neighbours, and with others drawn at random."""
        n, kept = near.shape
        draws = np.random.default_rng(self.seed).integers(1, n, (n, kept))
        others = (np.arange(n)[:, None] + draws) % n
        tokens = [frozenset(token.text.strip().casefold() for token in record.tokens) for record in records]
        weights = tf_idf([" ".join(text_of(record)) for record in records])[0]
        weigh = resamples(n, self.intervals) / n
        alike = {}
        for name in ("tokens", "contexts"):
            neighbours, random = (
                token_overlap(tokens, pairs) if name == "tokens" else context_cosine(weights, pairs)
                for pairs in (near, others)
            )
            alike[name] = {
                "neighbours": float(neighbours.mean()),
                "random": float(random.mean()),
                "difference": float((neighbours - random).mean()),
                "interval": interval(weigh @ (neighbours - random), self.intervals),
                "by_feature": neighbours.round(3).tolist(),
                "by_feature_random": random.round(3).tolist(),
            }
        return alike

    def random_cosine(self, points: Float[np.ndarray, "feature d_model"]) -> float:
        """Median cosine of pairs drawn at random."""
        shift = np.random.default_rng(self.seed).integers(1, len(points), len(points))
        others = points[(np.arange(len(points)) + shift) % len(points)]
        return float(np.median((points * others).sum(1)))


def text_of(record: FeatureRecord) -> list[str]:
    """The texts of a feature's top examples."""
    return ["".join(example.tokens) for example in record.examples if example.kind == "top"]


def tf_idf(texts: Sequence[str]) -> tuple[Any, list[str]]:
    """TF-IDF weights of the words in each text, rows of length 1 ``[text, word]``, and the words."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(token_pattern=r"\w+", sublinear_tf=True)
    try:
        weights = vectorizer.fit_transform(texts)
    except ValueError:
        # There is no word in any of them.
        from scipy.sparse import csr_array

        return csr_array((len(texts), 1)), [""]
    return weights, vectorizer.get_feature_names_out().tolist()


def token_overlap(
    tokens: Sequence[frozenset[str]], pairs: Int[np.ndarray, "feature near"]
) -> Float[np.ndarray, " feature"]:
    """Mean share of tokens that each feature and its pairs have in common: ``|A & B| / |A | B|``."""
    return np.array(
        [
            np.mean([len(own & tokens[other]) / max(len(own | tokens[other]), 1) for other in others])
            for own, others in zip(tokens, pairs.tolist(), strict=True)
        ]
    )


def context_cosine(weights: Any, pairs: Int[np.ndarray, "feature near"]) -> Float[np.ndarray, " feature"]:
    """Mean cosine of each feature's words with those of its pairs."""
    columns = [np.asarray(weights.multiply(weights[column]).sum(1)).reshape(-1) for column in pairs.T]
    return np.mean(columns, axis=0)


def cluster_names(
    descriptions: Sequence[str], cluster: Int[np.ndarray, " feature"], named: int
) -> list[dict[str, Any]]:
    """Of each cluster its ``size`` and its ``label``: the words most telling of its features' descriptions.

    A word counts by its TF-IDF weight summed over the cluster's descriptions; words that only one of them has come
    last.
    """
    weights, words = tf_idf(descriptions)
    clusters = []
    for number in range(int(cluster.max()) + 1):
        some = weights[np.flatnonzero(cluster == number)]
        total = np.asarray(some.sum(0)).reshape(-1)
        common = np.asarray((some > 0).sum(0)).reshape(-1) >= 2
        order = np.lexsort((-total, ~common))[:named]
        label = [words[each] for each in order if total[each] > 0 and (common[each] or not common.any())]
        clusters.append({"cluster": number, "size": int(some.shape[0]), "label": ", ".join(label)})
    return clusters


def checks(alike: dict[str, Any]) -> list[Check]:
    """Whether neighbours have more in common than random pairs."""
    return [
        Check(
            name="neighbours",
            what=f"what neighbours have in common of their {name}, minus random pairs",
            figure=found["difference"],
            target="> 0, interval above 0",
            holds=found["interval"][0] is not None and found["interval"][0] > 0,
            why=f"{found['neighbours']:.3f} and {found['random']:.3f}",
        )
        for name, found in alike.items()
    ]
