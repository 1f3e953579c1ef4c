import json

from hypothesis import given
from hypothesis import strategies as st

from monoscope.commands.terminal import UNSEEN, visible, visible_json


@given(st.text(st.characters(exclude_categories=[]), max_size=20))
def test_nothing_unseen_is_left_and_the_rest_stays(text: str) -> None:
    shown = visible(text)
    assert not UNSEEN.search(shown)
    assert "".join(UNSEEN.split(text)) == "".join(
        shown if not UNSEEN.search(text) else part for part in UNSEEN.split(text)
    )
    shown.encode()
    assert visible(shown) == shown


@given(st.recursive(st.text(st.characters(exclude_categories=[])), lambda part: st.lists(part, max_size=3)))
def test_json_stays_what_it_says(value: object) -> None:
    written = visible_json(json.dumps(value, ensure_ascii=False))
    assert json.loads(written) == value
    assert not UNSEEN.search(written)
    written.encode()


def test_what_people_write_is_left_alone() -> None:
    for text in ("bridge\n\tgate", "שלום", "👩‍👩‍👧 🌉", "naïve café"):
        assert visible(text) == text
    assert visible("a\x1b[31mb\x9b\u202e\udc80") == r"a\x1b[31mb\x9b\u202e\udc80"
