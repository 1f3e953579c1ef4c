"""Control vectors as llama.cpp reads them."""

import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import gguf
import numpy as np
import pytest
import torch

from monoscope.errors import BrokenInput, MismatchedArtefact, MissingInput, WrongUse
from monoscope.models import LanguageModel
from monoscope.vectors import ControlVector, export_gguf, import_gguf, learn_vector

from .made import PAIRS, assert_same, made_vector

LONG = (made_vector(0, (1, 2, 3)), made_vector(1, (4,), norms=False), made_vector() + made_vector(2) * 0.3)


def foreign(path: Path, tensors: Mapping[str, np.ndarray], *, signed: bool = False) -> Path:
    """A file as repeng writes it, or, with a signed count, as llama.cpp's generator does."""
    writer = gguf.GGUFWriter(path, "controlvector")
    writer.add_string("controlvector.model_hint", "llama")
    add = writer.add_int32 if signed else writer.add_uint32
    add("controlvector.layer_count", len(tensors))
    for name, tensor in tensors.items():
        writer.add_tensor(name, tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def ones(n: int = 32) -> np.ndarray:
    return np.arange(1, n + 1, dtype=np.float32)


@pytest.mark.parametrize("vector", LONG)
@pytest.mark.parametrize("scale", [1.0, 0.1, -2.5])
def test_what_is_imported_is_what_was_exported(tmp_path: Path, vector: ControlVector, scale: float) -> None:
    export_gguf(vector, tmp_path / "v.gguf", scale=scale)
    again, notes = import_gguf(tmp_path / "v.gguf")
    assert_same(again, vector)
    assert notes == ()
    assert [path.name for path in tmp_path.iterdir()] == ["v.gguf"]


def test_what_llama_cpp_adds_is_our_push(tmp_path: Path) -> None:
    vector = LONG[0]
    export_gguf(vector, tmp_path / "v.gguf", scale=0.3)
    reader = gguf.GGUFReader(tmp_path / "v.gguf")
    assert {tensor.name for tensor in reader.tensors} == {"direction.1", "direction.2", "direction.3"}
    for tensor in reader.tensors:
        block = int(tensor.name.split(".")[1])
        assert tensor.tensor_type == gguf.GGMLQuantizationType.F32
        assert tensor.shape.tolist() == [6]
        assert np.array_equal(tensor.data, vector.push(block, 0.3).numpy())


def test_keys_say_where_it_comes_from(tmp_path: Path) -> None:
    export_gguf(replace(LONG[0], model_type="gpt_neox"), tmp_path / "v.gguf", scale=0.1)
    fields = gguf.GGUFReader(tmp_path / "v.gguf").fields
    assert fields["general.architecture"].contents() == "controlvector"
    assert fields["controlvector.layer_count"].types == [gguf.GGUFValueType.UINT32]
    found = {name.removeprefix("controlvector."): field.contents() for name, field in fields.items()}
    wanted = {
        "model_hint": "gptneox",
        "layer_count": 3,
        "base_model": "tiny",
        "base_revision": "feed",
        "method": "mean_difference",
        "normalization": "mean residual norm",
        "layer_range": "1-3",
        "hook": "l_out",
        "dataset_sha256": "0" * 64,
        "tool": "monoscope",
        "scale": 0.1,
    }
    assert wanted.items() <= found.items()
    assert found["recommended_scale"] == pytest.approx(3)


def test_block_0_is_left_out_and_that_is_said(tmp_path: Path) -> None:
    vector = made_vector(blocks=(0, 1, 3))
    (note,) = export_gguf(vector, tmp_path / "v.gguf", scale=0.5)
    assert "block 0 was left out" in note
    assert "recommended strength, 0.3, was found with it" in note
    again, notes = import_gguf(tmp_path / "v.gguf")
    assert_same(again, vector.at([1, 3]))
    assert notes == ()
    assert export_gguf(vector.at([1, 3]), tmp_path / "v.gguf") == ()


def test_block_0_alone_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(WrongUse, match=r"refuses a whole file that holds direction\.0"):
        export_gguf(made_vector(blocks=(0,)), tmp_path / "v.gguf")
    with pytest.raises(WrongUse, match="scale of 0"):
        export_gguf(made_vector(), tmp_path / "v.gguf", scale=0)
    assert not list(tmp_path.iterdir())


def test_files_of_other_tools_count_in_activations(tmp_path: Path, tiny_llama: LanguageModel) -> None:
    path = foreign(tmp_path / "v.gguf", {"direction.1": ones(), "direction.2": ones() / 3})
    vector, notes = import_gguf(path)
    assert (vector.unit, vector.model_type, notes) == ("activation", "llama", ())
    assert torch.equal(vector.push(2, 1), torch.from_numpy(ones() / 3))
    known, _ = import_gguf(path, tiny_llama)
    assert (known.model_hash, known.n_blocks) == (tiny_llama.hash, 3)


def test_files_of_llama_cpps_generator_are_said_to_be_late(tmp_path: Path) -> None:
    path = foreign(tmp_path / "v.gguf", {"direction.1": ones(), "direction.2": ones()}, signed=True)
    vector, notes = import_gguf(path)
    assert "one block late" in notes[0]
    assert "shift=-1" in notes[0]
    assert vector.blocks == (1, 2)
    assert import_gguf(path, shift=-1)[0].blocks == (0, 1)
    with pytest.raises(WrongUse, match="below block 0"):
        import_gguf(path, shift=-2)


def test_what_the_model_has_no_block_for_is_left_out_and_said(
    tmp_path: Path, tiny_llama: LanguageModel
) -> None:
    path = foreign(tmp_path / "v.gguf", {f"direction.{k}": ones() for k in (1, 2, 3, 7)})
    vector, notes = import_gguf(path, tiny_llama)
    assert vector.blocks == (1, 2)
    assert notes == ("left out, since llama has 3 blocks: 3, 7",)
    with pytest.raises(BrokenInput, match="begin at block 3"):
        import_gguf(foreign(tmp_path / "w.gguf", {"direction.3": ones()}), tiny_llama)


@pytest.mark.parametrize(
    ("tensors", "says"),
    [
        ({"direction.0": ones()}, "holds direction.0"),
        ({"direction.1": ones(), "weight": ones()}, "tensor 'weight'"),
        ({"direction.1.bias": ones()}, r"tensor 'direction\.1\.bias'"),
        ({"direction.1": ones().astype(np.float16)}, "is F16"),
        ({"direction.1": ones().reshape(4, 8)}, r"shape \[8, 4\]"),
        ({"direction.1": ones(), "direction.2": ones(16)}, r"different lengths, \[16, 32\]"),
        ({"direction.1": ones() * np.nan}, "not finite"),
        ({}, "holds no directions"),
    ],
)
def test_what_llama_cpp_refuses_is_refused(tmp_path: Path, tensors: dict[str, np.ndarray], says: str) -> None:
    path = foreign(tmp_path / "v.gguf", tensors)
    with pytest.raises(BrokenInput, match=says):
        import_gguf(path)


def test_files_that_are_not_gguf_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "v.gguf"
    with pytest.raises(MissingInput, match="no file"):
        import_gguf(path)
    export_gguf(LONG[0], path)
    whole = path.read_bytes()
    for damaged in (b"", b"GG", b"no gguf file at all", b"GGUF" + b"\xff" * 60):
        path.write_bytes(damaged)
        with pytest.raises(BrokenInput, match="no readable GGUF"):
            import_gguf(path)
    for length in range(4, len(whole) - 1, 101):
        path.write_bytes(whole[:length])
        with pytest.raises(BrokenInput):
            import_gguf(path)


def test_a_file_of_ours_that_was_changed_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "v.gguf"
    export_gguf(LONG[0], path)
    reader = gguf.GGUFReader(path, "r+")
    reader.tensors[1].data[2] += 1
    reader.data.flush()
    with pytest.raises(BrokenInput, match=r"direction\.2 .* is not what its keys say"):
        import_gguf(path)


def test_another_models_file_is_refused(tmp_path: Path, tiny_llama: LanguageModel) -> None:
    path = tmp_path / "v.gguf"
    vector = learn_vector(tiny_llama, PAIRS).at([1, 2])
    export_gguf(vector, path)
    assert_same(import_gguf(path, tiny_llama)[0], vector)
    export_gguf(replace(vector, model_hash="beef"), path)
    with pytest.raises(MismatchedArtefact, match="beef"):
        import_gguf(path, tiny_llama)
    with pytest.raises(MismatchedArtefact, match="width 8"):
        import_gguf(foreign(path, {"direction.1": ones(8)}), tiny_llama)


def test_without_the_package_a_sentence_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "gguf", None)
    with pytest.raises(WrongUse, match=r"monoscope\[gguf\]"):
        export_gguf(LONG[0], tmp_path / "v.gguf")
    assert not list(tmp_path.iterdir())
