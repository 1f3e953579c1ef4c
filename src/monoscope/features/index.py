"""The index of a dictionary's features: opened from its folder, asked for records and searched."""

import weakref
from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import Float, Shaped

from monoscope.errors import BrokenInput, UnknownName, WrongUse
from monoscope.features import database as layout
from monoscope.features import search as ranking
from monoscope.features.passages import words_of
from monoscope.features.reading import TokenFile, read_examples, read_histogram, read_weights
from monoscope.features.record import CoActivation, FeatureRecord, Neighbour, SearchResult, TokenShare
from monoscope.manifest import Manifest, check_parent, read_manifest

MOST_FORMS = 16
"""Forms of a query word (by stem) that are looked up."""


class FeatureIndex:
    """What every feature of a dictionary fires on and writes; made by ``build_index``, read-only.

    Attributes:
        folder: where it lies.
        manifest: how it was made; ``parents`` names the dictionary, activations and model by hash.
        n_features: features in the dictionary.
    """

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self.folder = folder
        self.manifest = manifest
        content = manifest.content
        self.n_features: int = content["n_features"]
        self._address: str = content["address"]
        self._window: int = content["window"]
        self._samples: int = content["samples"]
        self._database = layout.open_database(folder / "index.sqlite")
        weakref.finalize(self, self._database.close)
        self._tokens = TokenFile(folder / "tokens.bin", content["token_dtype"])
        weakref.finalize(self, self._tokens.close)

    @classmethod
    def open(cls, folder: str | Path, *, dictionary_hash: str | None = None) -> "FeatureIndex":
        """Open an index.

        Args:
            folder: where it was written.
            dictionary_hash: when given, the dictionary that the index must have been made from.

        Raises:
            MissingInput: there is no complete index.
            BrokenInput: it cannot be read.
            MismatchedArtefact: it was made from another dictionary.
        """
        folder = Path(folder)
        manifest = read_manifest(folder, "features")
        if dictionary_hash is not None:
            check_parent(folder, manifest, "dictionary", dictionary_hash)
        if manifest.content.get("layout") != layout.LAYOUT:
            raise BrokenInput(f"the index in {folder} was made by an older version", "index again")
        return cls(folder, manifest)

    def address(self, feature: int) -> str:
        """``MODEL/SITE/DICTIONARY#412``."""
        return f"{self._address}#{feature}"

    def record(self, feature: int) -> FeatureRecord:
        """Everything that is known about a feature.

        Raises:
            UnknownName: the dictionary has no feature of that number.
        """
        self.check(feature)
        row = self._database.execute("SELECT * FROM feature WHERE id = ?", (feature,)).fetchone()
        _, description, n_active, density, largest, mean, *lists = row
        histogram, examples, tokens, promoted, suppressed, neighbours, coactive = lists
        text = self._vocabulary
        return FeatureRecord(
            feature=feature,
            address=self.address(feature),
            description=description,
            density=density,
            n_active=n_active,
            max_activation=largest,
            mean_activation=mean,
            histogram=read_histogram(histogram),
            examples=read_examples(examples, largest, self._window, self._tokens, text),
            tokens=tuple(
                TokenShare(token, text[token], count, share, lift)
                for token, count, share, lift in np.frombuffer(tokens, layout.TOKEN_SHARE).tolist()
            ),
            promoted=read_weights(promoted, text),
            suppressed=read_weights(suppressed, text),
            neighbours=tuple(
                Neighbour(*pair) for pair in np.frombuffer(neighbours, layout.NEIGHBOUR).tolist()
            ),
            coactive=tuple(
                CoActivation(*entry) for entry in np.frombuffer(coactive, layout.COACTIVE).tolist()
            ),
        )

    def check(self, feature: int) -> None:
        """Refuse a number that no feature has.

        Raises:
            UnknownName: it is below 0 or not below ``n_features``.
        """
        if not 0 <= feature < self.n_features:
            raise UnknownName(
                f"there is no feature {feature}", f"{self._address} has features 0 to {self.n_features - 1}"
            )

    def search(
        self,
        query: str,
        *,
        limit: int = 10,
        by: ranking.By = "both",
        min_density: float = 0.0,
        max_density: float = 1.0,
    ) -> list[SearchResult]:
        """The features that go with a query's words, best first; the formulas are in
        ``monoscope.features.search``.

        Args:
            query: one or several words, in any case.
            limit: results at most.
            by: what to sort by.
            min_density: features active on a smaller share of tokens are left out.
            max_density: features active on a larger share are left out.

        Returns:
            Features with a score above 0; empty when neither the corpus nor the vocabulary knows the words.

        Raises:
            WrongUse: ``by`` is ``effect`` and the index was made without logit weights.
            UnknownName: ``by`` is another word.
        """
        if by == "effect" and not self.manifest.content["logit_weights"]:
            raise WrongUse(
                f"the index in {self.folder} was made without logit weights", "sort the search by overlap"
            )
        words = list(dict.fromkeys(words_of(query)))
        overlaps = [found for word in words if (found := self._overlap(word)) is not None]
        effects = [found for word in words if (found := self._effect(word)) is not None]
        scores = ranking.combine(overlaps, effects, self.n_features, by)
        number = self.statistics()
        found = ranking.ranked(
            scores, number["density"], limit=limit, min_density=min_density, max_density=max_density
        )
        return [
            SearchResult(
                feature=feature,
                address=self.address(feature),
                score=float(scores.score[feature]),
                description=self.description(feature),
                density=float(number["density"][feature]),
                max_activation=float(number["max_activation"][feature]),
                overlap=float(scores.overlap[feature]),
                effect=float(scores.effect[feature]),
            )
            for feature in found
        ]

    def description(self, feature: int) -> str:
        """The feature's line.

        Raises:
            UnknownName: the dictionary has no feature of that number.
        """
        self.check(feature)
        return self._database.execute("SELECT description FROM feature WHERE id = ?", (feature,)).fetchone()[
            0
        ]

    def by_description(self, text: str, limit: int = 10) -> list[int]:
        """The features whose descriptions name all words of a text, in any form of the words.

        First those that fire on the words, then those that also name them as words nearby, then those that also name
        them as promoted; of equals the lower number.

        Args:
            text: one or several words.
            limit: features at most.
        """
        words = " ".join('"' + word.replace('"', '""') + '"' for word in words_of(text))
        found: dict[int, None] = {}
        for columns in ("own", "own near", "own near promoted"):
            if words and len(found) < limit:
                rows = self._database.execute(
                    "SELECT rowid FROM described WHERE described MATCH ? ORDER BY rowid LIMIT ?",
                    (f"{{{columns}}} : ({words})", limit),
                )
                found |= dict.fromkeys(feature for (feature,) in rows)
        return list(found)[: max(limit, 0)]

    def statistics(self) -> dict[str, Shaped[np.ndarray, " n_features"]]:
        """``density``, ``max_activation``, ``mean_activation`` and ``n_active`` of every feature;
        read-only.
        """
        return self._statistics

    @property
    def alive(self) -> Shaped[np.ndarray, " alive"]:
        """The features that fired at least once on the indexed corpus."""
        return np.flatnonzero(self._statistics["n_active"])

    def random_alive(self, n: int, seed: int) -> list[int]:
        """``n`` different alive features, drawn evenly (all of them, shuffled, when there are fewer)."""
        alive = self.alive
        return np.random.default_rng(seed).choice(alive, min(n, len(alive)), replace=False).tolist()

    @cached_property
    def _statistics(self) -> dict[str, np.ndarray]:
        rows = self._database.execute("SELECT name, dtype, data FROM array")
        return {name: np.frombuffer(data, dtype) for name, dtype, data in rows}

    @cached_property
    def _vocabulary(self) -> list[str]:
        return [text for (text,) in self._database.execute("SELECT text FROM token ORDER BY id")]

    def _overlap(self, word: str) -> tuple[float, Float[np.ndarray, " n_features"]] | None:
        """Weight and overlap of a query word with every feature; None when the corpus has no form of it."""
        stem = '"' + word.replace('"', '""') + '"'
        rows = self._database.execute(
            "SELECT occurrences, base, features FROM word WHERE text = :word OR id IN "
            "(SELECT rowid FROM stem WHERE stem MATCH :stem ORDER BY rowid LIMIT :most)",
            {"word": word, "stem": stem, "most": MOST_FORMS},
        ).fetchall()
        if not rows:
            return None
        counts = np.zeros(self.n_features, np.int64)
        for _, _, features in rows:
            pairs = np.frombuffer(features, layout.ASSOCIATION)
            counts[pairs["feature"].astype(np.int64)] += pairs["count"]
        base = min(sum(base for _, base, _ in rows), 1.0)
        met = np.flatnonzero(counts)
        samples = np.minimum(self._statistics["n_active"][met], self._samples)
        near = np.zeros(self.n_features, np.float32)
        near[met] = ranking.overlap(
            np.minimum(counts[met], samples),
            samples,
            self._statistics["density"][met],
            base,
            sum(occurrences for occurrences, _, _ in rows),
        )
        return -float(np.log(base)), near

    def _effect(self, word: str) -> Float[np.ndarray, " n_features"] | None:
        """Effect of every feature on a query word; None when the vocabulary has no way to write it."""
        whole = self._database.execute("SELECT promoters FROM token WHERE word = ?", (word,)).fetchall()
        if whole:
            return np.max([self._promotion(promoters) for (promoters,) in whole], axis=0)
        found = self._database.execute("SELECT spelling FROM word WHERE text = ?", (word,)).fetchone()
        if found is None:
            return None
        pieces = np.frombuffer(found[0], layout.PIECE)["token"].tolist()
        rows = [
            self._database.execute("SELECT promoters FROM token WHERE id = ?", (piece,)).fetchone()
            for piece in pieces
        ]
        return np.mean([self._promotion(promoters) for (promoters,) in rows], axis=0)

    def _promotion(self, promoters: bytes) -> Float[np.ndarray, " n_features"]:
        pairs = np.frombuffer(promoters, layout.PROMOTER)
        scores = np.zeros(self.n_features, np.float32)
        scores[pairs["feature"].astype(np.int64)] = ranking.effect(pairs["score"])
        return scores
