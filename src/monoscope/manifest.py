"""What an artefact is, what made it, and from which parents: ``manifest.json``.

An artefact is a folder. It is written beside its place, its manifest last, and then renamed: a folder that
has a manifest is complete, and nothing else is ever picked up.
"""

import errno
import hashlib
import json
import os
import platform
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from monoscope.errors import BrokenInput, MismatchedArtefact, MissingInput, OutOfSpace

MANIFEST = "manifest.json"
"""The file that completes an artefact."""
SCHEMA = 1
"""Version of every artefact's layout; a reader refuses others."""


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """The record that completes an artefact."""

    kind: str
    """What the folder holds: ``run``, ``activations``, ``dictionary``, ``features``, ``evaluation``, ``vector``."""
    options: dict[str, Any] = field(default_factory=dict)
    """The options it was made with, as resolved."""
    parents: dict[str, str] = field(default_factory=dict)
    """Name of each parent (``model``, ``corpus``, ``dictionary`` ...) -> its content hash."""
    content: dict[str, Any] = field(default_factory=dict)
    """Whatever the artefact's own reader needs: shapes, dtypes, counts, statistics."""
    seeds: dict[str, int] = field(default_factory=dict)
    """Every seed that was used, by purpose."""
    hash: str = ""
    """Content hash of the artefact's files: its identity as a parent."""
    versions: dict[str, str] = field(default_factory=dict)
    """monoscope, python and torch, as they were."""
    schema: int = SCHEMA
    """Layout version."""


def versions() -> dict[str, str]:
    """Versions of what made an artefact."""
    found = {"python": platform.python_version()}
    for package in ("monoscope", "torch", "transformers"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def content_hash(*parts: bytes | str | Path) -> str:
    """The first 16 hexadecimal digits of the SHA-256 of bytes, texts and files, in the order given."""
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, Path):
            with part.open("rb") as file:
                while block := file.read(1 << 20):
                    digest.update(block)
        else:
            digest.update(part.encode() if isinstance(part, str) else part)
        digest.update(b"\0")
    return digest.hexdigest()[:16]


def read_manifest(folder: Path, kind: str) -> Manifest:
    """Read the manifest of a complete artefact.

    Raises:
        MissingInput: there is no such artefact.
        BrokenInput: the manifest is unreadable, of another schema, or of another kind.
    """
    path = Path(folder) / MANIFEST
    if not path.is_file():
        raise MissingInput(
            f"{folder} holds no complete {kind}",
            f"make one first, or check the path; {path.name} marks a complete one",
        )
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        manifest = Manifest(**record)
    except (ValueError, TypeError) as error:
        raise BrokenInput(
            f"{path} is not a manifest: {error}", f"delete {folder} and make it again"
        ) from error
    if manifest.schema != SCHEMA:
        raise BrokenInput(
            f"{path} has schema {manifest.schema}, this version reads {SCHEMA}", "make the artefact again"
        )
    if manifest.kind != kind:
        raise BrokenInput(f"{folder} is a {manifest.kind}, not a {kind}", "check the path")
    return manifest


def is_complete(folder: Path) -> bool:
    """True when the folder holds a finished artefact."""
    return (Path(folder) / MANIFEST).is_file()


def check_parent(folder: Path, manifest: Manifest, name: str, expected: str) -> None:
    """Refuse an artefact whose parent ``name`` has another hash than ``expected``.

    Raises:
        MismatchedArtefact: the hashes differ; the sentence says both.
    """
    made_from = manifest.parents.get(name, "")
    if made_from != expected:
        raise MismatchedArtefact(
            f"{folder} was made from {name} {made_from or '(unknown)'}, and this {name} is {expected}",
            f"use the {name} it was made from, or make it again",
        )


@contextmanager
def staged(folder: Path) -> Iterator[Path]:
    """A place beside ``folder`` to write an artefact in; it takes the folder's place when the block ends well.

    What the block leaves when it fails or is interrupted is removed, and ``folder`` stays as it was.

    Raises:
        OutOfSpace: the disk filled up inside the block.
    """
    folder = Path(folder)
    place = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    with full_disk_is_said(folder):
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        try:
            yield place
            replace_folder(place, folder)
        finally:
            shutil.rmtree(place, ignore_errors=True)


def replace_folder(source: Path, target: Path) -> None:
    """Put ``source`` where ``target`` is; what was there is moved aside first and deleted after."""
    aside = target.with_name(f".{target.name}.{os.getpid()}.old")
    if target.exists():
        target.rename(aside)
    source.rename(target)
    shutil.rmtree(aside, ignore_errors=True)


@contextmanager
def full_disk_is_said(place: Path) -> Iterator[None]:
    """Turn «no space left», whoever says it, into one sentence that names the place."""
    try:
        yield
    except Exception as error:
        if not _disk_is_full(error):
            raise
        raise OutOfSpace(
            f"the disk that holds {place} is full",
            "free some space and run the same command again: what was complete is kept",
        ) from error


def _disk_is_full(error: Exception) -> bool:
    """True for the system's own error, and for what SQLite and safetensors make of it."""
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    full = getattr(error, "sqlite_errorname", "") == "SQLITE_FULL"
    return full or any(f"(os error {code})" in str(error) for code in (errno.ENOSPC, errno.EDQUOT))


def write_manifest(folder: Path, manifest: Manifest) -> Manifest:
    """Complete the artefact in ``folder``; returns the manifest with its versions filled in."""
    complete = replace(manifest, versions=manifest.versions or versions())
    path = Path(folder) / MANIFEST
    part = path.with_suffix(".part")
    part.write_text(
        json.dumps(asdict(complete), indent=1, sort_keys=True, ensure_ascii=False), encoding="utf-8"
    )
    part.replace(path)
    return complete


def flattened(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Dotted name -> value: ``{"training.n_tokens": 8000000}``."""
    flat: dict[str, Any] = {}
    for name, value in table.items():
        flat |= flattened(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {prefix + name: value}
    return flat
