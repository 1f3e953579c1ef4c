"""Material of analyses, put together from parts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from monoscope.evaluate.analyses import Material


@dataclass(frozen=True, kw_only=True)
class Parts:
    """Whatever an analysis asks for and the test gives; what it does not give is an error to touch."""

    name: str = "tiny"
    lm: Any = None
    dictionary: Any = None
    calibration: Any = None
    heldout: Any = None
    index: Any = None
    others: Sequence[Material] = ()


@dataclass(frozen=True)
class Statistics:
    """An index that knows the features' densities and nothing else."""

    density: Any
    n_tokens: int = 1000

    def statistics(self) -> dict[str, Any]:
        return {"density": self.density}

    @property
    def manifest(self) -> Any:
        return self

    @property
    def content(self) -> dict[str, int]:
        return {"n_tokens": self.n_tokens}


@dataclass(frozen=True)
class Described:
    """An index that knows which features fire, and calls each by its number."""

    alive: Sequence[int] = ()

    def description(self, feature: int) -> str:
        return f"word{feature} (50 % of activation); promotes other"
