"""What a pass gathered, on disk: to go on after a crash, to add text later, to join what several processes made.

A part is an artefact of kind ``features-part``: one raw array a file (``.npy``), and a manifest that says which
rows of which activations it covers, of which dictionary, and with which options.
"""

import json
import shutil
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from monoscope.errors import BrokenInput, MismatchedArtefact
from monoscope.features.collect import Collected
from monoscope.features.options import IndexOptions
from monoscope.features.shortlists import Shortlist
from monoscope.features.sketches import Moments
from monoscope.manifest import Manifest, is_complete, read_manifest, staged, write_manifest

KIND = "features-part"
"""Kind of the artefact."""
SHORTLISTS = ("top", "intervals", "drawn", "by_mass")
"""Shortlists of :class:`Collected`."""
SECONDS = 60.0
"""Work that is lost at most when the process is killed, about."""
SHARE = 0.05
"""Share of the time that is spent on keeping it, at most."""
ANYWHERE = ("shards", "keep_state")
"""Options that change nothing of what is gathered."""


@dataclass(frozen=True)
class Origin:
    """What decides what a pass gathers: parts of one index agree in it."""

    options: IndexOptions
    """How much is kept."""
    dictionary: str
    """Its hash."""
    model: str
    """Hash of the model."""
    n_features: int
    """Features of the dictionary."""
    vocabulary_size: int
    """Tokens in the vocabulary."""
    context: int
    """Tokens in a row."""
    activations: tuple[str, ...]
    """Hashes of the stores whose rows the corpus holds, one after the other."""

    def empty(self, row: int = 0) -> Collected:
        """Nothing gathered yet."""
        return Collected.empty(
            self.n_features, self.options, vocabulary_size=self.vocabulary_size, context=self.context, row=row
        )

    def told(self) -> dict[str, Any]:
        """As JSON holds it, without the options that change nothing."""
        return json.loads(json.dumps(asdict(self) | {"options": gathering(self.options)}))


def gathering(options: IndexOptions) -> dict[str, Any]:
    """The options that decide what a pass gathers."""
    return {name: value for name, value in asdict(options).items() if name not in ANYWHERE}


def save_part(collected: Collected, origin: Origin, folder: Path) -> None:
    """Write what was gathered, whole or not at all.

    Raises:
        OutOfSpace: the disk is full.
    """
    with staged(folder) as place:
        write_part(collected, origin, place)


def write_part(collected: Collected, origin: Origin, place: Path) -> None:
    """Write what was gathered into a folder that is there."""
    for name, array in _arrays(collected).items():
        np.save(place / f"{name}.npy", array, allow_pickle=False)
    content = origin.told() | {
        "rows": [collected.rows.start, collected.rows.stop],
        "n_tokens": collected.moments.n_tokens,
    }
    parents = {"dictionary": origin.dictionary, "model": origin.model}
    write_manifest(
        place, Manifest(kind=KIND, options=asdict(origin.options), parents=parents, content=content)
    )


def open_part(folder: Path, origin: Origin) -> Collected:
    """Read what was gathered.

    Raises:
        MissingInput: there is no complete part.
        BrokenInput: it cannot be read.
        MismatchedArtefact: it was gathered from something else, or with other options.
    """
    manifest = read_manifest(folder, KIND)
    check_origin(folder, manifest.content, origin)
    collected = origin.empty()
    try:
        held = {path.stem: np.load(path, allow_pickle=False) for path in Path(folder).glob("*.npy")}
        _restore(collected, held, manifest.content)
    except (OSError, ValueError, KeyError) as error:
        raise BrokenInput(f"{folder} cannot be read: {error}", "delete it and index again") from error
    return collected


def check_origin(folder: Path, content: Mapping[str, Any], origin: Origin) -> None:
    """Refuse a part that does not belong.

    Raises:
        MismatchedArtefact: it was gathered from something else, or with other options.
    """
    for name, wanted in origin.told().items():
        found = content.get(name)
        if found != wanted:
            if isinstance(wanted, dict) and isinstance(found, dict):
                name = next(key for key in wanted if found.get(key) != wanted[key])
                found, wanted = found.get(name), wanted[name]
            raise MismatchedArtefact(
                f"{folder} was gathered with {name} = {found}, and here it is {wanted}",
                "join parts of one dictionary on one corpus, made with the same options",
            )


@dataclass
class Unfinished:
    """The state of a pass, kept now and then beside the index that it is for."""

    folder: Path
    """Where."""
    origin: Origin
    """What the pass reads."""
    _due: float = field(default_factory=lambda: time.monotonic() + SECONDS)

    def resume(self, begun: Collected, stop: int) -> Collected:
        """What an earlier call kept of the same pass, to row ``stop`` at most, if that is further than ``begun``;
        what is of another pass is deleted.
        """
        if is_complete(self.folder):
            content = read_manifest(self.folder, KIND).content
            known = {name: content.get(name) for name in self.origin.told()}
            first, end = content["rows"]
            if known == self.origin.told() and first == begun.rows.start and begun.rows.stop < end <= stop:
                return open_part(self.folder, self.origin)
        self.delete()
        return begun

    def keep(self, collected: Collected, now: bool = False) -> None:
        """Write the state, ``now`` or when it is due."""
        began = time.monotonic()
        if now or began >= self._due:
            save_part(collected, self.origin, self.folder)
            took = time.monotonic() - began
            self._due = time.monotonic() + max(SECONDS, took / SHARE)

    def delete(self) -> None:
        """Remove the state."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _arrays(collected: Collected) -> dict[str, np.ndarray]:
    """File name -> array."""
    moments = collected.moments
    arrays = {name: getattr(moments, name) for name in ("count", "total", "largest", "histogram")} | dict(
        zip(("token_keys", "token_mass", "token_count"), collected.tokens.packed(), strict=True)
    )
    for name in SHORTLISTS:
        shortlist: Shortlist = getattr(collected, name)
        arrays |= {name: shortlist.entries, f"{name}_windows": shortlist.windows}
    features, positions = collected.sample.entries()
    return arrays | {
        "sample_rows": collected.sample.rows,
        "sample_features": features,
        "sample_positions": positions,
    }


def _restore(collected: Collected, held: Mapping[str, np.ndarray], content: Mapping[str, Any]) -> None:
    """Fill what is empty with arrays of a part."""
    collected.rows = range(*content["rows"])
    columns = (held[name] for name in ("count", "total", "largest", "histogram"))
    collected.moments = Moments(content["n_tokens"], *columns)
    collected.tokens.restore(held["token_keys"], held["token_mass"], held["token_count"])
    for name in SHORTLISTS:
        getattr(collected, name).restore(held[name], held[f"{name}_windows"])
    collected.sample.restore(held["sample_rows"], held["sample_features"], held["sample_positions"])
