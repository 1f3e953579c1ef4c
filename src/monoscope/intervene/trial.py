"""A model at one strength of what it is steered by, and what it writes there."""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property

from monoscope.dictionaries.autoencoder import SparseAutoencoder
from monoscope.intervene.steer import Rule, steer
from monoscope.models.language_model import LanguageModel


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One strength, tried out; nothing is written before it is asked for."""

    lm: LanguageModel
    """The model."""
    dictionary: SparseAutoencoder | None
    """What features are of."""
    rules: tuple[Rule, ...]
    """How it is steered; without rules it is the model as it is."""
    prompts: tuple[str, ...]
    """What is written from."""
    n_tokens: int
    """The longest continuation."""
    temperature: float
    """Of the sampling."""
    seed: int
    """Of the sampling."""

    def steered(self) -> AbstractContextManager[None]:
        """A block in which the model is steered."""
        return steer(self.lm, self.dictionary, self.rules)

    @cached_property
    def samples(self) -> tuple[str, ...]:
        """What is written after each prompt."""
        with self.steered():
            return tuple(
                self.lm.generate(
                    self.prompts, n_tokens=self.n_tokens, temperature=self.temperature, seed=self.seed
                )
            )
