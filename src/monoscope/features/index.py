"""The index of a dictionary's features: opened from its folder, asked for records and searched."""

import weakref
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Shaped

from monoscope.errors import BrokenInput, UnknownName, WrongUse, nearest
from monoscope.features import database as layout
from monoscope.features import search as ranking
from monoscope.features.filters import Filter
from monoscope.features.finding import results
from monoscope.features.lookup import Lookup, check_text
from monoscope.features.passages import words_of
from monoscope.features.reading import mapped_tokens, read_examples, read_histogram, read_shares, read_weights
from monoscope.features.record import CoActivation, FeatureRecord, Neighbour, SearchResult
from monoscope.manifest import Manifest, check_parent, is_complete, read_manifest

_SAID: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "fires": lambda part: f"{part['share']:.0%} of its activation; on {part['recall']:.0%} of the token",
    "promotes": lambda part: f"logit {part['deviations']:.1f} standard deviations up",
}
"""Role of a feature for a token -> what its score was given for."""


class FeatureIndex:
    """What every feature of a dictionary fires on and writes; made by ``build_index``, read-only.

    Attributes:
        folder: where it lies.
        manifest: how it was made; ``parents`` names the dictionary, activations and model by hash.
        n_features: features in the dictionary.
        corpus: token ids of the indexed corpus by flat position, mapped from disk: what examples refer to.
    """

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self.folder = folder
        self.manifest = manifest
        content = manifest.content
        self.n_features: int = content["n_features"]
        self._address: str = content["address"]
        self._stored = layout.stored_dtype(content["window"], content["token_dtype"])
        self._samples: int = content["samples"]
        self._database = layout.open_database(folder / "index.sqlite")
        weakref.finalize(self, self._database.close)
        self.corpus = mapped_tokens(folder / "tokens.bin", content["token_dtype"])

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

    @staticmethod
    def is_there(folder: str | Path) -> bool:
        """Whether a complete index lies there that this version reads."""
        folder = Path(folder)
        return (
            is_complete(folder) and read_manifest(folder, "features").content.get("layout") == layout.LAYOUT
        )

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
            examples=read_examples(examples, largest, self._stored, text),
            tokens=read_shares(tokens, text),
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
        where: Filter | str | None = None,
        min_density: float = 0.0,
        max_density: float = 1.0,
    ) -> list[SearchResult]:
        """The features that go with a query's words, best first; the formulas are in
        ``monoscope.features.search``.

        Args:
            query: one or several words, in any case.
            limit: results at most.
            by: what to sort by.
            where: a filter, or its text: see ``monoscope.features.filter_text``.
            min_density: features active on a smaller share of tokens are left out.
            max_density: features active on a larger share are left out.

        Returns:
            Features with a score above 0, with ``overlap`` and ``effect``; empty when neither the corpus nor
            the vocabulary knows the words.

        Raises:
            WrongUse: ``by`` is ``effect`` and the index was made without logit weights, or the filter cannot be
                read.
            UnknownName: ``by`` is another word, or the filter names something unknown.
        """
        if by == "effect":
            self._check_logit_weights("sort the search by overlap")
        check_text(query)
        words, lookup = list(dict.fromkeys(words_of(query))), self._lookup
        overlaps = [found for word in words if (found := lookup.overlap(word)) is not None]
        effects = [found for word in words if (found := lookup.effect(word)) is not None]
        scores = ranking.combine(overlaps, effects, self.n_features, by)
        density = self.statistics()["density"]
        within = (density >= min_density) & (density <= max_density)
        return results(
            self,
            np.where(within, scores.score, 0),
            {"overlap": scores.overlap, "effect": scores.effect},
            lambda part: f"goes with the words {part['overlap']:.2f}, promotes them {part['effect']:.2f}",
            where=where,
            limit=limit,
        )

    def completed(self, query: str) -> str:
        """A query while it is typed: a last word that the corpus does not know becomes the commonest that begins so."""
        check_text(query)
        return self._lookup.completed(query)

    def by_token(
        self, text: str, *, role: str = "fires", where: Filter | str | None = None, limit: int = 10
    ) -> list[SearchResult]:
        """The features that fire on a token of the vocabulary, or that promote it.

        Formulas: ``fires`` is ``2 s r / (s + r)`` with s the share of the feature's activation that falls on the
        token and r the share of the token's occurrences on which the feature is active: 1 when it marks this token
        always and no other. ``promotes`` is the effect of ``monoscope.features.search``. Both are known for what
        the index keeps: the tokens that a feature lists, the features that a token lists.

        Args:
            text: the token exactly as it looks, spaces and case included: ``" bridge"``.
            role: ``fires`` or ``promotes``.
            where: a filter, or its text.
            limit: results at most.

        Returns:
            Results with ``share`` and ``recall``, or with ``deviations`` of the logit weight from its mean.

        Raises:
            UnknownName: no token looks like that, there is no such role, or the filter names something unknown.
            WrongUse: the index was made without logit weights, or the filter cannot be read.
        """
        check_text(text)
        tokens = self._lookup.tokens(text)
        if role == "promotes":
            self._check_logit_weights("search for what fires on the token")
            z = np.max([self._lookup.deviations(token) for token in tokens], axis=0)
            parts, score = {"deviations": z}, ranking.effect(z)
        elif role == "fires":
            share, recall = self._lookup.firing(tokens)
            parts = {"share": share, "recall": recall}
            score = 2 * share * recall / np.maximum(share + recall, 1e-12)
        else:
            raise UnknownName(f"{role!r} is nothing to do with a token", nearest(role, ("fires", "promotes")))
        return results(self, score, parts, _SAID[role], where=where, limit=limit)

    def by_description(
        self, text: str, limit: int = 10, *, where: Filter | str | None = None
    ) -> list[SearchResult]:
        """The features whose descriptions name all words of a text, in any form of the words.

        The score is 1 where the feature fires on all the words, 2/3 where some are words nearby, 1/3 where some are
        promoted; of equals the lower number comes first. Where very many do, ``MOST_RANKED`` of each are ranked.

        Raises:
            UnknownName, WrongUse: the filter is none.
        """
        check_text(text)
        score = self._lookup.description_scores(text)
        return results(self, score, {}, lambda part: "described so", where=where, limit=limit)

    def token_id(self, text: str) -> int:
        """The token that looks exactly like a text, spaces and case included; the first, where several do.

        Raises:
            UnknownName: there is none; the hint has the nearest.
        """
        check_text(text)
        return self._lookup.tokens(text)[0]

    def described(self, text: str, relation: str) -> Bool[np.ndarray, " n_features"]:
        """The features whose description holds a text (``~``), whatever its case, or is it (``=``)."""
        return self._lookup.described(text, relation)

    @property
    def site(self) -> str:
        """Where the dictionary reads."""
        return self.manifest.content["site"]

    def description(self, feature: int) -> str:
        """The feature's line.

        Raises:
            UnknownName: the dictionary has no feature of that number.
        """
        self.check(feature)
        return self._database.execute("SELECT description FROM feature WHERE id = ?", (feature,)).fetchone()[
            0
        ]

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
    def _vocabulary(self) -> Shaped[np.ndarray, " vocabulary"]:
        texts = [text for (text,) in self._database.execute("SELECT text FROM token ORDER BY id")]
        return np.array(texts, object)

    @cached_property
    def _lookup(self) -> Lookup:
        return Lookup(self._database, self._statistics, self.n_features, self._samples)

    def _check_logit_weights(self, instead: str) -> None:
        if not self.manifest.content["logit_weights"]:
            raise WrongUse(f"the index in {self.folder} was made without logit weights", instead)
