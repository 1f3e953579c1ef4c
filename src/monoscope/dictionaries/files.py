"""A dictionary on disk: ``dictionary.safetensors``, and a manifest that says what it is and what made it."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from monoscope.dictionaries.autoencoder import AutoencoderOptions, SparseAutoencoder
from monoscope.errors import BrokenInput
from monoscope.manifest import Manifest, read_manifest, staged, write_manifest

FILE = "dictionary.safetensors"
"""The tensors, by the names they have in :class:`SparseAutoencoder`."""


def save(
    dictionary: SparseAutoencoder,
    folder: Path,
    *,
    parents: Mapping[str, str] | None = None,
    options: Mapping[str, Any] | None = None,
    seeds: Mapping[str, int] | None = None,
    files: Sequence[Path] = (),
) -> Manifest:
    """Write a dictionary as the artefact ``folder``, in place of what is there.

    Args:
        dictionary: what to write.
        folder: where.
        parents: name of each thing it was made from -> content hash; the model's is added.
        options: what it was trained with.
        seeds: every seed that was used, by purpose.
        files: files to keep beside it, for instance the log of its training.

    Raises:
        OutOfSpace: the disk is full.
    """
    with staged(folder) as place:
        state = dictionary.state_dict()
        save_file({name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}, place / FILE)
        for file in files:
            shutil.copyfile(file, place / file.name)
        known = {"model": dictionary.model_hash} if dictionary.model_hash else {}
        return write_manifest(
            place,
            Manifest(
                kind="dictionary",
                options=dict(options or {}),
                parents=known | dict(parents or {}),
                content={
                    "dictionary": dictionary.options.to_record(),
                    "d_model": dictionary.d_model,
                    "site": dictionary.site,
                    "model_hash": dictionary.model_hash,
                },
                seeds=dict(seeds or {}),
                hash=dictionary.hash,
            ),
        )


def load(folder: Path) -> SparseAutoencoder:
    """Read the dictionary that :func:`save` wrote, bit for bit.

    Raises:
        MissingInput: there is no complete dictionary.
        BrokenInput: its files do not belong together.
    """
    manifest = read_manifest(folder, "dictionary")
    again = f"restore {folder} from a copy, or train it again"
    try:
        options = AutoencoderOptions.from_record(manifest.content["dictionary"])
        origin = {name: manifest.content[name] for name in ("site", "model_hash")}
        dictionary = SparseAutoencoder.from_tensors(options, load_file(Path(folder) / FILE), **origin)
    except (OSError, KeyError, TypeError, SafetensorError) as error:
        raise BrokenInput(f"{folder} is no readable dictionary: {error}", again) from error
    if dictionary.hash != manifest.hash:
        raise BrokenInput(f"{folder} has hash {dictionary.hash} and its manifest says {manifest.hash}", again)
    return dictionary
