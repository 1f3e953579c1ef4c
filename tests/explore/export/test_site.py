"""The exported site as data, without a browser."""

import json
from pathlib import Path
from weakref import finalize

import pytest

from explore import fake
from monoscope.explore.cards import short, telling
from monoscope.explore.export import site as module
from monoscope.explore.export import write_site
from monoscope.explore.labels import with_labels

from .fake_index import Card, FakeIndex, fake_index, fake_labels, read_records
from .searching import brute_force, in_index


@pytest.fixture(scope="module")
def index() -> FakeIndex:
    return fake_index(160)


@pytest.fixture(scope="module")
def site(index: FakeIndex, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    write_site(index, folder, labels=fake_labels(index), shard_bytes=60_000)
    return folder


@pytest.fixture(scope="module")
def content(site: Path) -> dict:
    return json.loads((site / "manifest.json").read_text())["content"]


def test_every_card_is_read_back_from_its_range(site: Path, content: dict, index: FakeIndex) -> None:
    assert len(content["cards"]["shards"]) > 3
    cards = read_records(site / "cards", content["cards"])
    labels = fake_labels(index)
    assert cards == [with_labels(card, labels) for card in index.cards]
    assert sum("effects" in card for card in cards) == len(labels) > 50


def test_without_labels_a_card_is_its_record(tmp_path: Path) -> None:
    index = fake_index(40)
    content = write_site(index, tmp_path).content
    assert read_records(tmp_path / "cards", content["cards"]) == index.cards


def test_rows_by_number_and_in_other_orders(site: Path, content: dict, index: FakeIndex) -> None:
    records = read_records(site / "rows", content["rows"])

    def listed(name: str) -> list[dict]:
        order = content["rows"]["orders"][name]
        count = -(-order["rows"] // content["rows"]["per_record"])
        rows = []
        for record in records[order["first"] : order["first"] + count]:
            rows += [dict(zip(record, values, strict=True)) for values in zip(*record.values(), strict=True)]
        assert len(rows) == order["rows"]
        return rows

    assert listed("number") == [
        {
            "feature": card["feature"],
            "description": card["description"][:300],
            "density": short(card["density"]),
            "largest": short(card["max_activation"]),
        }
        for card in index.cards
    ]
    keys = {
        "best": lambda card: (-short(telling(card), 2), -card["density"], card["feature"]),
        "common": lambda card: -card["density"],
        "rare": lambda card: (card["density"] == 0, card["density"]),
        "strong": lambda card: (card["density"] == 0, -card["max_activation"]),
    }
    for name, key in keys.items():
        expected = [card["feature"] for card in sorted(index.cards, key=key)]
        assert [row["feature"] for row in listed(name)] == expected


def test_only_the_beginning_of_an_order_is_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(module, "LISTED", 70)
    index = fake_index(160)
    content = write_site(index, tmp_path).content
    orders = content["rows"]["orders"]
    assert orders["number"] == {"first": 0, "rows": 160}
    assert {name: order["rows"] for name, order in orders.items() if name != "number"} == dict.fromkeys(
        ("best", "common", "rare", "strong"), 70
    )
    records = read_records(tmp_path / "rows", content["rows"])
    strongest = sorted(index.cards, key=lambda card: -card["max_activation"])[:70]
    first = orders["strong"]["first"]
    assert records[first]["feature"] + records[first + 1]["feature"] == [
        card["feature"] for card in strongest
    ]


QUERIES = (
    *("bridge", "penguin", "bri", "b", "penguin krill", "towers fog bridge", "PENGUIN", "promotes"),
    *("131", "#131", "xylophone", "near", "niña", "ni", "passwd", "x" * 200, "half", "🐧", "&lt;b&gt;", "'"),
)


@pytest.mark.parametrize("query", QUERIES)
def test_the_index_finds_what_a_look_at_every_card_finds(
    site: Path, content: dict, index: FakeIndex, query: str
) -> None:
    assert in_index(site, content, query) == brute_force(index, query)


def test_words_of_too_many_features_are_left_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(module, "COMMON_LEAST", 10)
    content = write_site(fake_index(60), tmp_path).content
    assert {"promotes", "activation", "of"} <= set(content["words"]["left_out"])
    assert "bridge" not in content["words"]["left_out"]
    assert in_index(tmp_path, content, "promotes") == []
    assert len(in_index(tmp_path, content, "bridge")) >= 5


def test_the_same_index_is_the_same_bytes_and_nothing_is_left_behind(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        write_site(fake_index(40), tmp_path / name)
    one, two = (
        {
            path.relative_to(tmp_path / name).as_posix(): path.read_bytes()
            for path in (tmp_path / name).rglob("*.*")
        }
        for name in ("one", "two")
    )
    assert one == two
    assert set(one) == {"index.html", "manifest.json"} | {
        f"{folder}/{file}" for folder in ("cards", "rows", "words") for file in ("00000.bin", "offsets.bin")
    }


def test_another_index_has_another_version(tmp_path: Path) -> None:
    for name, seed in (("one", 0), ("two", 1)):
        (tmp_path / name).mkdir()
        write_site(fake_index(40, seed), tmp_path / name)
    versions = [
        json.loads((tmp_path / name / "manifest.json").read_text())["content"]["version"]
        for name in ("one", "two")
    ]
    assert versions[0] != versions[1]


class Noted(dict):
    """A record that can be watched."""


class Streamed(FakeIndex):
    """Makes each record when it is asked for, and counts those still held."""

    held = most = 0

    def record(self, feature: int) -> Card:
        noted = Noted(self.cards[feature])
        self.held += 1
        self.most = max(self.most, self.held)
        finalize(noted, self.let_go)
        return Card(noted)

    def let_go(self) -> None:
        self.held -= 1


def test_records_are_written_one_at_a_time(tmp_path: Path) -> None:
    index = Streamed(fake_index(160).cards)
    write_site(index, tmp_path)
    assert index.held == 0
    assert index.most <= 3


def test_the_page_says_what_there_is(site: Path) -> None:
    html = (site / "index.html").read_text(encoding="utf-8")
    assert "<title>Features of builtin</title>" in html
    assert "<b>160 features</b> of <code>blocks.2.resid_post</code>" in html
    assert f"{sum(number % 40 == 39 for number in range(160))} of them never fired" in html
    assert "connect-src 'self'" in html
    assert not any(token in html for token in fake.HOSTILE[:2])
