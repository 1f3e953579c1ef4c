"""What turns pre-activations into sparse codes. A new one is one class here, registered under its name."""

from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Protocol, runtime_checkable

from jaxtyping import Float, Int
from torch import Tensor

from monoscope.dictionaries.codes import SparseCodes
from monoscope.errors import BrokenInput, WrongUse
from monoscope.registry import Registry


@runtime_checkable
class Sparsifier(Protocol):
    """A frozen dataclass that maps pre-activations to codes.

    It must be positively homogeneous, ``sparsify(c * pre) = c * sparsify(pre)`` for ``c > 0``: that is what
    lets the scaling of the training data be folded into a dictionary's weights.
    ``monoscope.testing.check_sparsifier`` tests it.
    """

    name: ClassVar[str]

    def __call__(self, pre: Float[Tensor, "*batch n_features"]) -> Float[Tensor, "*batch n_features"]:
        """Codes, never negative, differentiable where a feature is active."""
        ...

    def sparse(self, pre: Float[Tensor, "*batch n_features"]) -> SparseCodes:
        """The same codes as values and indices."""
        ...


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


def largest(pre: Float[Tensor, "*batch n_features"], k: int) -> Int[Tensor, "*batch k"]:
    """Indices of the ``k`` largest entries of each row, in no particular order; exact.

    Two rounds, each over few entries: the ``k`` largest entries lie within the ``k`` groups of largest
    maximum, since an entry outside them is exceeded by each of those ``k`` maxima. Looking at all entries
    at once takes three times as long.
    """
    n_features = pre.shape[-1]
    size = group_size(n_features, k)
    if size == 1:
        return pre.topk(k, dim=-1, sorted=False).indices
    n_groups = n_features // size
    grouped = pre.unflatten(-1, (size, n_groups))
    groups = grouped.amax(-2).topk(k, dim=-1, sorted=False).indices
    shape = (*pre.shape[:-1], size, k)
    candidates = grouped.gather(-1, groups.unsqueeze(-2).expand(shape)).flatten(-2)
    best = candidates.topk(k, dim=-1, sorted=False).indices
    return (best // k) * n_groups + groups.gather(-1, best % k)


def group_size(n_features: int, k: int) -> int:
    """Entries in a group of :func:`largest`: what leaves the least to look at; 1 means no groups."""
    sizes = [
        size for size in (1, 2, 4, 8, 16, 32, 64, 128) if n_features % size == 0 and n_features // size >= k
    ]
    return min(sizes, key=lambda size: n_features if size == 1 else n_features // size + size * k, default=1)


@SPARSIFIERS.register("topk")
@dataclass(frozen=True)
class TopK:
    """The ``k`` largest pre-activations, where positive; all else is zero.

    ``f = ReLU(TopK_k(pre))``: at most ``k`` features are active, and active values are not shrunk.

    References: Makhzani and Frey 2013 (1312.5663); Gao et al. 2024 (2406.04093).
    """

    name: ClassVar[str]

    k: int = 32
    """Features kept for each activation."""

    def __post_init__(self) -> None:
        if self.k < 1:
            raise WrongUse(f"TopK of k = {self.k} keeps nothing", "give a k of 1 or more")

    def __call__(self, pre: Float[Tensor, "*batch n_features"]) -> Float[Tensor, "*batch n_features"]:
        """Dense codes."""
        return self.sparse(pre).dense(pre.shape[-1])

    def sparse(self, pre: Float[Tensor, "*batch n_features"]) -> SparseCodes:
        """The same codes as values and indices."""
        indices = self.select(pre.detach())
        return SparseCodes(pre.gather(-1, indices).relu(), indices)

    def select(self, pre: Float[Tensor, "*batch n_features"]) -> Int[Tensor, "*batch k"]:
        """The features that may be active: a trainer computes the rest of its step on those alone."""
        return largest(pre, min(self.k, pre.shape[-1]))


@SPARSIFIERS.register("relu")
@dataclass(frozen=True)
class ReLU:
    """Every positive pre-activation; sparse because training charges for each unit of activation.

    ``f = ReLU(pre)``, trained with ``L = |x - x_hat|^2 + l1 * sum_i f_i`` on activations scaled to
    ``E|x|^2 = d_model``. With unit-norm directions the penalty also shrinks the values that stay.

    References: Bricken et al. 2023 (Towards Monosemanticity); the units of ``l1`` are those of Templeton et
    al. 2024 (Scaling Monosemanticity).
    """

    name: ClassVar[str]

    l1: float = 1.5
    """Weight of the summed activations against the summed squared error, at E|x|^2 = d_model."""

    def __post_init__(self) -> None:
        if not self.l1 >= 0:
            raise WrongUse(f"l1 = {self.l1} is no penalty", "give a weight of 0 or more")

    def __call__(self, pre: Float[Tensor, "*batch n_features"]) -> Float[Tensor, "*batch n_features"]:
        """Dense codes."""
        return pre.relu()

    def sparse(self, pre: Float[Tensor, "*batch n_features"]) -> SparseCodes:
        """The same codes as values and indices, with as many slots as the fullest row needs."""
        slots = max(1, int((pre > 0).sum(-1).max())) if pre.numel() else 1
        indices = largest(pre.detach(), slots)
        return SparseCodes(pre.gather(-1, indices).relu(), indices)
