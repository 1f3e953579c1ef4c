"""The contract of a sparsifier, and how one is written down."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, ClassVar, Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor

from monoscope.dictionaries.codes import SparseCodes
from monoscope.dictionaries.selection import largest
from monoscope.errors import BrokenInput
from monoscope.registry import Registry

Own = Mapping[str, Tensor]
"""The tensors that a sparsifier keeps in its dictionary: by name, each ``[n_features]`` or a scalar."""
NOTHING: Own = {}


@runtime_checkable
class Sparsifier(Protocol):
    """A frozen dataclass that maps pre-activations to codes.

    It may keep tensors of its own in the dictionary, thresholds for instance. It must be positively
    homogeneous together with them, ``sparsify(c * pre, scaled(own, c)) = c * sparsify(pre, own)`` for
    ``c > 0``: that is what lets the scaling of the training data be folded into a dictionary's weights.
    ``monoscope.testing.check_sparsifier`` tests it.
    """

    name: ClassVar[str]
    elementwise: ClassVar[bool] = True
    """True when a feature's code depends on its own pre-activation alone; homogeneous for each feature then."""

    untrained: ClassVar[frozenset[str]] = frozenset()
    """Tensors of the dictionary that no gradient moves: ``learnt.NAME``, or ``encoder_bias`` where it is not used."""

    def own(self, n_features: int) -> dict[str, Tensor]:
        """Its tensors before any training."""
        return {}

    def scaled(self, own: Own, factor: float | Float[Tensor, " n_features"]) -> dict[str, Tensor]:
        """Its tensors for pre-activations that are ``factor`` times as large."""
        return dict(own)

    def __call__(
        self, pre: Float[Tensor, "*batch n_features"], own: Own = NOTHING
    ) -> Float[Tensor, "*batch n_features"]:
        """Codes, never negative, each row's by itself; differentiable where a feature is active."""
        ...

    def trained(
        self, pre: Float[Tensor, "batch n_features"], own: Own = NOTHING
    ) -> Float[Tensor, "batch n_features"]:
        """The codes that training sees: those of ``__call__`` unless the rule says otherwise."""
        return self(pre, own)

    def sparse(self, pre: Float[Tensor, "*batch n_features"], own: Own = NOTHING) -> SparseCodes:
        """The codes of ``__call__`` as values and indices, with as many slots as the fullest row needs."""
        codes = self(pre, own)
        slots = max(1, int((codes > 0).sum(-1).max())) if codes.numel() else 1
        indices = largest(codes.detach(), slots)
        return SparseCodes(codes.gather(-1, indices), indices)


SPARSIFIERS: Registry[Sparsifier] = Registry("sparsifier")
"""Name on the command line and in files -> class."""


def to_record(sparsifier: Sparsifier) -> dict[str, Any]:
    """A sparsifier as JSON can hold it: its name and its fields."""
    return {"name": sparsifier.name, **asdict(sparsifier)}  # type: ignore[call-overload]


def from_record(record: dict[str, Any]) -> Sparsifier:
    """The sparsifier that :func:`to_record` wrote.

    Raises:
        UnknownName: no sparsifier has that name.
        BrokenInput: the fields are not that sparsifier's.
    """
    fields = {key: value for key, value in record.items() if key != "name"}
    try:
        return SPARSIFIERS[record["name"]](**fields)
    except (KeyError, TypeError) as error:
        raise BrokenInput(
            f"{record} is no record of a sparsifier: {error}", "the file was damaged or made by hand"
        ) from error
