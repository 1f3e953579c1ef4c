"""Choose, for each concept, the feature and the threshold that mark it best on calibration text."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from monoscope.evaluate.candidates import Candidates, Tally
from monoscope.evaluate.stream import Activations, Advance, unwatched
from monoscope.evaluate.tags import Tags


@dataclass(frozen=True)
class Choice:
    """A candidate and its threshold, chosen on calibration text."""

    source: int
    """Which of the group's :class:`Candidates`."""
    candidate: int
    """Which of its readings."""
    sign: int
    """1: the concept is said to be there when the reading is above the threshold; -1: when it is not."""
    threshold: float
    """In the units of the site."""
    f1: float
    """On the calibration text: an optimistic number, since it was the best of many."""


def best_threshold(
    tally: Tally,
    total_above: Int[np.ndarray, "candidate threshold"],
    concept: int,
    n_tokens: int,
    n_tagged: int,
) -> tuple[int, int, int, float]:
    """The candidate, sign and threshold number of highest F1: (candidate, sign, number, F1)."""
    tagged_above = above(tally.tagged(concept))
    candidate, number, f1 = peak(2 * tagged_above / (total_above + n_tagged))
    if tally.both_signs:
        below = 2 * (n_tagged - tagged_above) / (n_tokens - total_above + n_tagged)
        other_candidate, other_number, other_f1 = peak(below)
        if other_f1 > f1:
            return other_candidate, -1, other_number, other_f1
    return candidate, 1, number, f1


def peak(f1: Float[np.ndarray, "candidate threshold"]) -> tuple[int, int, float]:
    """Candidate and threshold number of the highest value, and the value; the middle one of equal thresholds."""
    candidate = int(np.argmax(f1.max(axis=1)))
    highest = np.flatnonzero(f1[candidate] == f1[candidate].max())
    number = int(highest[len(highest) // 2])
    return candidate, number, float(f1[candidate, number])


def above(counts: Int[np.ndarray, "candidate step"]) -> Int[np.ndarray, "candidate threshold"]:
    """Tokens above each threshold."""
    return counts[:, ::-1].cumsum(1)[:, ::-1][:, 1:]


def choose(
    group: Sequence[Candidates],
    store: Activations,
    tags: Tags,
    advance: Advance = unwatched,
) -> dict[tuple[str, str], Choice]:
    """For each (concept, kind) with a tag in this text, the candidate and threshold of highest F1.

    Every feature or unit of every source is tried at every threshold of its grid.
    """
    sought = [key for key, members in tags.members.items() if len(members)]
    members = [tags.members[key] for key in sought]
    choices: dict[tuple[str, str], Choice] = {}
    for source, candidates in enumerate(group):
        for tally in candidates.tallies(store, members, tags.n_tokens, advance):
            total_above = above(tally.total())
            for concept, key in enumerate(sought):
                candidate, sign, number, f1 = best_threshold(
                    tally, total_above, concept, tags.n_tokens, len(members[concept])
                )
                if key not in choices or f1 > choices[key].f1:
                    threshold = tally.grid.threshold(candidate, number)
                    choices[key] = Choice(source, tally.first + candidate, sign, threshold, f1)
    return choices
