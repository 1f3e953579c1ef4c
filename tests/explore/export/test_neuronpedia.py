"""Every column of Neuronpedia's bulk import, and what stands in it."""

import gzip
import json
import re
from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest

from explore import fake
from monoscope.errors import BrokenInput, WrongUse
from monoscope.explore.export import NeuronpediaOptions, write_neuronpedia
from monoscope.explore.export.neuronpedia import write as module
from monoscope.explore.export.neuronpedia.names import METHODS, clean, identifier, spelled

from .fake_index import FakeIndex, fake_index, fake_labels

COLUMNS = {
    "model": "id instruct creatorId displayNameShort displayName tlensId dimension visibility defaultSourceSetName "
    "defaultSourceId inferenceEnabled layers neuronsPerLayer createdAt owner updatedAt website",
    "release": "name description descriptionShort creatorName creatorNameShort creatorId creatorEmail visibility "
    "isNewUi featured urls defaultSourceSetName defaultSourceId defaultUmapSourceIds createdAt",
    "sourceset": "modelId name creatorId hasDashboards visibility description type creatorName urls creatorEmail "
    "releaseName defaultOfModelId defaultRange defaultShowBreaks showDfa showCorrelated showHeadAttribution showUmap "
    "createdAt",
    "source": "id modelId setName creatorId hasDashboards inferenceEnabled inferenceHosts saelensConfig "
    "saelensRelease saelensSaeId hfRepoId hfFolderId visibility defaultOfModelId hasUmap hasUmapLogSparsity "
    "hasUmapClusters num_prompts num_tokens_in_prompt dataset notes createdAt",
    "features": "modelId layer index creatorId createdAt maxActApprox hasVector vector vectorLabel "
    "vectorDefaultSteerStrength hookName topkCosSimIndices topkCosSimValues neuron_alignment_indices "
    "neuron_alignment_values neuron_alignment_l1 correlated_neurons_indices correlated_neurons_pearson "
    "correlated_neurons_l1 correlated_features_indices correlated_features_pearson correlated_features_l1 neg_str "
    "neg_values pos_str pos_values frac_nonzero freq_hist_data_bar_heights freq_hist_data_bar_values "
    "logits_hist_data_bar_heights logits_hist_data_bar_values decoder_weights_dist sourceSetName",
    "activations": "id tokens index layer modelId maxValue maxValueTokenIndex minValue values creatorId dataSource "
    "dataIndex dfaValues dfaTargetIndex dfaMaxValue createdAt lossValues logitContributions binMin binMax binContains "
    "qualifyingTokenIndex zIndices zValues",
    "explanations": "id modelId layer index description authorId typeName explanationModelName notes "
    "triggeredByUserId umap_x umap_y umap_cluster scoreV1 scoreV2 createdAt updatedAt",
}
"""Table -> columns that the importer knows; of an explanation all but the embedding, which is another model's."""
SOURCE = "v1/builtin/2-4f2a91c07b13"


@pytest.fixture(scope="module")
def index() -> FakeIndex:
    return fake_index(60)


@pytest.fixture(scope="module")
def folder(index: FakeIndex, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("neuronpedia")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "FEATURES_PER_FILE", 25)
        options = NeuronpediaOptions(dataset="stories", layers=4)
        write_neuronpedia(index, folder, labels=labels_known(index), options=options)
    return folder


def labels_known(index: FakeIndex) -> dict[int, dict]:
    """Labels whose methods are all known."""
    labels = deepcopy(fake_labels(index))
    for label in labels.values():
        label["descriptions"] = [each for each in label["descriptions"] if each["method"] in METHODS]
    return labels


def lines_of(folder: Path, table: str) -> list[dict]:
    place = folder / SOURCE
    if (place / f"{table}.jsonl").is_file():
        raw = [(place / f"{table}.jsonl").read_bytes()]
    else:
        files = sorted((place / table).iterdir(), key=lambda path: int(path.name.split("-")[1].split(".")[0]))
        raw = [gzip.decompress(path.read_bytes()) for path in files]
    return [json.loads(line) for part in raw for line in part.decode("utf-8").split("\n") if line]


@pytest.mark.parametrize("table", COLUMNS)
def test_every_line_has_every_column_and_no_other(folder: Path, table: str) -> None:
    lines = lines_of(folder, table)
    assert lines
    assert set(lines[0]) == set(COLUMNS[table].split())
    assert len({tuple(line) for line in lines}) == 1


