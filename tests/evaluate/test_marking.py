"""Which concept a feature marks, compared with trying everything by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monoscope.evaluate.marking import Marking
from monoscope.evaluate.tags import KINDS
from monoscope.features.firings import Firings

N_FEATURES = 4


def firings(codes: np.ndarray, positions: np.ndarray, rows: slice) -> Firings:
    """What fired on some of the tokens, as a stream has it."""
    token, feature = np.nonzero(codes[rows])
    values = codes[rows][token, feature].astype(np.float32)
    return Firings.sort(feature.astype(np.int32), positions[rows][token], values, len(codes[rows]))


def f1(active: np.ndarray, tagged: np.ndarray) -> tuple[float, float, float]:
    """F1, precision and recall."""
    hits = int((active & tagged).sum())
    return 2 * hits / (active.sum() + tagged.sum()), hits / max(active.sum(), 1), hits / tagged.sum()


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n_tokens=st.integers(2, 60), cut=st.floats(0, 1))
def test_the_best_of_all_is_measured_on_the_other_half(seed: int, n_tokens: int, cut: float) -> None:
    random = np.random.default_rng(seed)
    codes = random.choice([0, 0, 0, 0.5, 1, 1.5, 2.25], (n_tokens, N_FEATURES))
    positions = np.sort(random.choice(3 * n_tokens, n_tokens, replace=False))
    tags = {(concept, kind): random.random(n_tokens) < 0.3 for concept in "ab" for kind in KINDS}
    marking = Marking(N_FEATURES, positions)
    middle = int(cut * n_tokens)
    for rows in (slice(0, middle), slice(middle, n_tokens)):
        marking.update(firings(codes, positions, rows))
    found = marking.marks({key: np.flatnonzero(mask) for key, mask in tags.items()}, ["a", "b"])
    half = n_tokens // 2
    for feature in range(N_FEATURES):
        own = codes[:, feature]
        tried = [
            (f1(own[:half] >= threshold, tags[concept, kind][:half])[0], number, place, threshold)
            for number, concept in enumerate("ab")
            for place, kind in enumerate(KINDS)
            if tags[concept, kind][:half].any() and tags[concept, kind][half:].any()
            for threshold in np.unique(own[own > 0])
        ]
        best = max((each[0] for each in tried), default=0.0)
        assert found.first_f1[feature] == pytest.approx(best)
        if best:
            number, kind = int(found.concept[feature]), KINDS[found.kind[feature]]
            tagged, active = tags["ab"[number], kind], own >= found.threshold[feature]
            assert f1(active[:half], tagged[:half])[0] == pytest.approx(best)
            assert (found.f1[feature], found.precision[feature], found.recall[feature]) == pytest.approx(
                f1(active[half:], tagged[half:])
            )
            assert found.tagged[feature] == tagged[half:].sum()
        else:
            assert found.concept[feature] == -1
            assert found.f1[feature] == 0


def test_what_a_half_hardly_shows_is_not_tried() -> None:
    codes = np.ones((40, 1))
    marking = Marking(1, np.arange(40))
    marking.update(firings(codes, np.arange(40), slice(0, 40)))
    members = {("rare", "mention"): np.array([1, 2, 3, 30]), ("common", "passage"): np.arange(0, 40, 2)}
    found = marking.marks(members, ["rare", "common", "absent"], least=2)
    assert (found.concept[0], found.kind[0]) == (1, 1)
    assert marking.marks(members, ["rare"], least=2).concept[0] == -1
    assert marking.marks(members, ["rare"]).concept[0] == 0
    assert Marking(2, np.arange(3)).marks(members, ["rare"]).concept.tolist() == [-1, -1]
