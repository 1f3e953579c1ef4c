"""Find a model's folder and read it, or say in one sentence why it cannot be read."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from monoscope.errors import BrokenInput, MissingInput, UnknownName, WrongUse, nearest
from monoscope.models.families import family_named, family_of_configuration

EXPECTED = "a model folder holds config.json, model.safetensors (or its shards) and tokenizer.json"
HUB_ID = re.compile(r"[\w-][\w.-]*(/[\w.-]+)?", re.ASCII)
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def locate(name_or_path: str | Path) -> tuple[str, Path]:
    """The short name and the folder of ``builtin``, of a folder, or of a Hugging Face id.

    Raises:
        MissingInput: there is no such folder, and no such model within reach.
        BrokenInput: it is a file.
    """
    if name_or_path == "builtin":
        from monoscope.models.builtin import model_folder

        if not (folder := model_folder()).is_dir():
            raise MissingInput(f"the built-in model is not in {folder}", "install monoscope again")
        return "builtin", folder
    path = Path(name_or_path).expanduser()
    if path.is_dir():
        return path.resolve().name, path
    if path.exists():
        raise BrokenInput(f"{name_or_path} is a file, not a model folder", f"give the folder: {EXPECTED}")
    if isinstance(name_or_path, Path) or not HUB_ID.fullmatch(name_or_path):
        raise MissingInput(f"there is no model folder {name_or_path}", f"check the path; {EXPECTED}")
    return name_or_path, _fetch(name_or_path)


def read_folder(folder: Path, device: torch.device, dtype: torch.dtype) -> tuple[Any, Any]:
    """The Hugging Face model and tokenizer of a folder, ready to run; no code of the folder's is executed.

    Raises:
        BrokenInput: a part is absent, unreadable, incomplete, or of an unknown architecture.
    """
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    check_folder(folder)
    with _quiet(), _said(folder):
        configuration = AutoConfig.from_pretrained(folder, trust_remote_code=False)
        family_of_configuration(configuration)
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            folder, config=configuration, dtype=dtype, trust_remote_code=False, output_loading_info=True
        )
    model, report = loaded
    if absent := sorted(report["missing_keys"]):
        raise BrokenInput(
            f"the weights in {folder} lack {len(absent)} of the model's parameters, {absent[0]} first",
            "the download may be incomplete; fetch the model again",
        )
    if not hasattr(tokenizer, "backend_tokenizer"):
        raise BrokenInput(
            f"{folder} has a tokenizer that gives no character positions", "save it as tokenizer.json"
        )
    if len(tokenizer) > (rows := model.get_input_embeddings().num_embeddings):
        raise BrokenInput(
            f"the tokenizer in {folder} has {len(tokenizer)} tokens and the model {rows}",
            "they do not belong together; fetch the model again",
        )
    return model.to(device).eval().requires_grad_(False), tokenizer


def check_folder(folder: Path) -> None:
    """Refuse a folder that cannot be a model that monoscope knows, before anything large is read.

    Raises:
        BrokenInput: a part is absent or unreadable, or the architecture is not known.
    """
    found = sorted(path.name for path in folder.iterdir())
    listed = f"{', '.join(found[:6])}{' and more' if len(found) > 6 else ''}" if found else "nothing"
    hint = f"{EXPECTED}; this one holds {listed}"
    if "config.json" not in found:
        raise BrokenInput(f"{folder} is no model: it has no config.json", hint)
    try:
        record = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        if not isinstance(model_type := record["model_type"], str):
            raise TypeError(model_type)
    except (ValueError, KeyError, TypeError) as error:
        raise BrokenInput(f"{folder / 'config.json'} describes no model: {error!r}", hint) from error
    family_named(model_type)
    if not weight_files(folder):
        raise BrokenInput(f"{folder} is no model: it has no weights", hint)
    if not tokenizer_files(folder):
        raise BrokenInput(f"{folder} has no tokenizer", hint)


def weight_files(folder: Path) -> list[Path]:
    """The files of the weights: safetensors where there are any."""
    return sorted(folder.glob("*.safetensors")) or sorted(folder.glob("pytorch_model*.bin"))


def tokenizer_files(folder: Path) -> list[Path]:
    """The files that decide how text becomes tokens: ``tokenizer.json`` where there is one."""
    whole = folder / "tokenizer.json"
    parts = ("tokenizer.model", "vocab.json", "merges.txt", "vocab.txt")
    return [whole] if whole.is_file() else [folder / part for part in parts if (folder / part).is_file()]


def device_named(device: str) -> torch.device:
    """The device of that name; ``auto`` is CUDA where there is one, else the CPU.

    Raises:
        UnknownName: it is neither ``auto``, ``cpu``, ``cuda`` nor ``cuda:NUMBER``.
        WrongUse: this machine has no such device.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if not re.fullmatch(r"cpu|cuda(:\d+)?", device, re.ASCII):
        raise UnknownName(
            f"{device!r} is no device that models run on", "give auto, cpu, cuda or cuda:NUMBER"
        )
    found = torch.device(device)
    if found.type == "cuda" and (found.index or 0) >= torch.cuda.device_count():
        there = torch.cuda.device_count()
        raise WrongUse(
            f"this machine has no device {device!r}", f"it has {there} CUDA devices; give auto or cpu"
        )
    return found


def dtype_named(dtype: str, device: torch.device) -> torch.dtype:
    """The dtype of that name; ``auto`` is bfloat16 where it is fast (CUDA, or a CPU with AMX), else float32.

    Raises:
        UnknownName: it is none of ``auto``, ``float32``, ``bfloat16``.
    """
    if dtype == "auto":
        fast = device.type == "cuda" or (device.type == "cpu" and torch.cpu._is_amx_tile_supported())
        return torch.bfloat16 if fast else torch.float32
    if dtype not in DTYPES:
        raise UnknownName(f"{dtype!r} is no dtype of a model", nearest(dtype, ["auto", *DTYPES]))
    return DTYPES[dtype]


def _fetch(name: str) -> Path:
    """The folder of a Hugging Face model in the local cache, downloaded where it is not there yet."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError

    try:
        patterns = ["*.json", "*.safetensors", "tokenizer.model", "merges.txt", "vocab.txt"]
        folder = Path(snapshot_download(name, allow_patterns=patterns, ignore_patterns=["*/*"]))
        if not weight_files(folder):
            snapshot_download(name, allow_patterns=["pytorch_model*.bin"], ignore_patterns=["*/*"])
    except (OSError, HfHubHTTPError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise MissingInput(
            f"{name!r} is neither a folder nor a Hugging Face model within reach",
            f"check the spelling and the network, or give a folder ({reason})",
        ) from error
    return folder


@contextmanager
def _said(folder: Path) -> Iterator[None]:
    """Turn whatever the readers of model files raise into one sentence that names the folder."""
    try:
        yield
    except BrokenInput:
        raise
    except Exception as error:  # the readers of many formats raise many things, none of them documented
        first = (str(error).strip() or repr(error)).splitlines()[0]
        raise BrokenInput(f"{folder} cannot be read as a model: {first}", EXPECTED) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep transformers from printing while it reads."""
    from transformers.utils import logging

    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()
