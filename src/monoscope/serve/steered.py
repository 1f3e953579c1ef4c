"""Texts that are written together, each steered by rules of its own."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import final

from monoscope.dictionaries import SparseAutoencoder
from monoscope.errors import WrongUse
from monoscope.intervene.channels import Channel, SiteChange
from monoscope.intervene.steer import Rule, channels_of, on_device, placed
from monoscope.models import LanguageModel, edit
from monoscope.models.decoding import Text

STRONGEST = 1e30
"""The largest change that is taken: larger ones overflow float32, and what overflows does not stay in its row."""


@final
class EachSteered:
    """What is entered around a decoder's runs: each text is steered by the rules that its ``tag`` holds, or by none.

    The same as :func:`monoscope.intervene.steer_each`, whose sum is here put together once for the steps in which the
    same texts are written.
    """

    def __init__(self, lm: LanguageModel, dictionary: SparseAutoencoder) -> None:
        """Ready for texts.

        Raises:
            MismatchedArtefact, UnknownSite: as :func:`monoscope.intervene.steer`.
        """
        self.lm = lm
        self.place = placed(lm, dictionary, None)
        self.dictionary = on_device(dictionary, lm.device)
        self.changes: dict[tuple[Text, ...], SiteChange | None] = {}

    def check(self, rules: Sequence[Rule]) -> None:
        """Refuse rules that cannot be carried out.

        Raises:
            UnknownName, WrongUse, BrokenInput: as :func:`monoscope.intervene.edits.check_edits`.
            WrongUse: a change is too large to be computed.
        """
        for channel in self._channels(rules):
            move = channel.move
            for size in (float(move.shift), move.slope, 0.0 if move.ceiling == math.inf else move.ceiling):
                if not abs(size) <= STRONGEST:
                    raise WrongUse(
                        f"a change of feature {channel.feature} by {size:g} cannot be computed",
                        "multiples of the largest activation lie in about -10 to 10",
                    )

    @contextmanager
    def __call__(self, texts: Sequence[Text]) -> Iterator[None]:
        """Inside the block, each of the texts is steered."""
        change = self._change(tuple(texts))
        if change is None:
            yield
            return
        with edit(self.lm, {self.place: change}):
            yield

    def _change(self, texts: tuple[Text, ...]) -> SiteChange | None:
        if texts not in self.changes:
            each = [self._channels(text.request.tag or ()) for text in texts]
            channels = [channel for own in each for channel in own]
            rows = [row for row, own in enumerate(each) for _ in own]
            change = SiteChange(channels, self.dictionary, self.lm, rows) if channels else None
            # Those that are being written and those that join: no third group is run twice.
            self.changes = {texts: change} | dict(list(self.changes.items())[:1])
        return self.changes[texts]

    def _channels(self, rules: Sequence[Rule]) -> list[Channel]:
        return channels_of(self.dictionary, rules)
