"""Control vectors as llama.cpp reads them: ``llama-cli --control-vector-scaled FILE:STRENGTH``.

A tensor ``direction.k`` (float32, one dimension) is added to what block k gives on, at every position; k counts from 0
and block 0 cannot be reached. What is written is ``push(k, scale)``, so that llama.cpp's scale is our strength. It
reads no key but those of the tensors; the keys ``controlvector.*`` say where the vector comes from, and give it back
bit for bit.

Reference: ``common_control_vector_load`` and ``build_cvec`` of llama.cpp; the files of repeng (Vogel 2024).
"""

import base64
import importlib
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from monoscope.errors import BrokenInput, MissingInput, WrongUse
from monoscope.manifest import full_disk_is_said
from monoscope.models import LanguageModel
from monoscope.vectors.learning import check_model, model_of
from monoscope.vectors.record import block_of, from_record, named, numbered, to_record
from monoscope.vectors.vector import ControlVector

ARCHITECTURE = "controlvector"
"""``general.architecture`` of these files, and the beginning of every key."""
MODEL_HINTS = {
    "gemma3_text": "gemma3",
    "gpt_neox": "gptneox",
    "mistral": "llama",
    "phi": "phi2",
}
"""Hugging Face's name of an architecture -> llama.cpp's, where they differ."""


def export_gguf(vector: ControlVector, path: Path, *, scale: float = 1.0) -> tuple[str, ...]:
    """Write a vector for llama.cpp; its ``--control-vector-scaled FILE:S`` then pushes as far as ``S * scale`` here.

    Args:
        vector: what to write.
        path: the file; it is written beside its place and renamed.
        scale: the strength that is llama.cpp's 1.

    Returns:
        Notes: sentences, none where the whole vector was written. Block 0 is left out, since llama.cpp refuses a
        whole file that holds ``direction.0``.

    Raises:
        WrongUse: the vector has a direction for block 0 alone, the scale is 0 or not finite, or ``gguf`` is not
            installed.
        OutOfSpace: the disk is full.
    """
    vector, notes = _within_reach(vector)
    if not scale:
        raise WrongUse("a scale of 0 writes a vector that does nothing", "give the strength that shall be 1")
    pushes = {block: vector.push(block, scale) for block in vector.blocks}
    path = Path(path)
    part = path.with_name(f".{path.name}.part")
    with full_disk_is_said(path):
        try:
            _write(part, vector, pushes, scale)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    return notes


def import_gguf(
    path: Path, lm: LanguageModel | None = None, *, shift: int = 0
) -> tuple[ControlVector, tuple[str, ...]]:
    """Read a control vector that llama.cpp would take, and what should be known about it.

    A file of ours comes back as the vector that was exported, bit for bit. Another's directions are taken as they are:
    their norms are unknown, and their unit that of activations until :func:`monoscope.vectors.measured`.

    Args:
        path: the file.
        lm: the model that it is for; its name and hash are filled in, and directions that it has no block for are
            left out, as llama.cpp does.
        shift: added to every block's number: -1 for files of llama.cpp's own generator, which are one block late.

    Returns:
        The vector, and notes: sentences, none where nothing is odd.

    Raises:
        MissingInput: there is no such file.
        BrokenInput: it is no GGUF file, or llama.cpp would refuse it.
        MismatchedArtefact: it is of another model than ``lm``, by hash or by width.
        WrongUse: ``gguf`` is not installed, or ``shift`` leads below block 0.
    """
    if not Path(path).is_file():
        raise MissingInput(f"there is no file {path}", "check the path")
    keys, tensors = _read(Path(path))
    directions = numbered(tensors, path)
    notes = _notes(keys)
    if f"{ARCHITECTURE}.monoscope" in keys:
        vector = _own(keys, directions, path)
    else:
        hint = str(keys.get(f"{ARCHITECTURE}.model_hint", (None, ""))[1])
        vector = ControlVector(
            directions=directions,
            d_model=len(next(iter(directions.values()))),
            model_type=hint,
            method=str(keys.get(f"{ARCHITECTURE}.method", (None, "unknown"))[1]),
            provenance={"file": Path(path).name},
        )
    if shift:
        vector = _shifted(vector, shift)
    if lm is not None:
        vector, left_out = _for_model(vector, lm)
        notes += left_out
    return vector, notes


def _within_reach(vector: ControlVector) -> tuple[ControlVector, tuple[str, ...]]:
    """The vector without block 0, and a note where it had one."""
    if 0 not in vector.directions:
        return vector, ()
    if len(vector.blocks) == 1:
        raise WrongUse(
            "llama.cpp refuses a whole file that holds direction.0, and block 0 is all that this vector has",
            "learn it at other blocks too, or write npz",
        )
    note = "block 0 was left out: llama.cpp refuses a whole file that holds direction.0"
    if vector.recommended is not None:
        note += f"; the recommended strength, {vector.recommended:g}, was found with it"
    return vector.at(vector.blocks[1:]), (note,)


def _package() -> Any:
    """The ``gguf`` package, which is optional."""
    try:
        return importlib.import_module("gguf")
    except ModuleNotFoundError as error:
        raise WrongUse("gguf files need the package gguf", "pip install 'monoscope[gguf]'") from error


