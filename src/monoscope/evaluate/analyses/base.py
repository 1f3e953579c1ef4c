"""What an analysis is: a question to a dictionary, with its model, its text, its index, and others beside it."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Protocol, runtime_checkable

from monoscope.dictionaries import SparseAutoencoder
from monoscope.evaluate.stream import Activations
from monoscope.features import FeatureIndex
from monoscope.models import LanguageModel
from monoscope.registry import Registry

Progress = Callable[[int, int], None]
"""Called with what is done and what there is in all."""


def unwatched(done: int, total: int) -> None:
    """Nobody is told."""


@runtime_checkable
class Material(Protocol):
    """A dictionary with all that it was made from; each part is read, or made, when it is first asked for."""

    @property
    def name(self) -> str:
        """What results call it."""
        ...

    @property
    def lm(self) -> LanguageModel:
        """The model."""
        ...

    @property
    def dictionary(self) -> SparseAutoencoder:
        """The dictionary, of the site that it names."""
        ...

    @property
    def calibration(self) -> Activations:
        """Training text with activations of the site and of the block's neurons: what is chosen is chosen here."""
        ...

    @property
    def heldout(self) -> Activations:
        """Text kept apart, the same sites: what is measured is measured here."""
        ...

    @property
    def index(self) -> FeatureIndex:
        """The index of its features."""
        ...

    @property
    def others(self) -> Sequence["Material"]:
        """Dictionaries to compare with: of other widths, seeds or models."""
        ...


@dataclass(frozen=True, kw_only=True)
class Check:
    """A figure beside what was asked of it."""

    name: str
    """Its name in the literature of this project, for instance A1.5."""
    what: str
    """What is measured, in one line."""
    figure: float | None
    """What came out; None where it could not be measured, which ``why`` explains."""
    target: str
    """What was asked for, for instance ``>= 0.7``."""
    holds: bool | None
    """Whether it came out so; None where nothing came out."""
    why: str = ""
    """Why it could not be measured, or falls short, where that is known."""

    def to_json(self) -> dict[str, Any]:
        """The check as JSON holds it."""
        return asdict(self)


@runtime_checkable
class Analysis(Protocol):
    """An analysis: a frozen dataclass of its options, registered by name, that is called with the material.

    The first line of its docstring is its title. What it returns is what JSON can hold: ``checks``, a list of
    :class:`Check` as JSON; ``formulas``, name of a figure -> one line; and whatever its figure is drawn from.
    """

    name: ClassVar[str]

    def __call__(self, material: Material, progress: Progress = unwatched) -> dict[str, Any]:
        """Ask."""
        ...


ANALYSES: Registry[Analysis] = Registry("analysis")
"""Name on the command line and in files -> class."""
