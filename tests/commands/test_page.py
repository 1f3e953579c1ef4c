"""The labels of a run in its page and in its exports."""

import json
from pathlib import Path

import numpy as np

from explore import fake
from explore.export.fake_index import read_records
from monoscope.commands.open_run import OpenRun
from monoscope.commands.page import Page
from monoscope.commands.progress import Reporter
from monoscope.commands.run_folder import RunFolder
from monoscope.features import FeatureIndex
from monoscope.features.labels import FeatureLabel, write_labels

from .conftest import Line


def label_run(run: RunFolder, index_hash: str = "") -> list[dict]:
    """Write made-up labels of a run's features."""
    index = FeatureIndex.open(run.features)
    generator = np.random.default_rng(0)
    labels = []
    for feature in range(index.n_features):
        card = index.record(feature).to_json()
        label = fake.label(card | {"examples": []}, generator)
        if card["n_active"]:
            said = [{"method": "tokens", "text": f"said of {feature}", "scores": {"share": 0.5}}]
            effects = [fake.effect(each, card, generator) for each in card["examples"][:2]]
            label |= {"descriptions": said, "effects": effects}
        labels.append(label)
    parents = {
        "features": index_hash or index.manifest.hash,
        "dictionary": index.manifest.parents["dictionary"],
    }
    write_labels(run.labels, map(FeatureLabel.from_json, labels), parents=parents)
    return labels


def cards_of(run: RunFolder) -> dict[int, dict]:
    page = Page(OpenRun.at(run.path, Reporter()))
    return {card["feature"]: card for card in page.parts()["features"]["cards"]}


def test_cards_of_a_run_have_its_labels(run_copy: RunFolder) -> None:
    without = cards_of(run_copy)
    labels = label_run(run_copy)
    cards = cards_of(run_copy)
    assert {feature: card["descriptions"][0]["text"] for feature, card in cards.items()} == {
        feature: f"said of {feature}" for feature in without
    }
    for feature, card in cards.items():
        assert [each["loss"] for each in card["effects"]] == [
            each["loss"] for each in labels[feature]["effects"]
        ]
        assert {name: card[name] for name in without[feature]} == without[feature]


def test_a_page_is_made_again_when_labels_come_or_change(run_copy: RunFolder) -> None:
    page = Page(OpenRun.at(run_copy.path, Reporter()))
    assert "descriptions" not in page.parts()["features"]["cards"][0]
    label_run(run_copy)
    cards = page.parts()["features"]["cards"]
    assert cards[0]["descriptions"][0]["text"].startswith("said of")
    assert page.parts()["features"]["cards"] is cards


def test_labels_of_another_index_are_left_alone(run_copy: RunFolder) -> None:
    label_run(run_copy, index_hash="another")
    assert not any("descriptions" in card for card in cards_of(run_copy).values())


def test_exports_have_the_labels(line: Line, run_copy: RunFolder, tmp_path: Path) -> None:
    labels = label_run(run_copy)
    line.json("export", run_copy.path, "--to", tmp_path / "site")
    content = json.loads((tmp_path / "site" / "manifest.json").read_text())["content"]
    cards = read_records(tmp_path / "site" / "cards", content["cards"])
    assert [card["descriptions"] for card in cards] == [label["descriptions"] for label in labels]
    result = line.json("export", run_copy.path, "--to", tmp_path / "np", "--format", "neuronpedia")
    assert result["features"] == len(labels)