def _write(path: Path, vector: ControlVector, pushes: Mapping[int, Tensor], scale: float) -> None:
    writer = _package().GGUFWriter(path, ARCHITECTURE)
    texts = {
        "model_hint": MODEL_HINTS.get(vector.model_type, vector.model_type),
        "base_model": vector.model_name,
        "base_revision": vector.model_hash,
        "method": vector.method,
        "normalization": vector.unit,
        "layer_range": f"{vector.blocks[0]}-{vector.blocks[-1]}",
        "hook": "l_out",
        "dataset_sha256": str(vector.provenance.get("dataset_sha256", "")),
        "tool": "monoscope",
    }
    for name, text in texts.items():
        writer.add_string(f"{ARCHITECTURE}.{name}", text)
    writer.add_uint32(f"{ARCHITECTURE}.layer_count", len(pushes))
    writer.add_float64(f"{ARCHITECTURE}.scale", scale)
    if vector.recommended is not None:
        writer.add_float32(f"{ARCHITECTURE}.recommended_scale", vector.recommended / scale)
    # A push is rounded, so the directions themselves are kept beside it: what is imported is what was exported.
    exact = np.concatenate([d.numpy() for d in vector.directions.values()]).astype("<f4")
    writer.add_string(f"{ARCHITECTURE}.directions", base64.b64encode(exact.tobytes()).decode())
    writer.add_string(f"{ARCHITECTURE}.monoscope", json.dumps(to_record(vector)))
    for name, push in named(pushes).items():
        writer.add_tensor(name, push.numpy())
    try:
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
    finally:
        writer.close()


def _read(path: Path) -> tuple[dict[str, tuple[str, Any]], dict[str, Tensor]]:
    """Key -> (its type, its value), and the tensors; refuses what llama.cpp's loader refuses."""
    package = _package()
    try:
        reader = package.GGUFReader(path)
        keys = {
            name: (field.types[0].name, field.contents())
            for name, field in reader.fields.items()
            if not name.startswith("GGUF.") and field.types[0].name != "ARRAY"
        }
        tensors = {one.name: one for one in reader.tensors}
    except (OSError, ValueError, LookupError, TypeError, ArithmeticError, MemoryError) as error:
        raise BrokenInput(
            f"{path} is no readable GGUF file: {error or type(error).__name__}", "check the file"
        ) from error
    again = "llama.cpp refuses the file too: export it again"
    if not tensors:
        raise BrokenInput(f"{path} holds no directions", again)
    lengths = set()
    for name, one in tensors.items():
        if block_of(name, path) == 0:
            raise BrokenInput(f"{path} holds {name}, and block 0 cannot be reached", again)
        if one.tensor_type.name != "F32" or len(one.shape) != 1:
            shape = [int(size) for size in one.shape]
            raise BrokenInput(
                f"{name} of {path} is {one.tensor_type.name} of shape {shape}, and not float32 of one dimension",
                again,
            )
        lengths.add(int(one.shape[0]))
    if len(lengths) > 1:
        raise BrokenInput(f"the directions of {path} have different lengths, {sorted(lengths)}", again)
    return keys, {name: torch.from_numpy(np.array(one.data, np.float32)) for name, one in tensors.items()}


def _own(keys: Mapping[str, tuple[str, Any]], pushes: Mapping[int, Tensor], path: Path) -> ControlVector:
    """The vector that a file of ours was exported from; refused if its tensors were changed since."""
    blocks = sorted(pushes)
    try:
        record = json.loads(keys[f"{ARCHITECTURE}.monoscope"][1])
        scale = float(keys[f"{ARCHITECTURE}.scale"][1])
        raw = base64.b64decode(keys[f"{ARCHITECTURE}.directions"][1], validate=True)
        table = np.frombuffer(raw, "<f4").astype(np.float32).reshape(len(blocks), -1)
    except (KeyError, TypeError, ValueError) as error:
        raise BrokenInput(f"the keys of {path} are damaged: {error}", "export it again") from error
    rows = dict(zip(blocks, torch.from_numpy(table), strict=True))
    vector = from_record(record, rows, path)
    for block, push in pushes.items():
        if not torch.equal(vector.push(block, scale), push):
            raise BrokenInput(
                f"direction.{block} of {path} is not what its keys say it was made from",
                "the file was changed after its export: export it again",
            )
    return vector


def _notes(keys: Mapping[str, tuple[str, Any]]) -> tuple[str, ...]:
    """What should be known about a file from another tool."""
    kind, _ = keys.get(f"{ARCHITECTURE}.layer_count", ("", 0))
    if kind == "INT32":
        return (
            "this file has the keys of llama.cpp's own generator, whose directions are one block late: direction.k is "
            "what was read behind block k - 1; import it with shift=-1 to have them where they were read",
        )
    return ()


def _shifted(vector: ControlVector, shift: int) -> ControlVector:
    if min(vector.blocks) + shift < 0:
        raise WrongUse(
            f"shift={shift} leads from block {min(vector.blocks)} below block 0", "give a smaller shift"
        )
    tables = {
        name: {block + shift: value for block, value in getattr(vector, name).items()}
        for name in ("directions", "norms", "centres", "accuracy")
    }
    return replace(vector, **tables)


def _for_model(vector: ControlVector, lm: LanguageModel) -> tuple[ControlVector, tuple[str, ...]]:
    """The vector with the model's name on it, without the directions that the model has no block for."""
    check_model(lm, vector)
    known = [block for block in vector.blocks if block < lm.n_blocks]
    if not known:
        raise BrokenInput(
            f"the directions begin at block {vector.blocks[0]} and {lm.name} has {lm.n_blocks}",
            "check the model",
        )
    beyond = vector.blocks[len(known) :]
    notes = (
        (f"left out, since {lm.name} has {lm.n_blocks} blocks: {', '.join(map(str, beyond))}",)
        if beyond
        else ()
    )
    return replace(vector.at(known), **model_of(lm)), notes
