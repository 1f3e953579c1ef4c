import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from features.planted_world import DEAD, N_FEATURES, World
from monoscope.errors import BrokenInput, MismatchedArtefact, MissingInput, UnknownName
from monoscope.features import FeatureIndex


@pytest.mark.parametrize("feature", [-1, N_FEATURES, 10**9])
def test_a_number_that_no_feature_has_is_refused(index: FeatureIndex, feature: int) -> None:
    with pytest.raises(UnknownName, match=str(feature)):
        index.record(feature)


def test_records_are_plain_data(index: FeatureIndex) -> None:
    for feature in range(N_FEATURES):
        record = index.record(feature).to_json()
        assert json.loads(json.dumps(record))["feature"] == feature
        assert set(record) == {
            *(
                "feature",
                "address",
                "description",
                "density",
                "n_active",
                "max_activation",
                "mean_activation",
            ),
            *("histogram", "examples", "tokens", "promoted", "suppressed", "neighbours", "coactive"),
        }


def test_statistics_cover_every_feature(world: World, index: FeatureIndex) -> None:
    codes = world.codes[world.usable]
    found = index.statistics()
    assert found["n_active"].tolist() == (codes > 0).sum(0).tolist()
    assert found["density"] == pytest.approx((codes > 0).mean(0))
    assert found["max_activation"] == pytest.approx(codes.max(0))
    assert found["mean_activation"][DEAD] == 0


def test_random_features_are_alive_different_and_seeded(index: FeatureIndex) -> None:
    assert index.alive.tolist() == [feature for feature in range(N_FEATURES) if feature != DEAD]
    drawn = index.random_alive(6, seed=3)
    assert len(set(drawn)) == 6
    assert set(drawn) <= set(index.alive.tolist())
    assert drawn == index.random_alive(6, seed=3)
    assert any(drawn != index.random_alive(6, seed=seed) for seed in range(5))
    assert sorted(index.random_alive(99, seed=0)) == index.alive.tolist()


def test_only_the_dictionary_it_was_made_from_may_open_it(world: World, index: FeatureIndex) -> None:
    assert FeatureIndex.open(index.folder, dictionary_hash=world.dictionary.hash).n_features == N_FEATURES
    with pytest.raises(MismatchedArtefact, match="0123456789abcdef"):
        FeatureIndex.open(index.folder, dictionary_hash="0123456789abcdef")


def test_a_folder_that_cannot_be_written_can_be_read(index: FeatureIndex, tmp_path: Path) -> None:
    folder = tmp_path / "a folder? with #signs%20"
    shutil.copytree(index.folder, folder)
    for path in [*folder.iterdir(), folder]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    assert FeatureIndex.open(folder).record(1) == index.record(1)
    folder.chmod(0o755)


def test_a_missing_or_broken_index_is_said(index: FeatureIndex, tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match="no complete features"):
        FeatureIndex.open(tmp_path)
    for name in ("index.sqlite", "tokens.bin"):
        folder = tmp_path / name
        shutil.copytree(index.folder, folder)
        (folder / name).unlink()
        with pytest.raises(BrokenInput, match=name):
            FeatureIndex.open(folder)
    (tmp_path / "index.sqlite" / "index.sqlite").write_bytes(b"not a database" * 100)
    with pytest.raises(BrokenInput, match=r"index\.sqlite"):
        FeatureIndex.open(tmp_path / "index.sqlite")


def test_statistics_cannot_be_changed_by_a_reader(index: FeatureIndex) -> None:
    with pytest.raises(ValueError, match="read-only"):
        index.statistics()["density"][0] = np.float64(1)


def test_an_index_of_an_older_version_is_refused(index: FeatureIndex, tmp_path: Path) -> None:
    folder = tmp_path / "features"
    shutil.copytree(index.folder, folder)
    path = folder / "manifest.json"
    told = json.loads(path.read_text(encoding="utf-8"))
    del told["content"]["layout"]
    path.write_text(json.dumps(told), encoding="utf-8")
    with pytest.raises(BrokenInput, match="older version"):
        FeatureIndex.open(folder)


def test_features_are_found_by_the_names_in_their_descriptions(index: FeatureIndex) -> None:
    named = {
        feature
        for feature in range(N_FEATURES)
        if any(form in index.description(feature).casefold() for form in ("bridge", "bridges"))
    }
    assert named
    for text in ("bridging", "BRIDGE"):
        assert {found.id for found in index.by_description(text, limit=99)} == named
    assert index.by_description("bridge", limit=1) == index.by_description("bridge", limit=99)[:1]
    both = [found.id for found in index.by_description("bridge fog", limit=99)]
    assert both
    assert all("fog" in index.description(feature) for feature in both)


@pytest.mark.parametrize("text", ["", "zzzz", "activation", "promotes", '"', "a* OR b", "NEAR(", "café_x -y"])
def test_words_that_no_description_names_find_nothing(index: FeatureIndex, text: str) -> None:
    assert index.by_description(text) == []
    assert index.by_description("bridge", limit=0) == []
