import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from conftest import tiny_tokenizer
from monoscope.errors import BrokenInput, MissingInput, MonoscopeError, UnknownName, WrongUse
from monoscope.models.language_model import load_model
from monoscope.models.loading import device_named, dtype_named


@pytest.fixture
def copy(tiny_model_folder: Callable[[str], Path], tmp_path: Path) -> Path:
    """A tiny Llama that a test may spoil."""
    return Path(shutil.copytree(tiny_model_folder("llama"), tmp_path / "spoilt"))


def refusal(error: type[MonoscopeError], name: str | Path) -> MonoscopeError:
    with pytest.raises(error) as raised:
        load_model(name, device="cpu", dtype="float32")
    assert raised.value.hint
    assert "\n" not in raised.value.sentence
    return raised.value


def test_a_model_loads_ready_to_run(copy: Path) -> None:
    lm = load_model(copy, device="cpu", dtype="float32")
    assert lm.name == "spoilt"
    assert lm.folder == copy
    assert not lm.model.training
    assert not any(parameter.requires_grad for parameter in lm.model.parameters())
    assert load_model(str(copy), device="cpu", dtype="float32").hash == lm.hash


def test_loading_prints_nothing(copy: Path, capfd: pytest.CaptureFixture[str]) -> None:
    load_model(copy, device="cpu", dtype="float32")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "name", ["/no/such/folder", "./nothing", "~/no-such-model", "a b", Path("no/folder")]
)
def test_a_folder_that_is_not_there_is_missing(name: str | Path) -> None:
    error = refusal(MissingInput, name)
    assert f"there is no model folder {name}" == error.sentence
    assert "config.json" in error.hint


def test_a_hub_name_out_of_reach_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    error = refusal(MissingInput, "nobody/no-such-model")
    assert (
        error.sentence == "'nobody/no-such-model' is neither a folder nor a Hugging Face model within reach"
    )


def test_a_file_is_no_model(copy: Path) -> None:
    error = refusal(BrokenInput, copy / "config.json")
    assert "is a file, not a model folder" in error.sentence


def test_an_empty_folder_is_no_model(tmp_path: Path) -> None:
    error = refusal(BrokenInput, tmp_path)
    assert error.sentence == f"{tmp_path} is no model: it has no config.json"
    assert "this one holds nothing" in error.hint


def test_the_hint_lists_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    assert "this one holds notes.txt" in refusal(BrokenInput, tmp_path).hint


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"model_type": 3}', "\x00"])
def test_a_configuration_that_describes_no_model_is_refused(copy: Path, text: str) -> None:
    (copy / "config.json").write_text(text)
    assert "config.json" in refusal(BrokenInput, copy).sentence


def test_an_unknown_architecture_is_refused(copy: Path) -> None:
    (copy / "config.json").write_text(json.dumps({"model_type": "mamba"}))
    error = refusal(BrokenInput, copy)
    assert "'mamba' is an architecture that monoscope does not know" in error.sentence
    assert "llama" in error.hint


@pytest.mark.parametrize(
    ("name", "sentence"), [("model.safetensors", "no weights"), ("tokenizer.json", "no tokenizer")]
)
def test_a_model_without_a_part_is_refused(copy: Path, name: str, sentence: str) -> None:
    (copy / name).unlink()
    assert sentence in refusal(BrokenInput, copy).sentence


def test_weights_that_are_cut_short_are_refused(copy: Path) -> None:
    whole = (copy / "model.safetensors").read_bytes()
    (copy / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    assert f"{copy} cannot be read as a model" in refusal(BrokenInput, copy).sentence


def test_weights_of_another_shape_are_refused(copy: Path) -> None:
    configuration = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(configuration | {"intermediate_size": 96}))
    assert f"{copy} cannot be read as a model" in refusal(BrokenInput, copy).sentence


def test_absent_weights_are_not_made_up(copy: Path) -> None:
    weights = load_file(copy / "model.safetensors")
    del weights["model.layers.1.mlp.up_proj.weight"]
    save_file(weights, copy / "model.safetensors", metadata={"format": "pt"})
    error = refusal(BrokenInput, copy)
    assert "lack 1 of the model's parameters, model.layers.1.mlp.up_proj.weight first" in error.sentence


def test_a_tokenizer_with_more_tokens_than_the_model_is_refused(copy: Path) -> None:
    tokenizer = tiny_tokenizer("llama")
    tokenizer.add_tokens(["extra"])
    tokenizer.save_pretrained(copy)
    assert "has 401 tokens and the model 400" in refusal(BrokenInput, copy).sentence


def test_code_in_the_folder_is_not_run(copy: Path, tmp_path: Path) -> None:
    configuration = json.loads((copy / "config.json").read_text())
    code = {"AutoConfig": "evil.Config", "AutoModelForCausalLM": "evil.Model"}
    (copy / "config.json").write_text(json.dumps(configuration | {"auto_map": code}))
    (copy / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()")
    assert load_model(copy, device="cpu", dtype="float32").n_blocks == 3
    assert not (tmp_path / "ran").exists()


def test_devices_and_dtypes_are_checked_by_name() -> None:
    assert device_named("cpu") == torch.device("cpu")
    assert dtype_named("float32", torch.device("cpu")) == torch.float32
    assert dtype_named("auto", torch.device("cuda")) == torch.bfloat16
    with pytest.raises(UnknownName, match="'tpu' is no device"):
        device_named("tpu")
    with pytest.raises(UnknownName, match="'float16' is no dtype") as raised:
        dtype_named("float16", torch.device("cpu"))
    assert "bfloat16" in raised.value.hint
    with pytest.raises(WrongUse, match="this machine has no device 'cuda:99'"):
        device_named("cuda:99")


@pytest.mark.parametrize(("amx", "expected"), [(True, torch.bfloat16), (False, torch.float32)])
def test_the_dtype_of_a_processor_follows_its_matrix_unit(
    monkeypatch: pytest.MonkeyPatch, amx: bool, expected: torch.dtype
) -> None:
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    assert dtype_named("auto", torch.device("cpu")) == expected