def test_files_lie_where_the_importer_looks(folder: Path, index: FakeIndex) -> None:
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    batches = {
        f"{SOURCE}/{table}/batch-{number}.jsonl.gz"
        for table in ("features", "activations", "explanations")
        for number in range(3)
    }
    heads = {f"{SOURCE}/{table}.jsonl" for table in ("release", "model", "sourceset", "source")}
    config = {"v1/config/explanation_type.jsonl", "v1/config/explanation_model_type.jsonl"}
    assert files == batches | heads | config | {"manifest.json"}


def test_no_folder_has_more_files_than_the_importer_sees(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(module, "FEATURES_PER_FILE", 1)
    monkeypatch.setattr(module, "FILES_IN_FOLDER", 7)
    write_neuronpedia(fake_index(40), tmp_path)
    assert len(list((tmp_path / SOURCE / "features").iterdir())) == 7
    assert [line["index"] for line in lines_of(tmp_path, "features")] == [str(number) for number in range(40)]


def test_lines_refer_to_each_other(folder: Path) -> None:
    (model,), (release,), (source_set,), (source,) = (
        lines_of(folder, table) for table in ("model", "release", "sourceset", "source")
    )
    assert (model["id"], source_set["name"], source["id"]) == ("builtin", "4f2a91c07b13", "2-4f2a91c07b13")
    assert source_set["releaseName"] == release["name"]
    assert source["setName"] == source_set["name"] == release["defaultSourceSetName"]
    assert release["defaultSourceId"] == source["id"]
    assert source["num_prompts"] * source["num_tokens_in_prompt"] <= 1_500_000
    assert model["layers"] == 4
    for table in ("features", "activations", "explanations"):
        assert {(line["modelId"], line["layer"]) for line in lines_of(folder, table)} == {
            ("builtin", "2-4f2a91c07b13")
        }
    config = {
        name: [
            json.loads(line)["name"]
            for line in (folder / "v1" / "config" / f"{name}.jsonl").read_text().splitlines()
        ]
        for name in ("explanation_type", "explanation_model_type")
    }
    assert len(set(config["explanation_type"])) == 6
    for line in lines_of(folder, "explanations"):
        assert line["typeName"] in config["explanation_type"]
        assert line["explanationModelName"] in config["explanation_model_type"]


def test_every_description_is_an_explanation_of_its_own_type(folder: Path, index: FakeIndex) -> None:
    labels = labels_known(index)
    lines = iter(lines_of(folder, "explanations"))
    for card in index.cards:
        line = next(lines)
        assert (line["typeName"], line["notes"]) == ("monoscope_tokens-logits", None)
        assert line["description"] == clean(card["description"])
        for each in labels.get(card["feature"], {"descriptions": []})["descriptions"]:
            line = next(lines)
            assert line["index"] == str(card["feature"])
            assert line["typeName"] == f"monoscope_{each['method']}"
            assert line["description"].startswith(clean(each["text"])[:200])
    assert next(lines, None) is None
    notes = [line["notes"] for line in lines_of(folder, "explanations") if line["index"] == "1"]
    assert notes == [
        None,
        "share 0.410",
        "overlap 0.370",
        "precision 0.970, recall 0.190, share 0.300, correlation 0.440",
        "deviations 6.10",
        "f1 0.930, precision 0.950",
    ]


def test_a_method_that_the_importer_is_not_told_of_is_refused(tmp_path: Path) -> None:
    index = fake_index(40)
    label = fake.label(index.cards[3], np.random.default_rng(0))
    label["descriptions"][0]["method"] = "dreams"
    with pytest.raises(BrokenInput, match="'dreams', which this version does not know"):
        write_neuronpedia(index, tmp_path, labels={3: label})


def test_a_feature_is_what_its_record_says(folder: Path, index: FakeIndex) -> None:
    for line, card in zip(lines_of(folder, "features"), index.cards, strict=True):
        assert line["index"] == str(card["feature"])
        assert line["maxActApprox"] == card["max_activation"]
        assert line["frac_nonzero"] == card["density"]
        assert line["hookName"] == "blocks.2.hook_resid_post"
        assert line["topkCosSimIndices"] == [each["feature"] for each in card["neighbours"]]
        assert line["pos_values"] == [each["weight"] for each in card["promoted"]]
        assert line["neg_values"] == [each["weight"] for each in card["suppressed"]]
        assert sum(line["freq_hist_data_bar_heights"]) == pytest.approx(
            sum(card["histogram"]["counts"]), abs=1
        )
        assert len(line["freq_hist_data_bar_heights"]) == len(line["freq_hist_data_bar_values"])


def test_an_example_lies_in_its_bin(folder: Path, index: FakeIndex) -> None:
    lines = iter(lines_of(folder, "activations"))
    for card in index.cards:
        largest = card["max_activation"]
        shares = {}
        for example in card["examples"]:
            line = next(lines)
            assert line["index"] == str(card["feature"])
            assert line["values"] == example["activations"]
            assert len(line["tokens"]) == len(line["values"])
            assert line["maxValue"] == max(line["values"]) == line["values"][line["maxValueTokenIndex"]]
            assert line["minValue"] == min(line["values"])
            assert line["qualifyingTokenIndex"] == example["position"] - example["start"]
            bounds = (line["binMin"], line["binMax"], line["binContains"])
            if example["kind"] == "top":
                assert bounds == (-1, largest, -1)
                continue
            part = int(example["kind"].split()[1])
            assert bounds[:2] == pytest.approx(((part - 1) / 4 * largest, part / 4 * largest))
            assert bounds[0] < example["peak"] <= bounds[1]
            shares[part] = bounds[2]
        if shares:
            assert all(0 <= share <= 1 for share in shares.values())
            assert sum(shares.values()) == pytest.approx(1)
    assert next(lines, None) is None


def test_examples_without_a_bin_are_left_out(tmp_path: Path) -> None:
    index = FakeIndex(deepcopy(fake_index(40).cards[:3]))
    for place, kind in enumerate(("quantile 3", "random", "near miss")):
        index.cards[0]["examples"][place]["kind"] = kind
    write_neuronpedia(index, tmp_path)
    counts = [
        sum(line["index"] == str(number) for line in lines_of(tmp_path, "activations")) for number in range(3)
    ]
    assert counts == [len(card["examples"]) - 3 * (card["feature"] == 0) for card in index.cards]


def test_texts_are_such_as_postgresql_holds(folder: Path) -> None:
    place = folder / SOURCE
    raw = b"".join(gzip.decompress(path.read_bytes()) for path in place.rglob("*.gz"))
    assert b"\\u0000" not in raw
    assert not re.search(rb"\\ud[89a-f]", raw, re.IGNORECASE)
    assert clean("a\0b\ud83dc🐧") == "a b\ufffdc🐧"
    assert any("nul nul" in line["description"] for line in lines_of(folder, "explanations"))


def test_identifiers_follow_from_what_they_name(folder: Path, tmp_path: Path) -> None:
    found = [line["id"] for table in ("activations", "explanations") for line in lines_of(folder, table)]
    assert len(set(found)) == len(found)
    assert all(re.fullmatch(r"c[0-9a-z]{24}", each) for each in found)
    assert identifier("a", "bc") != identifier("ab", "c")
    write_neuronpedia(fake_index(60), tmp_path, labels=labels_known(fake_index(60)))
    again = [line["id"] for table in ("activations", "explanations") for line in lines_of(tmp_path, table)]
    assert again == found


def test_the_same_index_at_the_same_time_is_the_same_bytes(tmp_path: Path) -> None:
    options = NeuronpediaOptions(created="2026-01-31T12:00:00.000Z")
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        write_neuronpedia(fake_index(40), tmp_path / name, options=options)
    one, two = (
        {path.relative_to(tmp_path / name): path.read_bytes() for path in (tmp_path / name).rglob("*.*")}
        for name in ("one", "two")
    )
    assert one == two
    assert lines_of(tmp_path / "one", "source")[0]["createdAt"] == options.created
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.000Z", NeuronpediaOptions().created)


def test_names_are_spelled_as_neuronpedia_spells_them() -> None:
    assert spelled("Gemma 2/2B", "--x") == "gemma-2-2b"
    with pytest.raises(WrongUse, match="no way to write the name"):
        spelled("日本語", "--neuronpedia.model-id")
