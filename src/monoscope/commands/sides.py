"""Texts that are written side by side, for people to watch and for the record."""

from collections.abc import Sequence
from typing import Any

from rich.columns import Columns
from rich.panel import Panel
from rich.text import Text

from monoscope.commands.terminal import visible
from monoscope.intervene import SideStep
from monoscope.models import LanguageModel


class Sides:
    """What every side has written so far.

    Args:
        prompt: what they write on from, for people.
        read: its tokens, as the model reads them.
        names: of the sides.
        lm: the model, for the names of tokens.
    """

    def __init__(self, prompt: str, read: Sequence[int], names: Sequence[str], lm: LanguageModel) -> None:
        self.prompt, self.read, self.lm = prompt, read, lm
        self.texts = dict.fromkeys(names, "")
        self.finish = dict.fromkeys(names, "")
        self.steps: dict[str, list[SideStep]] = {name: [] for name in names}

    def add(self, told: SideStep) -> None:
        """Go on."""
        self.texts[told.side] += told.step.text
        self.finish[told.side] = told.step.finish
        if told.step.drawn is not None:
            self.steps[told.side].append(told)

    def panels(self) -> Columns:
        """The texts beside each other."""
        shown = [
            Panel(Text(visible(self.prompt), "dim") + Text(visible(text)), title=name)
            for name, text in self.texts.items()
        ]
        return Columns(shown, equal=True, expand=True)

    def watched(self, features: Sequence[int]) -> dict[str, Any]:
        """What the watched features were at each token that was read: the prompt's last, then those written but one."""
        before = self.lm.token_strings(self.read[-1:])
        tokens = {
            name: before
            + self.lm.token_strings([each.step.drawn.token for each in steps[:-1] if each.step.drawn])
            for name, steps in self.steps.items()
        }
        return {
            "tokens": tokens,
            "features": [
                {
                    "feature": feature,
                    **{name: [each.codes[place] for each in steps] for name, steps in self.steps.items()},
                }
                for place, feature in enumerate(features)
            ],
        }
