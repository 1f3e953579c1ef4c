"""Activations on disk: what a model had at some sites, for every token of some rows."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int64
from safetensors.torch import load_file
from torch import Tensor

from monoscope.activations.rows import TokenRows
from monoscope.activations.shuffle import shuffled
from monoscope.activations.statistics import Statistics
from monoscope.errors import BrokenInput, UnknownSite, WrongUse, nearest
from monoscope.manifest import Manifest, read_manifest
from monoscope.models.sites import Site

DTYPES = {"bfloat16": torch.bfloat16, "float32": torch.float32}
"""What activations may be stored as."""
BLOCK = 8192
"""Activations that are handled at once where nobody says how many."""


class ActivationStore:
    """The activations of one or several sites over the same rows of tokens; read-only, mapped from disk.

    Only *usable* tokens are stored, in order: special tokens and padding stand for no text. ``rows`` says
    which they are, what they say and which document they came from.

    ::

        FOLDER/
          manifest.json                  parents, options, widths, scalar statistics
          SITE.bin                       [n_tokens, width], bfloat16 or float32, raw
          SITE.statistics.safetensors    mean and covariance
          rows/                          TokenRows
    """

    def __init__(self, folder: Path, manifest: Manifest, rows: TokenRows) -> None:
        self.folder = folder
        self.manifest = manifest
        self.rows = rows
        self.n_tokens: int = manifest.content["n_tokens"]
        self.site_names: list[str] = list(manifest.content["sites"])
        self.hash = manifest.hash
        self.model_hash = manifest.parents["model"]
        self._mapped: dict[str, Tensor] = {}

    @classmethod
    def open(cls, folder: str | Path) -> "ActivationStore":
        """Open a finished store.

        Raises:
            MissingInput: there is none, or it was never finished.
            BrokenInput: a file is missing or has the wrong size.
        """
        folder = Path(folder)
        manifest = read_manifest(folder, "activations")
        store = cls(folder, manifest, TokenRows.open(folder / "rows"))
        for name in store.site_names:
            path = folder / f"{name}.bin"
            expected = store.n_tokens * store.d_model(name) * store.dtype.itemsize
            size = path.stat().st_size if path.is_file() else 0
            if size != expected or store.rows.n_tokens != store.n_tokens:
                raise BrokenInput(
                    f"{path} has {size} bytes where {expected} belong", f"delete {folder} and harvest again"
                )
        return store

    def __repr__(self) -> str:
        return f"ActivationStore({self.n_tokens:,} tokens at {', '.join(self.site_names)}, in {self.folder})"

    @property
    def dtype(self) -> torch.dtype:
        """What the files hold; whatever is read comes out as float32."""
        return DTYPES[self.manifest.content["dtype"]]

    @property
    def corpus_hash(self) -> str:
        """Content hash of the corpus that was read."""
        return self.manifest.parents["corpus"]

    def d_model(self, site: str | Site | None = None) -> int:
        """How many numbers an activation has."""
        return self.manifest.content["sites"][self._name(site)]["width"]

    def statistics(self, site: str | Site | None = None) -> Statistics:
        """Mean, covariance and norms, measured on a sample of tokens when the store was made."""
        name = self._name(site)
        scalars = {
            key: value for key, value in self.manifest.content["sites"][name].items() if key != "width"
        }
        tensors = load_file(statistics_path(self.folder, name))
        return Statistics(mean=tensors["mean"], covariance=tensors.get("covariance"), **scalars)

    @cached_property
    def positions(self) -> Int64[np.ndarray, " stored"]:
        """Flat position in ``rows`` of every stored token, ascending."""
        return np.flatnonzero(self.rows.usable)

    def sequential(
        self, site: str | Site | None = None, size: int = BLOCK, *, first: int = 0
    ) -> Iterator[tuple[Int64[np.ndarray, " batch"], Float[Tensor, "batch d_model"]]]:
        """All tokens from number ``first`` on, once, in order: flat positions in ``rows`` and activations."""
        data = self._data(self._name(site))
        for start in range(first, self.n_tokens, _positive(size)):
            yield (
                self.positions[start : start + size],
                data[start : start + size].to(torch.float32, copy=True),
            )

    def batches(
        self, site: str | Site | None = None, size: int = 4096, *, seed: int, start: int = 0
    ) -> Iterator[Float[Tensor, "batch d_model"]]:
        """Endless shuffled batches, every token exactly once an epoch, another order in each.

        A pure function of ``seed`` and ``start``, the number of batches already taken: a stream taken up
        again equals the one that was never left.

        Raises:
            WrongUse: ``size`` is below 1, or ``seed`` or ``start`` below 0.
        """
        if seed < 0 or start < 0:
            raise WrongUse(f"seed {seed}, start {start}: neither may be negative", "give 0 or more")
        data = self._data(self._name(site))
        indices = shuffled(self.n_tokens, _positive(size), seed=seed, start=start)
        return (data.index_select(0, torch.from_numpy(batch)).float() for batch in indices)

    def sample(self, site: str | Site | None, n: int, seed: int) -> Float[Tensor, "batch d_model"]:
        """``n`` different tokens drawn uniformly (all, where there are fewer), in the order of the text."""
        drawn = draw(self.n_tokens, _positive(n), seed)
        return self._data(self._name(site)).index_select(0, drawn).float()

    def stream(self, site: str | Site | None = None) -> "SiteStream":
        """One site as training reads it: ``d_model``, ``batches`` and ``sample``."""
        return SiteStream(self, self._name(site))

    def _name(self, site: str | Site | None) -> str:
        """The stored name of a site; None stands for the only one.

        Raises:
            UnknownSite: the store does not have it, or has several and none is named.
        """
        if site is None:
            if len(self.site_names) > 1:
                raise UnknownSite(
                    f"{self.folder} holds several sites", f"name one of {', '.join(self.site_names)}"
                )
            return self.site_names[0]
        if site not in self.site_names:
            parsed = str(Site.parse(site) if isinstance(site, str) else site)
            if parsed not in self.site_names:
                raise UnknownSite(
                    f"{self.folder} holds no activations of {site}", nearest(parsed, self.site_names)
                )
            return parsed
        return str(site)

    def _data(self, name: str) -> Float[Tensor, "stored d_model"]:
        if name not in self._mapped:
            self._mapped[name] = map_site(self.folder, name, self.n_tokens, self.d_model(name), self.dtype)
        return self._mapped[name]


@dataclass(frozen=True)
class SiteStream:
    """One site of a store, as training reads it."""

    store: ActivationStore
    """Where the activations are."""
    site: str
    """Which of them."""

    @property
    def d_model(self) -> int:
        """How many numbers an activation has."""
        return self.store.d_model(self.site)

    def batches(self, size: int, *, seed: int, start: int = 0) -> Iterator[Float[Tensor, "batch d_model"]]:
        """See :meth:`ActivationStore.batches`."""
        return self.store.batches(self.site, size, seed=seed, start=start)

    def sample(self, n: int, seed: int) -> Float[Tensor, "batch d_model"]:
        """See :meth:`ActivationStore.sample`."""
        return self.store.sample(self.site, n, seed)


def statistics_path(folder: Path, name: str) -> Path:
    """Where a site's mean and covariance are."""
    return folder / f"{name}.statistics.safetensors"


def map_site(
    folder: Path, name: str, n_tokens: int, width: int, dtype: torch.dtype
) -> Float[Tensor, "stored d_model"]:
    """A site's activations, mapped from disk; what is written to them never reaches the file."""
    path = str(folder / f"{name}.bin")
    return torch.from_file(path, shared=False, size=n_tokens * width, dtype=dtype).view(n_tokens, width)


def draw(n_tokens: int, n: int, seed: int) -> Int64[Tensor, " drawn"]:
    """``n`` different numbers below ``n_tokens`` (all, where there are fewer), ascending."""
    drawn = np.random.default_rng(seed).choice(n_tokens, size=min(n, n_tokens), replace=False, shuffle=False)
    return torch.from_numpy(np.sort(drawn))


def _positive(size: int) -> int:
    if size < 1:
        raise WrongUse(f"{size} activations cannot be read at a time", "give 1 or more")
    return size
