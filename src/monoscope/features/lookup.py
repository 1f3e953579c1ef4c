"""What the tables of an index know of a word, a token, a description: one array over features for each answer."""

import sqlite3
import sys
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
MUCH_RARER = 20
"""So many times rarer a word is than another that begins with it, to be taken for its beginning."""
MOST_RANKED = 10_000
"""Features that are ranked when a search of descriptions finds more."""
NAMED = ((1.0, "own"), (2 / 3, "own near"), (1 / 3, "own near promoted"))
"""Score of a description -> the columns of ``described`` that hold the words: what the feature fires on, what is
nearby, what it promotes."""


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


def quoted(word: str) -> str:
    """A word as a full-text query takes it, whatever signs it holds; a zero byte would end the query."""
    return '"' + word.replace('"', '""').replace("\0", " ") + '"'


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
        stem = quoted(word)
        rows = self.database.execute(
            "SELECT occurrences, base, features FROM word WHERE text = :word OR id IN "
            "(SELECT rowid FROM stem WHERE stem MATCH :stem ORDER BY rowid LIMIT :most)",
            {"word": word, "stem": stem, "most": MOST_FORMS},
        ).fetchall()
        if not rows:
            return None
        counts = np.zeros(self.n_features, np.int64)
        for _, _, features in rows:
            pairs = layout.from_steps(features, layout.ASSOCIATION)
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

    def completed(self, text: str) -> str:
        """A text whose last word is not finished, with the commonest word of the corpus that begins so.

        As it is where the corpus has the word not much more rarely, where nothing begins so, and behind a space.
        """
        beginning = next(reversed(words_of(text)), "")
        same = len(text) == len(text.casefold()) and text.casefold().endswith(beginning)
        if not beginning or not same:
            return text
        found = self.database.execute(
            "SELECT text FROM word WHERE text >= :from AND text < :to "
            "ORDER BY occurrences * (CASE text WHEN :from THEN :rarer ELSE 1 END) DESC, text LIMIT 1",
            {"from": beginning, "to": beginning + chr(sys.maxunicode), "rarer": MUCH_RARER},
        ).fetchone()
        return text if found is None else text[: len(text) - len(beginning)] + found[0]

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
        (promoters,) = self.database.execute(
            "SELECT promoters FROM of_token WHERE id = ?", (token,)
        ).fetchone()
        pairs = np.frombuffer(promoters, layout.PROMOTER)
        scores = np.zeros(self.n_features, np.float32)
        scores[pairs["feature"].astype(np.int64)] = pairs["score"]
        return scores

    def tokens(self, text: str) -> list[int]:
        """The tokens that look exactly like a text, spaces and case included.

        Raises:
            UnknownName: there is none; the hint has the nearest.
        """
        word = text.strip().casefold()
        rows = self.database.execute(
            "SELECT id FROM token WHERE word = ? AND text = ? ORDER BY id", (word, text)
        ).fetchall()
        if rows:
            return [token for (token,) in rows]
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
        share, recall = np.zeros(self.n_features), np.zeros(self.n_features)
        for token in tokens:
            (listed,) = self.database.execute("SELECT firers FROM of_token WHERE id = ?", (token,)).fetchone()
            entries = np.frombuffer(listed, layout.FIRER)
            features = entries["feature"].astype(np.int64)
            share[features] += entries["share"]
            # Tokens that look alike: the largest share of one of them.
            recall[features] = np.maximum(recall[features], entries["recall"])
        return share, np.minimum(recall, 1)

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

    def description_scores(self, text: str) -> Float[np.ndarray, " n_features"]:
        """How each feature's description names all words of a text, by what it does with them: see ``NAMED``."""
        words = " ".join(map(quoted, words_of(text)))
        score = np.zeros(self.n_features)
        for value, columns in NAMED if words else ():
            rows = self.database.execute(
                "SELECT rowid FROM described WHERE described MATCH ? ORDER BY rowid LIMIT ?",
                (f"{{{columns}}} : ({words})", MOST_RANKED),
            )
            found = [feature for (feature,) in rows]
            score[found] = np.maximum(score[found], value)
        return score
