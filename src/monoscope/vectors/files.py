"""A control vector on disk: ``vector.safetensors`` and a manifest; or one ``.npz`` for whoever has numpy alone."""

import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from monoscope.errors import BrokenInput, MissingInput
from monoscope.manifest import Manifest, full_disk_is_said, read_manifest, staged, write_manifest
from monoscope.vectors.record import from_record, named, numbered, to_record
from monoscope.vectors.vector import ControlVector

FILE = "vector.safetensors"
"""The directions: ``direction.B`` for block B."""
UNREADABLE = (
    OSError,
    ValueError,
    LookupError,
    EOFError,
    TypeError,
    AttributeError,
    RuntimeError,
    BadZipFile,
    zlib.error,
)
"""What zip, zlib and numpy raise at a damaged archive; an encrypted one is a RuntimeError."""


def save(
    vector: ControlVector,
    folder: Path,
    *,
    parents: Mapping[str, str] | None = None,
    texts: Mapping[str, str] | None = None,
) -> Manifest:
    """Write a control vector as the artefact ``folder``, in place of what is there.

    Args:
        vector: what to write.
        folder: where.
        parents: name of each thing it was made from -> content hash; the model's is added.
        texts: further files of the artefact, name -> what stands in it: a figure, for instance.

    Raises:
        OutOfSpace: the disk is full.
    """
    with staged(folder) as place:
        save_file(named(vector.directions), place / FILE)
        for name, text in (texts or {}).items():
            (place / name).write_text(text, encoding="utf-8")
        known = {"model": vector.model_hash} if vector.model_hash else {}
        seed = vector.provenance.get("seed")
        return write_manifest(
            place,
            Manifest(
                kind="vector",
                options={name: value for name, value in vector.provenance.items() if name != "seed"},
                parents=known | dict(parents or {}),
                content=to_record(vector),
                seeds={} if seed is None else {"vector": seed},
                hash=vector.hash,
            ),
        )


def load(folder: Path) -> ControlVector:
    """Read the vector that :func:`save` wrote, bit for bit.

    Raises:
        MissingInput: there is no complete vector.
        BrokenInput: its files do not belong together.
    """
    manifest = read_manifest(folder, "vector")
    again = f"restore {folder} from a copy, or learn it again"
    try:
        tensors = load_file(Path(folder) / FILE)
    except (OSError, SafetensorError) as error:
        raise BrokenInput(f"{folder} is no readable control vector: {error}", again) from error
    vector = from_record(manifest.content, numbered(tensors, folder), folder)
    if vector.hash != manifest.hash:
        raise BrokenInput(f"{folder} has hash {vector.hash} and its manifest says {manifest.hash}", again)
    return vector


def export_npz(vector: ControlVector, path: Path) -> None:
    """Write one ``.npz``: float32 arrays ``direction.B``, and ``record``, everything else as a JSON text.

    Raises:
        OutOfSpace: the disk is full.
    """
    arrays: dict[str, Any] = {name: d.numpy() for name, d in named(vector.directions).items()}
    arrays["record"] = np.array(json.dumps(to_record(vector)))
    path = Path(path)
    part = path.with_name(f".{path.name}.part")
    with full_disk_is_said(path):
        try:
            with part.open("wb") as file:
                np.savez(file, allow_pickle=False, **arrays)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)


def import_npz(path: Path) -> ControlVector:
    """Read the vector that :func:`export_npz` wrote, bit for bit; nothing is unpickled.

    Raises:
        MissingInput: there is no such file.
        BrokenInput: it is no control vector.
    """
    if not Path(path).is_file():
        raise MissingInput(f"there is no file {path}", "check the path")
    try:
        with Path(path).open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            tensors = {name: torch.from_numpy(arrays[name]) for name in arrays.files if name != "record"}
            record = json.loads(str(arrays["record"]))
    except UNREADABLE as error:
        raise BrokenInput(f"{path} is no readable control vector: {error}", "export it again") from error
    return from_record(record, numbered(tensors, path), path)
