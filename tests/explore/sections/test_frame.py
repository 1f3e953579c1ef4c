import re

from monoscope.explore.sections.frame import SHADES, coloured, shade


def test_colours_go_from_silent_to_the_largest_and_show_every_activation_above_nought():
    assert [shade(value, 2.0) for value in (0, -1.0, None, float("nan"), 1e-9, 1.0, 2.0, 5.0)] == [
        0, 0, 0, 0, 1, SHADES // 2, SHADES, SHADES,
    ]  # fmt: skip
    assert shade(1.0, 0.0) == 0
    assert [shade(value, 1.0, faintest=0) for value in (0.04, 0.06, 1.0)] == [0, 1, SHADES]


def test_only_active_words_are_coloured_and_their_leading_spaces_are_not():
    html = coloured([" the", " bridge", "s", "\n", " "], [0.0, 2.0, 1.0, 0.0, 0.5], 2.0)
    spans = re.findall(r'<span class="s(\d+)" data-tip="([^"]*)">([^<]*)</span>', html)
    assert [(int(step), word) for step, _, word in spans] == [(10, "bridge"), (5, "s"), (2, " ")]
    assert spans[1][1] == "1, 50\u00a0% of the largest"
    assert re.sub(r"<[^>]*>", "", html) == "the bridges↵ "
