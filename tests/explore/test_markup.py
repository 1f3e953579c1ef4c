from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from explore.fake import HOSTILE
from monoscope.explore.markup import Markup, element, join


class Reader(HTMLParser):
    """What a browser makes of the text: elements with their attributes, and the text between them."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\r\0")))
def test_any_text_comes_out_as_the_same_text_and_nothing_else(text):
    read = Reader(element("p", text, title=text))
    assert read.elements == [("p", {"title": text})]
    assert read.text == text


def test_hostile_texts_stay_text_inside_an_element():
    for text in HOSTILE:
        read = Reader(element("div", element("span", text), text))
        assert [name for name, _ in read.elements] == ["div", "span"]
        assert read.text == text * 2


def test_markup_goes_in_as_it_is_and_text_is_escaped_wherever_it_stands():
    inner = element("b", "1 < 2")
    assert element("p", inner, " & ", [None, ["x", inner]], 3) == (
        "<p><b>1 &lt; 2</b> &amp; x<b>1 &lt; 2</b>3</p>"
    )
    assert join("<b>") == "&lt;b&gt;"
    assert join(Markup("<b>")) == "<b>"


def test_attributes_are_named_shortened_and_left_out():
    assert element("input", class_="a", data_tip="b", hidden=True, id=None, disabled=False) == (
        '<input class="a" data-tip="b" hidden>'
    )
    assert element("circle", cx=1.0, cy=2.345678, viewBox="0 0") == (
        '<circle cx="1" cy="2.35" viewBox="0 0"></circle>'
    )
