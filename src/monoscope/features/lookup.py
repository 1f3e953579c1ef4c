"""What the tables of an index know of a word, a token, a description: one array over features for each answer."""

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Shaped

from monoscope.errors import UnknownName, WrongUse, nearest
from monoscope.features import database as layout
from monoscope.features import search as ranking
from monoscope.features.passages import words_of

MOST_FORMS = 16
"""Forms of a query word (by stem) that are looked up."""


def check_text(text: str) -> None:
    """Refuse half a character: what a command line or a JSON file makes of broken text.

    Raises:
        WrongUse: the text holds a surrogate on its own.
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise WrongUse(
            f"the text has half a character at place {error.start + 1}", "give whole characters, in UTF-8"
        ) from error


@dataclass(frozen=True)
class Lookup:
    """Questions to an index' database."""

    database: sqlite3.Connection
    statistics: Mapping[str, Shaped[np.ndarray, " n_features"]]
    n_features: int
    samples: int
    """Activations of each feature whose surroundings were looked at."""

    def overlap(self, word: str) -> tuple[float, Float[np.ndarray, " n_features"]] | None:
        """Weight and overlap of a query word with every feature; None when the corpus has no form of it."""
        # Full-text search reads to the first zero: without it the quote would stay open.
        stem = '"' + word.replace('"', '""').replace("\0", " ") + '"'
        rows = self.database.execute(
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
        samples = np.minimum(self.statistics["n_active"][met], self.samples)
        near = np.zeros(self.n_features, np.float32)
        near[met] = ranking.overlap(
            np.minimum(counts[met], samples),
            samples,
            self.statistics["density"][met],
            base,
            sum(occurrences for occurrences, _, _ in rows),
        )
        return -float(np.log(base)), near

    def effect(self, word: str) -> Float[np.ndarray, " n_features"] | None:
        """Effect of every feature on a query word; None when the vocabulary has no way to write it."""
        whole = self.database.execute("SELECT id FROM token WHERE word = ?", (word,)).fetchall()
        if whole:
            return np.max([ranking.effect(self.deviations(token)) for (token,) in whole], axis=0)
        found = self.database.execute("SELECT spelling FROM word WHERE text = ?", (word,)).fetchone()
        if found is None:
            return None
        pieces = np.frombuffer(found[0], layout.PIECE)["token"].tolist()
        return np.mean([ranking.effect(self.deviations(piece)) for piece in pieces], axis=0)

    def deviations(self, token: int) -> Float[np.ndarray, " n_features"]:
        """Logit weight of the features that promote a token, in standard deviations; 0 for the others."""
        (promoters,) = self.database.execute("SELECT promoters FROM token WHERE id = ?", (token,)).fetchone()
        pairs = np.frombuffer(promoters, layout.PROMOTER)
        scores = np.zeros(self.n_features, np.float32)
        scores[pairs["feature"].astype(np.int64)] = pairs["score"]
        return scores

    def tokens(self, text: str) -> list[int]:
        """The tokens that look exactly like a text, spaces and case included.

        Raises:
            UnknownName: there is none; the hint has the nearest.
        """
        rows = self.database.execute("SELECT id FROM token WHERE text = ? ORDER BY id", (text,)).fetchall()
        if rows:
            return [token for (token,) in rows]
        word = text.strip().casefold()
        same = self.database.execute(
            "SELECT DISTINCT text FROM token WHERE word = ? OR substr(word, 1, 3) = ? "
            "ORDER BY word <> ?, abs(length(word) - ?), text LIMIT 200",
            (word, word[:3], word, len(word)),
        ).fetchall()
        known = [repr(other) for (other,) in same]
        named = repr(text if len(text) <= 40 else f"{text[:40]}…")
        hint = nearest(repr(text), known[:3] if len(text) > 40 else known) if known else "give one token"
        raise UnknownName(
            f"no token of the vocabulary is {named}", f"{hint}; most words begin with a space, as in ' the'"
        )

    def firing(
        self, tokens: Sequence[int]
    ) -> tuple[Float[np.ndarray, " n_features"], Float[np.ndarray, " n_features"]]:
        """How much of each feature's activation falls on some tokens, and on what share of them it is active.

        Known for the tokens that a feature lists; 0 for others.
        """
        rows = self.database.execute("SELECT id, tokens FROM feature").fetchall()
        lengths = [len(listed) // layout.TOKEN_SHARE.itemsize for _, listed in rows]
        owners = np.repeat([feature for feature, _ in rows], lengths)
        entries = np.frombuffer(b"".join(listed for _, listed in rows), layout.TOKEN_SHARE)
        met = np.isin(entries["token"], tokens)
        owners, entries = owners[met], entries[met]
        occurrences = entries["count"] / (entries["lift"] * self.statistics["density"][owners])
        share, active, seen = (
            np.bincount(owners, weights=column, minlength=self.n_features)
            for column in (entries["share"], entries["count"], occurrences)
        )
        return share, np.minimum(active / np.maximum(seen, 1e-12), 1)

    def described(self, text: str, relation: str) -> Bool[np.ndarray, " n_features"]:
        """The features whose description holds a text (``~``), whatever its case, or is it (``=``)."""
        self.database.create_function("casefold", 1, str.casefold, deterministic=True)
        condition = "instr(casefold(description), ?)" if relation == "~" else "description = ?"
        rows = self.database.execute(
            f"SELECT id FROM feature WHERE {condition}", (text.casefold() if relation == "~" else text,)
        ).fetchall()
        found = np.zeros(self.n_features, bool)
        found[[feature for (feature,) in rows]] = True
        return found

    def description_scores(self, query: str) -> Float[np.ndarray, " n_features"]:
        """Words of the query in each description / words of either; 0 unless all the query's are there.

        The Jaccard index of the two sets of words, where a word may be the beginning of another.
        """
        words = set(words_of(query))
        score = np.zeros(self.n_features)
        if not words:
            return score
        held = np.all([self.described(word, "~") for word in words], axis=0)
        for feature in np.flatnonzero(held).tolist():
            (text,) = self.database.execute(
                "SELECT description FROM feature WHERE id = ?", (feature,)
            ).fetchone()
            own = set(words_of(text))
            if all(any(other.startswith(word) for other in own) for word in words):
                score[feature] = len(words) / len(own | words)
        return score
