"""Control vectors on disk."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from monoscope.errors import BrokenInput, MissingInput
from monoscope.manifest import read_manifest
from monoscope.vectors import ControlVector, export_npz, import_npz, load, save
from monoscope.vectors.files import FILE

from .made import assert_same, made_vector

VECTORS = [made_vector(), made_vector(3, (0, 5), norms=False), made_vector() - made_vector(1, (2, 3)) * 0.1]


@pytest.mark.parametrize("vector", VECTORS)
def test_what_is_loaded_is_what_was_saved(tmp_path: Path, vector: ControlVector) -> None:
    save(vector, tmp_path / "v")
    assert_same(load(tmp_path / "v"), vector)
    export_npz(vector, tmp_path / "v.npz")
    assert_same(import_npz(tmp_path / "v.npz"), vector)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["v", "v.npz"]


def test_the_manifest_says_what_made_it(tmp_path: Path) -> None:
    vector = made_vector(4)
    save(vector, tmp_path / "v", parents={"dictionary": "beef"})
    manifest = read_manifest(tmp_path / "v", "vector")
    assert manifest.parents == {"model": "feed", "dictionary": "beef"}
    assert manifest.options == {"n_pairs": 10, "dataset_sha256": "0" * 64}
    assert manifest.seeds == {"vector": 4}
    assert manifest.hash == vector.hash
    assert manifest.content["accuracy"]["1"]["n_groups"] == 7


def test_saving_again_replaces(tmp_path: Path) -> None:
    save(made_vector(0), tmp_path / "v")
    save(made_vector(1), tmp_path / "v")
    assert load(tmp_path / "v") == made_vector(1)
    assert [path.name for path in tmp_path.iterdir()] == ["v"]


def test_damaged_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match="no complete vector"):
        load(tmp_path / "nothing")
    place = tmp_path / "v"
    vector = made_vector()
    for damage, says in (
        (
            lambda: save_file({"direction.1": torch.ones(6), "direction.2": torch.ones(6)}, place / FILE),
            "has hash",
        ),
        (lambda: save_file({"direction.1": torch.ones(6)}, place / FILE), "no readable control vector"),
        (lambda: save_file({"weight": torch.ones(6)}, place / FILE), "named direction.BLOCK"),
        (lambda: (place / FILE).write_bytes(b"no tensors"), "no readable control vector"),
        (lambda: (place / FILE).unlink(), "no readable control vector"),
    ):
        save(vector, place)
        damage()
        with pytest.raises(BrokenInput, match=says):
            load(place)


def test_files_that_are_no_vectors_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "v.npz"
    with pytest.raises(MissingInput, match="no file"):
        import_npz(path)
    path.write_bytes(b"no archive")
    with pytest.raises(BrokenInput, match="no readable control vector"):
        import_npz(path)
    np.savez(path, **{"direction.1": np.ones(3, np.float32)})
    with pytest.raises(BrokenInput, match="no readable control vector"):
        import_npz(path)
    np.savez(path, **{"direction.1": np.array([{}], dtype=object), "record": np.array("{}")})
    with pytest.raises(BrokenInput, match="no readable control vector"):
        import_npz(path)
    export_npz(made_vector(), path)
    whole = path.read_bytes()
    for length in range(0, len(whole), 97):
        path.write_bytes(whole[:length])
        with pytest.raises(BrokenInput):
            import_npz(path)


def test_an_archive_is_numpy_alone(tmp_path: Path) -> None:
    vector = made_vector()
    export_npz(vector, tmp_path / "v.npz")
    with np.load(tmp_path / "v.npz", allow_pickle=False) as arrays:
        assert np.array_equal(arrays["direction.2"], vector.directions[2].numpy())
        assert json.loads(str(arrays["record"]))["norms"] == {
            str(b): norm for b, norm in vector.norms.items()
        }
