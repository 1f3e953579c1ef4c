from monoscope.explore.terms import GROUPS, METRICS


def test_every_metric_is_in_exactly_one_group():
    asked = [metric for metrics in GROUPS.values() for metric in metrics]
    assert sorted(asked) == sorted(METRICS)


def test_every_term_is_explained_in_a_sentence_and_says_which_way_is_better_or_nothing():
    for term in METRICS.values():
        assert term.plain.endswith(".")
        assert term.better in ("", "lower", "higher")
