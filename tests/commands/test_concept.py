import numpy as np
import pytest

from monoscope.commands.features.concept import _marks, named
from monoscope.errors import UnknownName, WrongUse
from monoscope.evaluate.candidates import STEPS, CodeTally, Grid

N_TOKENS, N_FEATURES = 400, 5


def test_marks_are_chosen_on_one_half_and_measured_on_the_other() -> None:
    random = np.random.default_rng(0)
    steps = np.where(
        random.random((N_TOKENS, N_FEATURES)) < 0.4, random.integers(1, STEPS, (N_TOKENS, N_FEATURES)), 0
    )
    mention = np.flatnonzero(random.random(N_TOKENS) < 0.1)
    passage = np.flatnonzero(random.random(N_TOKENS) < 0.3)
    steps[mention, 0] = 250
    steps[passage, 1] = np.where(random.random(len(passage)) < 0.8, 240, 0)
    keys = np.arange(N_FEATURES) * STEPS + steps
    grid = Grid(np.zeros(N_FEATURES, np.float32), np.full(N_FEATURES, 0.5, np.float32))
    found = _marks(CodeTally(keys, [mention, passage], grid), [mention, passage], N_TOKENS)
    assert found is not None

    def f1(feature: int, number: int, tagged: np.ndarray, half: slice) -> tuple[float, float, float]:
        marked = steps[half, feature] > number
        truth = np.isin(np.arange(N_TOKENS)[half], tagged)
        hits = (marked & truth).sum()
        return 2 * hits / (marked.sum() + truth.sum()), hits / max(marked.sum(), 1), hits / truth.sum()

    first, second = slice(0, N_TOKENS // 2), slice(N_TOKENS // 2, N_TOKENS)
    for feature in range(N_FEATURES):
        tried = [
            (f1(feature, number, tagged, first)[0], -kind, -number)
            for kind, tagged in enumerate((mention, passage))
            for number in range(STEPS - 1)
        ]
        best, kind, number = max(tried)
        assert found["first_f1"][feature] == pytest.approx(best)
        assert found["kind"][feature] == ("mention", "passage")[-kind]
        assert found["threshold"][feature] == pytest.approx(-number * 0.5)
        measured = f1(feature, -number, (mention, passage)[-kind], second)
        assert (
            found["f1"][feature], found["precision"][feature], found["recall"][feature]
        ) == pytest.approx(measured)  # fmt: skip
    assert found["kind"][:2].tolist() == ["mention", "passage"]
    assert found["f1"].argmax() == 0
    assert _marks(CodeTally(keys, [], grid), [mention[mention < 200], np.empty(0, int)], N_TOKENS) is None


def test_a_concept_is_named_as_people_write() -> None:
    concepts = ["dog", "golden_gate_bridge"]
    for text in ("Golden Gate bridge", "golden_gate_bridge", " GOLDEN gate_bridge "):
        assert named(text, concepts) == "golden_gate_bridge"
    with pytest.raises(UnknownName, match="'golden gate'"):
        named("golden gate", concepts)
    with pytest.raises(WrongUse, match="not tagged with concepts"):
        named("dog", [])
