"""Feature files of attribution graphs, read as their page reads them."""

import gzip
import json
import struct

import pytest

from monoscope.explore.export import write_circuit_tracer
from monoscope.explore.export.circuit_tracer import cantor

from .fake_index import FakeIndex, fake_index

KEYS = (
    "index examples_quantiles top_logits bottom_logits act_min act_max quantile_values histogram "
    "activation_frequency transcoder_id"
)


@pytest.fixture(scope="module")
def index() -> FakeIndex:
    return fake_index(60)


@pytest.fixture(scope="module")
def details(index: FakeIndex, tmp_path_factory: pytest.TempPathFactory) -> dict[int, dict]:
    """Feature -> what its range of bytes holds."""
    folder = tmp_path_factory.mktemp("circuit")
    write_circuit_tracer(index, folder)
    (layer, entry), *others = json.loads(
        gzip.decompress((folder / "features" / "index.json.gz").read_bytes())
    ).items()
    assert (layer, others) == ("2", [])
    assert entry["filename"] == "layer_2.bin"
    offsets, raw = entry["offsets"], (folder / "features" / "layer_2.bin").read_bytes()
    assert len(offsets) == index.n_features + 1
    assert offsets[-1] == len(raw)
    found = {}
    for feature in range(index.n_features):
        # The page asks for one byte more than there is: the length says where the record ends.
        part = raw[offsets[feature] : offsets[feature + 1] + 1]
        if offsets[feature + 1] > offsets[feature]:
            (length,) = struct.unpack("<I", part[:4])
            assert length == offsets[feature + 1] - offsets[feature] - 4
            found[feature] = json.loads(gzip.decompress(part[4 : 4 + length]))
    return found


def test_every_feature_that_fires_has_a_record(details: dict[int, dict], index: FakeIndex) -> None:
    assert set(details) == {card["feature"] for card in index.cards if card["n_active"]}
    for feature, detail in details.items():
        assert set(detail) == set(KEYS.split())
        assert detail["index"] == cantor(2, feature)


def test_a_record_is_what_the_index_says(details: dict[int, dict], index: FakeIndex) -> None:
    for feature, detail in details.items():
        card = index.cards[feature]
        examples = [example for group in detail["examples_quantiles"] for example in group["examples"]]
        assert [example["tokens"] for example in examples] == [each["tokens"] for each in card["examples"]]
        for shown, example in zip(examples, card["examples"], strict=True):
            assert shown["tokens_acts_list"] == example["activations"]
            assert shown["tokens_acts_list"][shown["train_token_ind"]] == example["peak"]
        assert [group["quantile_name"] for group in detail["examples_quantiles"]] == [
            *("Top activations", "Interval 4", "Interval 3", "Interval 2", "Interval 1")
        ]
        assert detail["top_logits"] == [each["text"] for each in card["promoted"][:10]]
        assert detail["act_max"] == detail["quantile_values"][-1] == card["max_activation"]
        assert sum(detail["histogram"]) == pytest.approx(sum(card["histogram"]["counts"]), abs=1)


def test_pairs_of_layer_and_feature_are_one_number_each() -> None:
    numbers = {cantor(layer, feature) for layer in range(40) for feature in range(40)}
    assert len(numbers) == 1600
    assert cantor(0, 0) == 0
    assert cantor(2, 3) == 18
