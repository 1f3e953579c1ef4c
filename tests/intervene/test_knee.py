"""The knee: readable, above the unsteered model, above the controls, and as small as it can be."""

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from monoscope.intervene.knee import REACHED, find_knee
from monoscope.intervene.readability import readability


@dataclass(frozen=True)
class Made:
    """A strength as the knee sees it."""

    strength: float
    effect: float
    low: float
    distinct_2: float = 0.9
    perplexity: float | None = 10.0


CLEAN = Made(0, 0.02, 0.0)
numbers = st.floats(-5, 5, allow_nan=False)
made = st.builds(
    lambda strength, effect, below, distinct_2, perplexity: Made(
        strength, effect, effect - below, distinct_2, perplexity
    ),
    st.floats(-10, 10).filter(bool),
    numbers,
    st.floats(0, 2),
    st.floats(0, 1),
    st.none() | st.floats(1, 100),
)
sweeps = st.lists(st.tuples(made, numbers), min_size=1, max_size=8, unique_by=lambda pair: pair[0].strength)


def test_the_smallest_of_those_that_bring_nearly_all() -> None:
    sweep = [Made(0.5, 0.3, 0.2), Made(1, 0.93, 0.84), Made(2, 1.0, 0.94), Made(3, 1.0, 0.94, distinct_2=0.1)]
    verdict = find_knee(CLEAN, sweep, [0.0] * 4)
    assert verdict.knee is verdict.shown is sweep[1]
    assert "1 is the smallest readable strength" in verdict.why
    assert find_knee(CLEAN, [sweep[2], sweep[0]], [0.0] * 2).knee is sweep[2]


def test_why_there_is_none() -> None:
    lost = [
        Made(1, 1.0, 0.9, perplexity=31.0),
        Made(2, 1.0, 0.9, distinct_2=0.5),
        Made(3, 1, 1, perplexity=None),
    ]
    verdict = find_knee(CLEAN, lost, [0.0] * 3)
    assert (verdict.knee, verdict.shown) == (None, None)
    assert "leaves the text readable" in verdict.why
    flat = find_knee(CLEAN, [Made(1, 0.02, 0.01), Made(2, 0.01, 0.0)], [0.0] * 2)
    assert flat.knee is None
    assert flat.shown is not None
    assert flat.shown.strength == 2
    assert "no readable strength has more of the effect" in flat.why
    assert "not above the unsteered 0.02" in find_knee(CLEAN, [Made(1, 0.04, 0.01)], [0.0]).why
    assert "others do it as well" in find_knee(CLEAN, [Made(1, 0.9, 0.8)], [0.8]).why


@given(sweeps, numbers)
def test_a_knee_passes_every_test_and_is_there_when_one_does(sweep, unsteered) -> None:
    reference = Made(0, unsteered, unsteered)
    settings, controls = [each for each, _ in sweep], [control for _, control in sweep]
    readable = [each for each in settings if readability(each, reference) == 1]
    rise = max((each.effect - unsteered for each in readable), default=0.0)
    good = [
        each
        for each, control in sweep
        if each in readable
        and rise > 0
        and each.effect - unsteered >= REACHED * rise
        and each.low > unsteered
        and each.low > control
    ]
    verdict = find_knee(reference, settings, controls)
    assert (verdict.knee is None) == (not good)
    assert verdict.why
    if verdict.knee is not None:
        assert verdict.knee in good
        assert abs(verdict.knee.strength) == min(abs(each.strength) for each in good)
        assert verdict.shown is verdict.knee
    else:
        assert (verdict.shown is None) == (not readable)


@given(sweeps, numbers, st.floats(0.25, 4), numbers)
def test_neither_unit_nor_origin_of_the_judge_counts(sweep, unsteered, unit, origin) -> None:
    # Numbers of few digits, so that a comparison is not decided by rounding.
    def coarse(value):
        return round(value * 8) / 8

    unit, origin = 2.0 ** round(unit), coarse(origin)

    def told(scale, shift):
        def one(value):
            return scale * coarse(value) + shift

        settings = [
            Made(each.strength, one(each.effect), one(each.low), each.distinct_2, each.perplexity)
            for each, _ in sweep
        ]
        reference = Made(0, one(unsteered), one(unsteered))
        return find_knee(reference, settings, [one(control) for _, control in sweep]).knee

    knee, other = told(1.0, 0.0), told(unit, origin)
    assert (knee and knee.strength) == (other and other.strength)


@given(sweeps)
def test_nothing_rises_nothing_is_recommended(sweep) -> None:
    top = max(each.effect for each, _ in sweep)
    settings, controls = [each for each, _ in sweep], [control for _, control in sweep]
    assert find_knee(Made(0, top, top), settings, controls).knee is None
