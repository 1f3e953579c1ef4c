"""Which tokens express which concept, among the usable tokens of a store in their order."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int

from monoscope.activations.rows import TokenRows

KINDS = ("mention", "passage")
"""Two ways to express a concept: a word that names it, and the whole stretch of text about it."""


@dataclass(frozen=True)
class Tags:
    """Tagged tokens of the first usable tokens of a text, by concept and kind."""

    n_tokens: int
    """Usable tokens looked at."""
    members: dict[tuple[str, str], Int[np.ndarray, " _"]]
    """(concept, kind) -> ordinals of its tokens, ascending, counted over usable tokens from 0."""

    @classmethod
    def of(cls, rows: TokenRows, n_tokens: int) -> "Tags":
        """Tags of the first ``n_tokens`` usable tokens; every concept has both kinds, perhaps empty."""
        usable = np.flatnonzero(rows.usable.reshape(-1))[:n_tokens]
        members = {}
        for kind in KINDS:
            positions, concepts = rows.tags.get(kind, (np.empty(0, np.int64), np.empty(0, np.int16)))
            ordinals = np.searchsorted(usable, positions)
            known = ordinals < len(usable)
            known[known] = usable[ordinals[known]] == positions[known]
            for number, concept in enumerate(rows.concepts):
                members[concept, kind] = np.unique(ordinals[known & (concepts == number)])
        return cls(len(usable), members)

    def of_concept(self, concept: str, kind: str) -> Int[np.ndarray, " tagged"]:
        """Ordinals of a concept's tokens; none for a concept that these rows do not know."""
        return self.members.get((concept, kind), np.empty(0, np.int64))

    def count(self, concept: str, kind: str) -> int:
        """Tokens tagged with a concept."""
        return len(self.of_concept(concept, kind))

    def share(self, concept: str) -> float:
        """Share of the tokens that express the concept, under either kind."""
        return len(np.union1d(*(self.of_concept(concept, kind) for kind in KINDS))) / self.n_tokens

    def mask(self, concept: str, kind: str) -> Bool[np.ndarray, " token"]:
        """True where a usable token is tagged."""
        tagged = np.zeros(self.n_tokens, bool)
        tagged[self.of_concept(concept, kind)] = True
        return tagged
