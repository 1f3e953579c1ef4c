"""Tags read back from text agree with the tags that the writer of the text gave."""

from collections import Counter

from monoscope.synthetic.tagger import agreement, tag
from monoscope.synthetic.world import world_documents


def test_tags_read_back_agree_with_the_writers():
    totals: Counter[str] = Counter()
    for document in world_documents(200, seed=21):
        for both, missed, added in agreement(document, tag(document.text)).values():
            totals.update(both=both, missed=missed, added=added)
    precision = totals["both"] / (totals["both"] + totals["added"])
    recall = totals["both"] / (totals["both"] + totals["missed"])
    assert precision >= 0.8, precision
    assert recall >= 0.8, recall


def test_an_ordinary_story_is_about_nothing():
    text = "Once upon a time there was a girl named Lucy. She liked to run and play with her mother."
    assert [span for span in tag(text).spans if span.kind == "passage"] == []


def test_patterns_find_formats_inside_prose():
    document = tag('See https://example.org/help on 2020-01-31. "Hello there." 12 + 30 = 42')
    found = {span.concept: document.text[span.start : span.end] for span in document.spans}
    assert found["urls"] == "https://example.org/help"
    assert found["dates"] == "2020-01-31"
    assert found["quotations"] == '"Hello there."'
    assert found["arithmetic"] == "12 + 30 = 42"
