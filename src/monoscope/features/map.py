"""A map: features whose directions are near lie near each other in the plane."""

import warnings
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from monoscope.errors import BrokenInput, MonoscopeError, WrongUse
from monoscope.manifest import Manifest, check_parent, content_hash, read_manifest, staged, write_manifest

FILE = "map.safetensors"
LEAST = 20
"""Features below which there is nothing to map."""


@dataclass(frozen=True, kw_only=True)
class MapOptions:
    """How a map is drawn."""

    n_neighbors: int = 15
    """Neighbours that the map keeps near."""
    min_dist: float = 0.1
    """Least distance of points on the map."""
    seed: int = 0
    """The same seed gives the same map."""


@dataclass(frozen=True, eq=False)
class FeatureMap:
    """Where features lie."""

    features: Int[Tensor, " feature"]
    """Their numbers."""
    positions: Float[Tensor, "feature 2"]
    """Within -1 to 1, around 0."""


def embedded(
    points: Float[np.ndarray, "feature width"], dimensions: int, options: MapOptions
) -> Float[np.ndarray, "feature dimension"]:
    """Points in few dimensions, neighbours by cosine kept near (UMAP, McInnes et al. 2018, 1802.03426).

    Raises:
        MonoscopeError: umap-learn is not installed.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from umap import UMAP
    except ImportError as error:
        raise MonoscopeError(
            "a map of features needs the package umap-learn", "pip install 'monoscope[map]'"
        ) from error
    made = UMAP(
        n_components=dimensions,
        n_neighbors=min(options.n_neighbors, len(points) - 1),
        min_dist=options.min_dist,
        metric="cosine",
        random_state=options.seed,
        n_jobs=1,
    )
    return np.asarray(made.fit_transform(points), np.float64)


def draw_map(
    directions: Float[Tensor, "n_features d"],
    alive: Int[np.ndarray, " alive"],
    options: MapOptions | None = None,
) -> FeatureMap:
    """A map of the features that fire.

    Args:
        directions: the decoder's rows, of any norm.
        alive: the features' numbers.
        options: how.

    Raises:
        WrongUse: they are fewer than ``LEAST``.
        MonoscopeError: umap-learn is not installed.
    """
    if len(alive) < LEAST:
        raise WrongUse(
            f"{len(alive)} features fire, too few for a map", f"map a dictionary of which {LEAST} or more do"
        )
    features = torch.from_numpy(np.asarray(alive, np.int64))
    points = torch.nn.functional.normalize(directions.detach().float().cpu()[features], dim=1)
    place = embedded(points.numpy(), 2, options or MapOptions())
    low, high = place.min(axis=0), place.max(axis=0)
    place = 2 * (place - (low + high) / 2) / max(float((high - low).max()), 1e-12)
    return FeatureMap(features, torch.from_numpy(place.astype(np.float32)))


def write_map(made: FeatureMap, folder: Path, *, dictionary_hash: str, options: MapOptions) -> None:
    """Write a map as the artefact ``folder``."""
    with staged(folder) as place:
        save_file({"features": made.features, "positions": made.positions}, place / FILE)
        manifest = Manifest(
            kind="map",
            options=asdict(options),
            parents={"dictionary": dictionary_hash},
            content={"n_features": len(made.features)},
            seeds={"map": options.seed},
            hash=content_hash(place / FILE),
        )
        write_manifest(place, manifest)


def read_map(folder: Path, *, dictionary_hash: str) -> FeatureMap:
    """A map that :func:`write_map` wrote.

    Raises:
        MissingInput: there is none.
        BrokenInput: it cannot be read.
        MismatchedArtefact: it was drawn of another dictionary.
    """
    check_parent(folder, read_manifest(folder, "map"), "dictionary", dictionary_hash)
    try:
        tensors = load_file(folder / FILE)
        return FeatureMap(tensors["features"], tensors["positions"])
    except (OSError, KeyError, SafetensorError) as error:
        raise BrokenInput(f"{folder / FILE} is no readable map: {error}", f"delete {folder}") from error
