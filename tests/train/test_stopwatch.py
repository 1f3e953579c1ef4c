"""Time is given to the part that was marked."""

from monoscope.train.stopwatch import Stopwatch


def test_what_passes_between_marks_is_the_marked_part() -> None:
    watch = Stopwatch()
    things = iter(watch.waiting_for("stream", [1, 2]))
    assert next(things) == 1
    watch.mark("dictionary")
    assert next(things) == 2
    watch.seconds = {"stream": 1.0, "dictionary": 3.0}
    assert watch.shares() == {"stream": 0.25, "dictionary": 0.75}
    before = watch.last
    watch.last -= 5
    watch.mark("keeping")
    assert 5 <= watch.seconds["keeping"] < 5 + (watch.last - before) + 1


def test_no_time_has_no_shares() -> None:
    assert Stopwatch().shares() == {}
