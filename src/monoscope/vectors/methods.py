"""How one direction is found between two sides: pure functions of the activations of pairs.

Below, ``a_i`` and ``b_i`` are the activations of the positive and the negative side of pair i, ``δ_i = a_i - b_i``,
and every result has length 1 and points to the positive side. Which to take: ``mean_difference`` finds a planted
direction whatever else varies; the others are here to compare, or because other tools have them.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from monoscope.errors import BrokenInput, WrongUse
from monoscope.registry import Registry


@runtime_checkable
class Method(Protocol):
    """A frozen dataclass that finds the direction between two sides."""

    name: ClassVar[str]

    def __call__(
        self, positive: Float[Tensor, "pair d_model"], negative: Float[Tensor, "pair d_model"]
    ) -> Float[Tensor, " d_model"]:
        """The direction, of length 1, float32, from the negative side to the positive.

        Raises:
            WrongUse: the two sides do not differ, or there are too few pairs.
        """
        ...


METHODS: Registry[Method] = Registry("method")
"""Name on the command line and in files -> class."""


@METHODS.register("mean_difference")
@dataclass(frozen=True)
class MeanDifference(Method):
    """The mean difference, ``d ∝ Σ_i δ_i``.

    References: Marks and Tegmark 2023 (2310.06824); "cluster mean" of Zou et al. 2023 (2310.01405).
    """

    name: ClassVar[str]

    def __call__(
        self, positive: Float[Tensor, "pair d_model"], negative: Float[Tensor, "pair d_model"]
    ) -> Float[Tensor, " d_model"]:
        """The direction; see the class."""
        return _unit((positive.double() - negative.double()).mean(0))


@METHODS.register("pca")
@dataclass(frozen=True)
class PCA(Method):
    """The first principal component of the differences about 0: ``d = argmax_{|d|=1} Σ_i (δ_i · d)^2``.

    Not centred, so the mean difference counts as well as variation: whichever is larger wins, and a nuisance that
    varies by more than the mean difference is found instead.

    Reference: the ±PCA of Zou et al. 2023 (2310.01405), where the order within a pair is drawn at random.
    """

    name: ClassVar[str]

    def __call__(
        self, positive: Float[Tensor, "pair d_model"], negative: Float[Tensor, "pair d_model"]
    ) -> Float[Tensor, " d_model"]:
        """The direction; see the class."""
        differences = positive.double() - negative.double()
        return _by_majority(_first_component(differences), differences)


@METHODS.register("pca_center")
@dataclass(frozen=True)
class CentredPairsPCA(Method):
    """The first principal component of all activations, each pair's own mean subtracted from its two.

    The points are ``±δ_i / 2``, with mean 0: the direction of :class:`PCA`, under the name and by the path of
    repeng (``method="pca_center"``).

    Reference: repeng 0.4 (Vogel 2024).
    """

    name: ClassVar[str]

    def __call__(
        self, positive: Float[Tensor, "pair d_model"], negative: Float[Tensor, "pair d_model"]
    ) -> Float[Tensor, " d_model"]:
        """The direction; see the class."""
        one, other = positive.double(), negative.double()
        centre = (one + other) / 2
        points = torch.cat([one - centre, other - centre])
        return _by_majority(_first_component(points - points.mean(0)), one - other)


@METHODS.register("pca_diff")
@dataclass(frozen=True)
class CentredDifferencesPCA(Method):
    """The first principal component of the differences about their mean, as repeng's default computes it.

    ``d = argmax_{|d|=1} Σ_i ((δ_i - δ̄) · d)^2``. The mean difference is thrown away: what is found is how the
    differences vary among each other, which is the concept only where its strength varies more than anything else.
    On planted directions it fails at every nuisance level. It is here to reproduce vectors of repeng.

    Reference: repeng 0.4 (Vogel 2024), ``method="pca_diff"``.

    Raises:
        WrongUse: also when there is one pair, which has no variation.
    """

    name: ClassVar[str]

    def __call__(
        self, positive: Float[Tensor, "pair d_model"], negative: Float[Tensor, "pair d_model"]
    ) -> Float[Tensor, " d_model"]:
        """The direction; see the class."""
        if len(positive) < 2:
            raise WrongUse(
                "one pair has no variation for pca_diff to find", "give more pairs, or another method"
            )
        differences = positive.double() - negative.double()
        return _by_majority(_first_component(differences - differences.mean(0)), differences)


@METHODS.register("logistic")
@dataclass(frozen=True)
class Logistic(Method):
    """The normal of the plane that a logistic regression puts between the two sides.

    ``d ∝ w`` of ``argmin |w|^2 / 2 + c Σ log(1 + exp(-y (w · x + b)))`` with ``y = ±1`` and x the activations minus
    their mean, divided by their root mean square length. Reads well; a regression may use any direction that
    separates, also one that moves nothing.

    Reference: Alain and Bengio 2016 (1610.01644); solved by scikit-learn.
    """

    name: ClassVar[str]

    c: float = 1.0
    """Inverse strength of the penalty on the weights; larger fits the training pairs more closely."""

    def __post_init__(self) -> None:
        if not self.c > 0:
            raise WrongUse(
                f"c = {self.c} is no strength of a regression", "give a number above 0; 1 is usual"
            )

    def __call__(
        self, positive: Float[Tensor, "pair d_model"], negative: Float[Tensor, "pair d_model"]
    ) -> Float[Tensor, " d_model"]:
        """The direction; see the class."""
        from sklearn.linear_model import LogisticRegression

        x = torch.cat([positive, negative]).double()
        x = x - x.mean(0)
        x = x / x.square().sum(1).mean().sqrt()
        labels = [1] * len(positive) + [0] * len(negative)
        fitted = LogisticRegression(C=self.c, max_iter=2000).fit(x.numpy(), labels)
        return _unit(torch.from_numpy(fitted.coef_[0]))


@METHODS.register("whitened")
@dataclass(frozen=True)
class Whitened(Method):
    """The mean difference with what varies within either side divided out: ``d ∝ S^-1 (ā - b̄)``.

    ``S`` is the covariance of the activations about their side's mean, shrunk towards a multiple of the identity by
    as much as Ledoit and Wolf say: Fisher's linear discriminant. The best linear reader where both sides are normal
    with equal covariance; as a push it leaves out what usually varies, so prefer the mean difference there.

    References: Fisher 1936; Ledoit and Wolf 2004; Marks and Tegmark 2023 (2310.06824) for mass-mean probes.
    """

    name: ClassVar[str]

    def __call__(
        self, positive: Float[Tensor, "pair d_model"], negative: Float[Tensor, "pair d_model"]
    ) -> Float[Tensor, " d_model"]:
        """The direction; see the class."""
        from sklearn.covariance import ledoit_wolf

        one, other = positive.double(), negative.double()
        difference = one.mean(0) - other.mean(0)
        if len(one) < 2:
            raise WrongUse("one pair has no covariance for whitened", "give more pairs, or another method")
        within = torch.cat([one - one.mean(0), other - other.mean(0)])
        covariance = torch.from_numpy(ledoit_wolf(within.numpy(), assume_centered=True)[0])
        return _unit(torch.linalg.solve(covariance, _unit(difference).double()))


def to_record(method: Method) -> dict[str, Any]:
    """A method as JSON can hold it: its name and its fields."""
    return {"name": method.name, **asdict(method)}  # type: ignore[call-overload]


def from_record(record: Mapping[str, Any]) -> Method:
    """The method that :func:`to_record` wrote.

    Raises:
        UnknownName: no method has that name.
        BrokenInput: the fields are not that method's.
    """
    fields = {key: value for key, value in record.items() if key != "name"}
    try:
        return METHODS[record["name"]](**fields)
    except (KeyError, TypeError) as error:
        raise BrokenInput(
            f"{record} is no record of a method: {error}", "the file was damaged or made by hand"
        ) from error


def _first_component(rows: Float[Tensor, "row d_model"]) -> Float[Tensor, " d_model"]:
    """The direction of the largest sum of squares; its sign is arbitrary."""
    if not float(rows.abs().max()) > 0:
        raise WrongUse("the differences of the two sides have no first component", "they are all equal")
    return torch.linalg.svd(rows, full_matrices=False).Vh[0]


def _by_majority(
    direction: Float[Tensor, " d_model"], differences: Float[Tensor, "pair d_model"]
) -> Float[Tensor, " d_model"]:
    """The sign by which most pairs' positive side projects higher; at a tie, their mean does."""
    projected = differences @ direction
    votes = int((projected > 0).sum()) - int((projected < 0).sum())
    forward = votes > 0 or (votes == 0 and float(projected.mean()) >= 0)
    return _unit(direction if forward else -direction)


def _unit(direction: Float[Tensor, " d_model"]) -> Float[Tensor, " d_model"]:
    """The same direction with length 1, float32."""
    length = float(direction.norm())
    if not length > 0:
        raise WrongUse(
            "the two sides do not differ on average", "check that the pairs are not their own opposites"
        )
    return (direction / length).float()
