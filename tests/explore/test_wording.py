import math

import pytest

from monoscope.explore import wording

NBSP = "\u00a0"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "–"),
        (math.nan, "–"),
        (math.inf, "–"),
        (0, "0"),
        (0.0, "0"),
        (4096, "4,096"),
        (0.03123, "0.0312"),
        (-0.895, "-0.895"),
        (2.0, "2"),
        (12.34, "12.3"),
        (1234.5, "1,234"),
        (0.00001234, "1.23e-05"),
        (12345678.9, "1.23e+07"),
    ],
)
def test_numbers_have_three_significant_digits(value, expected):
    assert wording.number(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [(None, "–"), (0, "0 %"), (1, "100 %"), (0.414, "41 %"), (0.00523, "0.52 %"), (0.000031, "0.0031 %")],
)
def test_shares_are_short_and_do_not_break(value, expected):
    assert wording.percent(value) == expected.replace(" ", NBSP)


def test_table_figures_have_a_fixed_number_of_places():
    assert [wording.tenths(0.9617), wording.tenths(None)] == [f"96.2{NBSP}%", "–"]
    assert [wording.hundredths(1), wording.hundredths(0.967), wording.hundredths(math.nan)] == [
        "1.00",
        "0.97",
        "–",
    ]


def test_numbers_that_are_compared_have_three_places():
    assert [wording.thousandths(each) for each in (1, 0.14249, 1234.5, None)] == [
        "1.000",
        "0.142",
        "1,234.500",
        "–",
    ]


def test_counts_and_durations_in_words():
    assert [wording.count(each) for each in (None, 4096, 1_500_000, 2.5e9)] == [
        "–",
        "4,096",
        f"1.5{NBSP}million",
        f"2.5{NBSP}billion",
    ]
    assert [wording.duration(each).replace(NBSP, " ") for each in (41.2, 260, 7500, None)] == [
        "41 s",
        "4 min 20 s",
        "2 h 05 min",
        "–",
    ]


def test_an_interval_needs_both_of_its_ends():
    assert wording.bounds([0.1, 0.2]) == (0.1, 0.2)
    assert [wording.bounds(each) for each in (None, [], [0.1, None], [math.nan, 1.0])] == [None] * 4


def test_characters_that_would_turn_or_break_the_text_are_replaced():
    assert wording.visible("a\r\n b") == "a↵ b"
    assert wording.visible("\u202eabc\u2028\x00\u2066") == "\ufffdabc\ufffd\ufffd\ufffd"
    assert wording.plain("a\r\n\tb\u202e") == "a\n\tb\ufffd"
    assert wording.visible("naïve — ‘日本’ 👍🏽") == "naïve — ‘日本’ 👍🏽"
