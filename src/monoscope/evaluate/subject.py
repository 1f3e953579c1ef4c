"""A feature under examination: the runs that the steering checks are made of."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from jaxtyping import Bool, Float
from torch import Tensor

from monoscope.activations import TokenRows
from monoscope.dictionaries import SparseAutoencoder
from monoscope.evaluate.faithfulness import Replacement, measure, spread_rows
from monoscope.intervene.dose import Dose, dose_response, undosed
from monoscope.intervene.edits import Edit, Move
from monoscope.intervene.splice import spliced
from monoscope.intervene.steer import steer
from monoscope.models import LanguageModel

OTHER_TOKENS = 20_000
"""Tokens of other text on which losses are compared."""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What is checked, and how samples are drawn."""

    lm: LanguageModel
    """The model."""
    dictionary: SparseAutoencoder
    """A dictionary of its activations."""
    features: Mapping[int, float | int]
    """Feature -> weight of its clamp."""
    words: Sequence[str]
    """Words of the topic."""
    n_tokens: int
    """Length of a sample."""
    seed: int
    """Of the samples."""
    step: Callable[[], None]
    """Called after each piece of work."""

    def doses(
        self, multiples: Sequence[float | int], prompts: Sequence[str], temperature: float | int = 0.8
    ) -> list[Dose]:
        """What is written at each multiple; at temperature 0, what is likeliest."""
        return dose_response(
            self.lm,
            self.dictionary,
            self.features,
            words=self.words,
            multiples=multiples,
            prompts=prompts,
            n_tokens=self.n_tokens,
            temperature=temperature,
            seed=self.seed,
            progress=lambda done, total: self.step(),
        )

    def baseline(self, prompts: Sequence[str]) -> Dose:
        """What the model writes as it is."""
        dose = undosed(self.lm, words=self.words, prompts=prompts, n_tokens=self.n_tokens, seed=self.seed)
        self.step()
        return dose

    def steered(
        self, edits: Mapping[int, Edit], usable: Bool[Tensor, "batch token"]
    ) -> AbstractContextManager[None]:
        """The model with the edits, at every token whatever ``usable`` says: as it is steered in use."""
        return steer(self.lm, self.dictionary, edits)

    def spliced(
        self, edits: Mapping[int, Edit], keep_error: bool, usable: Bool[Tensor, "batch token"]
    ) -> AbstractContextManager[None]:
        """The model with edited reconstructions at the usable tokens, their error kept or dropped."""
        return spliced(self.lm, self.dictionary, edits=edits, keep_error=keep_error, where=usable)

    def losses(self, rows: TokenRows, conditions: Mapping[str, Replacement]) -> dict[str, float]:
        """Nats per token on about 20,000 tokens of the rows: ``clean`` and each condition."""
        tokens, losses = measure(self.lm, rows, spread_rows(rows, OTHER_TOKENS), conditions)
        self.step()
        return {name: float(each.cross_entropy.sum() / tokens.sum()) for name, each in losses.items()}


@dataclass(frozen=True)
class Replayed:
    """An edit that clamps a feature to a value of its own at every token."""

    codes: Float[Tensor, "*batch"]
    """The values."""

    @property
    def relative(self) -> bool:
        """Always false."""
        return False

    def move(self, unit: float) -> Move:
        """The values."""
        return Move(self.codes, slope=0.0)


def largest_difference(a: Float[Tensor, "*batch"], b: Float[Tensor, "*batch"]) -> float:
    """``max |a - b|``."""
    return float((a - b).abs().max())
