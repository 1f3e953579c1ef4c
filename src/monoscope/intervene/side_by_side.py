"""The same prompt written several ways at once, with the same dice, and what chosen features do meanwhile."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import final

import torch

from monoscope.dictionaries.autoencoder import SparseAutoencoder
from monoscope.errors import WrongUse
from monoscope.intervene.each import EachSteered
from monoscope.intervene.edits import check_features
from monoscope.intervene.steer import Rules, as_rules
from monoscope.models.decoding import Request, Text
from monoscope.models.hooks import read
from monoscope.models.language_model import LanguageModel
from monoscope.models.sampling import Sampling
from monoscope.models.writing import Step, requests_for, write


@dataclass(frozen=True, kw_only=True)
class SideStep:
    """What a step brought to one side."""

    side: str
    """Its name."""
    step: Step
    """The token and the text."""
    codes: tuple[float, ...]
    """What the watched features are at the token that was read for this step, after the edits: the one before the
    token drawn."""


def side_by_side(
    lm: LanguageModel,
    dictionary: SparseAutoencoder | None,
    prompt: str | Sequence[int],
    sides: Mapping[str, Rules],
    *,
    n_tokens: int = 60,
    temperature: float = 0.8,
    top_p: float = 1.0,
    repetition_penalty: float = 1.0,
    seed: int = 0,
    stop: Sequence[str] = (),
    watch: Sequence[int] = (),
) -> Iterator[SideStep]:
    """Write on from a prompt in several ways together; each is what it would be alone under :func:`steer`.

    Args:
        lm: the model.
        dictionary: what features are of, or None.
        prompt: a text, or its tokens, for instance of :func:`monoscope.models.chat.chat_prompt`.
        sides: name -> how that side is steered; no edits leave it as it is.
        n_tokens: the longest continuation.
        temperature: of the sampling; 0 takes the likeliest token every time.
        top_p: of the sampling.
        repetition_penalty: of the sampling.
        seed: of the dice, the same on every side.
        stop: strings before which a side ends.
        watch: features that are read back at every step.

    Raises:
        WrongUse: there is no side, features are watched without a dictionary, or as :meth:`LanguageModel.generate`.
        MismatchedArtefact, UnknownSite, UnknownName, BrokenInput: as :func:`monoscope.intervene.steer`.
    """
    if not sides:
        raise WrongUse("there is no side to write", "name at least one")
    if watch and dictionary is None:
        raise WrongUse("features are watched without a dictionary", "give the dictionary that they are of")
    sampling = Sampling(temperature=temperature, top_p=top_p, repetition_penalty=repetition_penalty)
    (request,) = requests_for(lm, [prompt], n_tokens=n_tokens, sampling=sampling, seed=seed)
    requests = [replace(request, tag=tuple(as_rules(rules))) for rules in sides.values()]
    around = Watched(EachSteered(lm, dictionary), watch)
    for each in requests:
        around.steered.check(each.tag)
    return _steps(lm, list(sides), requests, stop, around)


def _steps(
    lm: LanguageModel,
    names: Sequence[str],
    requests: Sequence[Request],
    stop: Sequence[str],
    around: "Watched",
) -> Iterator[SideStep]:
    for number, step in write(lm, requests, stop, around=around):
        yield SideStep(side=names[number], step=step, codes=around.codes.get(number, ()))


@final
class Watched:
    """What is entered around a decoder's runs: texts are steered, and then chosen features are read.

    Args:
        steered: steers.
        features: are read at the last token of every text.

    Raises:
        UnknownName: the dictionary has no such feature.
    """

    def __init__(self, steered: EachSteered, features: Sequence[int]) -> None:
        self.steered = steered
        self.features = torch.tensor(list(features), dtype=torch.int64, device=steered.lm.device)
        if steered.dictionary is not None:
            check_features(steered.dictionary, features)
        self.numbers: dict[Text, int] = {}
        self.codes: dict[int, tuple[float, ...]] = {}
        """Number of a text, in the order of joining -> what its features are now."""

    @contextmanager
    def __call__(self, texts: Sequence[Text]) -> Iterator[None]:
        """Inside the block the texts are steered; after it their features are known."""
        dictionary = self.steered.dictionary
        with ExitStack() as hooks:
            hooks.enter_context(self.steered(texts))
            if not len(self.features) or dictionary is None:
                yield
                return
            values = hooks.enter_context(read(self.steered.lm, [dictionary.site]))
            yield
        (x,) = values.values()
        codes = dictionary.codes_of(x[:, -1].float(), self.features)
        for text, row in zip(texts, codes.tolist(), strict=True):
            self.codes[self.numbers.setdefault(text, len(self.numbers))] = tuple(row)
