import re

from explore import fake
from monoscope.explore.cards import pack
from monoscope.explore.sections.browser import ORDERS, browser


def test_data_is_base64_alone_one_block_after_the_summary():
    part = fake.features(130, top=1)
    html = browser(part, None)
    data = re.findall(r"<data>([^<]*)</data>", html)
    packed = pack(part["cards"])
    assert data == [packed.summary, *packed.blocks]
    assert all(re.fullmatch(r"[A-Za-z0-9+/]+=*", each) for each in data)
    assert len(data) == 3


def test_the_open_feature_the_orders_and_the_numbers_are_said():
    html = browser(fake.features(80, top=1), 12)
    assert 'data-feature="12"' in html
    assert re.findall(r'<option value="(\w+)"', html) == list(ORDERS)
    assert "Of 80 features 78 fire on the text; 80 have a card here." in html
    assert "All 30 fire on the text." in browser(fake.features(30, top=1), None)


def test_without_cards_there_is_nothing_to_browse():
    assert browser({}, None) is None
