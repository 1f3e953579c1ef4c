"""Texts of one batch, each steered by rules of its own."""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import final

from monoscope.dictionaries.autoencoder import SparseAutoencoder
from monoscope.errors import WrongUse
from monoscope.intervene.channels import Channel, SiteChange
from monoscope.intervene.steer import Rule, Rules, changes, on_device, placed
from monoscope.models.decoding import Text
from monoscope.models.hooks import edit
from monoscope.models.language_model import LanguageModel
from monoscope.models.sites import Site

STRONGEST = 1e15
"""The largest change that is taken of strangers: much larger ones overflow float32, and spoil the text they are for."""


@contextmanager
def steer_each(
    lm: LanguageModel, dictionary: SparseAutoencoder | None, edits: Sequence[Rules]
) -> Iterator[None]:
    """Inside the block, each text of a batch is steered by edits of its own, and only by those.

    Args:
        lm: the model; it must be run on batches of as many texts.
        dictionary: a dictionary of its activations, or None.
        edits: for each text of the batch, as :func:`steer`; no edits leave a text as it is.

    Raises:
        MismatchedArtefact, UnknownSite, UnknownName, WrongUse, BrokenInput: as :func:`steer`.
    """
    with edit(lm, changes(lm, dictionary, edits, each=True)):
        yield


@final
class EachSteered:
    """What is entered around a decoder's runs: each text is steered by the rules that its ``tag`` holds, or by none.

    The same as :func:`steer_each`, whose sums are put together once for all steps in which the same
    texts are written.
    """

    def __init__(self, lm: LanguageModel, dictionary: SparseAutoencoder | None) -> None:
        """Ready for texts.

        Args:
            lm: the model.
            dictionary: what features are of; None where only vectors steer.

        Raises:
            MismatchedArtefact, UnknownSite: as :func:`monoscope.intervene.steer`.
        """
        self.lm: LanguageModel = lm
        self.dictionary: SparseAutoencoder | None = None
        if dictionary is not None:
            self.take(dictionary)
        self.known: dict[tuple[Text, ...], Mapping[Site, SiteChange]] = {}

    def take(self, dictionary: SparseAutoencoder) -> None:
        """Steer with a dictionary from now on.

        Raises:
            MismatchedArtefact, UnknownSite: as :func:`monoscope.intervene.steer`.
        """
        placed(self.lm, dictionary, None)
        self.dictionary = on_device(dictionary, self.lm.device)

    def check(self, rules: Sequence[Rule]) -> None:
        """Refuse rules that cannot be carried out.

        Raises:
            MismatchedArtefact, UnknownName, WrongUse, BrokenInput: as :func:`monoscope.intervene.steer`.
            WrongUse: a change is too large to be computed.
        """
        for change in changes(self.lm, self.dictionary, [rules]).values():
            for channel in change.channels:
                check_size(channel)

    @contextmanager
    def __call__(self, texts: Sequence[Text]) -> Iterator[None]:
        """Inside the block, each of the texts is steered."""
        with edit(self.lm, self.changes_of(tuple(texts))):
            yield

    def changes_of(self, texts: tuple[Text, ...]) -> Mapping[Site, SiteChange]:
        """What happens at each site while these are written."""
        found = self.known.get(texts)
        if found is None:
            rules = [text.request.tag or () for text in texts]
            found = changes(self.lm, self.dictionary, rules, each=True)
            # Those that are being written and those that join: no third group is run twice.
            self.known = {texts: found, **dict(list(self.known.items())[:1])}
        return found


def check_size(channel: Channel) -> None:
    """Refuse what overflows.

    Raises:
        WrongUse: it does.
    """
    move = channel.move
    for size in (float(move.shift), move.slope, 0.0 if move.ceiling == math.inf else move.ceiling):
        if not abs(size) <= STRONGEST:
            what = "a vector" if channel.feature is None else f"feature {channel.feature}"
            raise WrongUse(
                f"a change of {what} by {size:g} cannot be computed",
                "multiples of a feature's largest activation lie in about -10 to 10",
            )
