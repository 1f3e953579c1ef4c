"""Tagged concepts as analyses need them: which is part of which, and which feature marks them best."""

from collections.abc import Callable, Container
from dataclasses import dataclass

import numpy as np

from monoscope.dictionaries import SparseAutoencoder
from monoscope.evaluate.analyses.base import Material
from monoscope.evaluate.candidates import Features
from monoscope.evaluate.recovery import Marks, score
from monoscope.evaluate.selection import choose
from monoscope.evaluate.stream import unwatched
from monoscope.evaluate.tags import Tags

INSIDE = 0.95
"""Share of a concept's tokens that are another's too, from which it is part of it."""


@dataclass(frozen=True)
class Tagged:
    """A run's two texts with their tags; dictionaries of other runs of its model can be judged on them too."""

    material: Material
    """The run."""
    chosen_on: Tags
    """Tags of the calibration text."""
    measured_on: Tags
    """Tags of the held-out text."""

    @classmethod
    def of(cls, material: Material, n_tokens: int) -> "Tagged":
        """The first ``n_tokens`` tokens of each text."""
        calibration, heldout = material.calibration.rows, material.heldout.rows
        return cls(material, Tags.of(calibration, n_tokens), Tags.of(heldout, n_tokens))

    def marks(
        self,
        dictionary: SparseAutoencoder,
        concepts: Container[str],
        advance: Callable[[int], None] = unwatched,
    ) -> Marks:
        """The feature and threshold that mark each concept best on calibration text, and how well on other text.

        Args:
            dictionary: whose features.
            concepts: those sought.
            advance: told the number of tokens after each batch.
        """
        chosen_on, measured_on = (
            Tags(tags.n_tokens, {key: at for key, at in tags.members.items() if key[0] in concepts})
            for tags in (self.chosen_on, self.measured_on)
        )
        group = [Features(dictionary, self.material.dictionary.site)]
        choices = choose(group, self.material.calibration, chosen_on, advance)
        return Marks(choices, score(group, choices, self.material.heldout, measured_on, advance))


def families(tags: Tags) -> dict[str, list[str]]:
    """Concepts that contain others, and the others: dolphins, sharks and whales are sea animals.

    One is part of another when nearly all of its passages are passages of the other, and less than half of the
    other's are its own.
    """
    passages = {
        concept: tags.of_concept(concept, "passage")
        for concept, kind in tags.members
        if kind == "passage" and tags.count(concept, "passage")
    }
    found: dict[str, list[str]] = {}
    for parent, whole in passages.items():
        children = [
            child
            for child, part in passages.items()
            if child != parent
            and 2 * len(part) < len(whole)
            and len(np.intersect1d(part, whole, assume_unique=True)) >= INSIDE * len(part)
        ]
        if len(children) >= 2:
            found[parent] = sorted(children)
    return found
