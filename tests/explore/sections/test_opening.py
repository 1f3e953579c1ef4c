from explore import fake
from monoscope.explore.sections.opening import opening, progress


def test_facts_are_those_of_the_run():
    html = opening("Title", fake.report(24)["run"], complete=True).replace("\u00a0", " ")
    for words in (
        "<h1>Title</h1>",
        "24 features",
        "blocks.2.resid_post",
        "1.5 million",
        "topk k = 32",
        "3 min 34 s",
    ):
        assert words in html


def test_before_the_end_nothing_is_called_learnt():
    assert "are being learnt" in opening("Title", {}, complete=False)
    assert "are being learnt" not in opening("Title", {}, complete=True)


def test_stages_are_done_running_or_to_come_in_their_order():
    html = progress({"stage": "train", "done": ["harvest"], "seconds": 41.0, "complete": False})
    assert html.index('class="done"') < html.index('class="now"') < html.index('class="next"')
    assert html.count("<li") == 6
    assert "41\u00a0s so far" in html


def test_stages_of_another_run_are_shown_by_their_names():
    html = progress({"stage": "map_out", "done": ["harvest"], "seconds": 3.0, "complete": False})
    assert "map out" in html


def test_a_run_that_is_complete_shows_no_progress():
    assert progress({"stage": "report", "done": [], "seconds": 1.0, "complete": True}) is None
