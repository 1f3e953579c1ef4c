"""Texts that are being written, one token each a step; they come and go while the others go on."""

from collections.abc import Callable, Sequence, Set
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, final, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from monoscope.errors import BrokenInput, MonoscopeError
from monoscope.models.cache import Cache, beside, empty_cache, keep
from monoscope.models.reading import Reading, pad_left
from monoscope.models.sampling import Sampling


@runtime_checkable
class Readable(Protocol):
    """What writing needs of a language model."""

    model: Any
    device: torch.device
    special_ids: frozenset[int]

    def reads(self, reading: Reading | None) -> AbstractContextManager[None]:
        """Inside the block, the model is said to read this."""
        ...


@dataclass(frozen=True, kw_only=True)
class Request:
    """A text to be written."""

    prompt: Sequence[int]
    """Its beginning, at least one token."""
    n_tokens: int
    """The longest continuation."""
    sampling: Sampling = field(default_factory=Sampling)
    """How tokens are drawn."""
    seed: tuple[int, ...] = (0,)
    """Of its own generator: what is written depends on no other text."""
    ends: Set[int] = frozenset()
    """Tokens that end it."""
    alternatives: int | None = None
    """So many of the likeliest tokens are told beside each token; None: not even its own probability."""
    tag: Any = None
    """Whatever the caller wants to know it by."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """A token that was drawn."""

    token: int
    """Its number."""
    logprob: float | None = None
    """Logarithm of the probability that the model gave it, before the sampling's temperature and nucleus."""
    alternatives: tuple[tuple[int, float], ...] = ()
    """The likeliest tokens and their logarithms of probability."""


@final
class Text:
    """A text while it is written."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.written: list[int] = []
        self.finish: Literal["", "stop", "length", "left"] = ""
        """Why nothing more comes: a token that ends texts, the length that was asked for, or its caller left."""
        self.error: MonoscopeError | None = None
        self.uniforms = np.random.default_rng(list(request.seed)).random(request.n_tokens)

    @property
    def length(self) -> int:
        """Its tokens so far, those of the prompt included."""
        return len(self.request.prompt) + len(self.written)

    @property
    def done(self) -> bool:
        """Whether nothing more comes."""
        return bool(self.finish) or self.error is not None

    def leave(self) -> None:
        """Ask for no more; its place is free before the next step."""
        self.finish = self.finish or "left"

    def take(self, drawn: Drawn) -> bool:
        """Go on with a token; whether it belongs to the text."""
        if drawn.token in self.request.ends:
            self.finish = "stop"
            return False
        self.written.append(drawn.token)
        if len(self.written) == self.request.n_tokens:
            self.finish = "length"
        return True


Around = Callable[[Sequence[Text]], AbstractContextManager[Any]]
"""What is entered around a run of the model on some texts."""


@final
class Decoder:
    """Writes many texts at once, each as if alone.

    A text that joins is read by itself, with those that join in the same step; then its keys and values are put
    beside those of the others. Rows are padded on the left and masked, and every text keeps its own positions, its
    own dice and its own end.
    """

    def __init__(self, lm: Readable, *, cache: bool = True, around: Around | None = None) -> None:
        """A decoder without texts.

        Args:
            lm: the model.
            cache: keep keys and values; without, every step computes all tokens again.
            around: entered around every run of the model, with the texts that it is run on.
        """
        self.lm, self.cached = lm, cache
        self.around: Around = around or (lambda texts: nullcontext())
        self.texts: list[Text] = []
        self.waiting: list[Text] = []
        self.past: Cache | None = None

    def join(self, request: Request) -> Text:
        """Add a text; its first token comes with the next step."""
        text = Text(request)
        self.waiting.append(text)
        return text

    @torch.no_grad()
    def step(self) -> list[tuple[Text, Drawn]]:
        """One token more for every text; those that are done are gone. A token that ended a text is not told.

        A text whose logits are infinite or no numbers ends with an ``error``, and the others go on.
        """
        self.leave_done()
        parts = [self.run(self.texts, self.past)] if self.texts else []
        if self.waiting:
            fresh = empty_cache() if self.cached else None
            parts.append(self.run(self.waiting, fresh))
            self.put_together(fresh)
        if not parts:
            return []
        logits = torch.cat(parts)
        told = []
        for text, drawn in zip(self.texts, draw(logits, self.texts), strict=True):
            if drawn is None:
                text.error = BrokenInput(
                    f"the model's logits after {len(text.written)} tokens are not finite",
                    "an edit as strong as this overflows: make it weaker, or run in float32",
                )
            elif text.take(drawn):
                told.append((text, drawn))
        return told

    def run(self, texts: Sequence[Text], past: Cache | None) -> Float[Tensor, "batch vocabulary"]:
        """Logits of the next token of each text."""
        device = self.lm.device
        known = past.get_seq_length() if past is not None else 0
        lengths = torch.tensor([text.length for text in texts], device=device)
        if known:
            tokens = torch.tensor([[text.written[-1]] for text in texts], device=device)
        else:
            tokens = pad_left([[*text.request.prompt, *text.written] for text in texts], device)
        fresh = tokens.shape[1]
        places = torch.arange(known + fresh, device=device) - (known + fresh - lengths)[:, None]
        mask, places = (places >= 0).long(), places.clamp(min=-1)[:, -fresh:]
        prompts = torch.tensor([len(text.request.prompt) for text in texts], device=device)
        reading = Reading(tokens, places, prompts, self.lm.special_ids)
        with self.lm.reads(reading), self.around(texts):
            output = self.lm.model(
                input_ids=tokens,
                attention_mask=mask,
                position_ids=places.clamp(min=0),
                past_key_values=past,
                use_cache=past is not None,
                logits_to_keep=1,
            )
        return output.logits[:, -1].float()

    def put_together(self, fresh: Cache | None) -> None:
        """Those that waited are texts like the others."""
        if fresh is not None:
            self.past = fresh if self.past is None else beside(self.past, fresh)
        self.texts += self.waiting
        self.waiting = []

    def leave_done(self) -> None:
        """Free the places of texts that are done, and the columns that nobody needs any more."""
        self.waiting = [text for text in self.waiting if not text.done]
        stay = [place for place, text in enumerate(self.texts) if not text.done]
        if len(stay) == len(self.texts):
            return
        self.texts = [self.texts[place] for place in stay]
        if not self.texts:
            self.past = None
        elif self.past is not None:
            # Of each text all tokens but the last one written are in the cache.
            longest = max(text.length for text in self.texts) - 1
            keep(self.past, stay, longest)


def draw(logits: Float[Tensor, "batch vocabulary"], texts: Sequence[Text]) -> list[Drawn | None]:
    """The next token of each text; None where its logits are infinite or no numbers."""
    sound = logits.isfinite().all(dim=-1).tolist()
    found: list[Drawn | None] = [None] * len(texts)
    kinds: dict[Sampling, list[int]] = {}
    for place, text in enumerate(texts):
        if sound[place]:
            kinds.setdefault(text.request.sampling, []).append(place)
    for sampling, rows in kinds.items():
        own = logits if len(rows) == len(texts) else logits[rows]
        if sampling.repetition_penalty != 1:
            own = sampling.penalised(own, present([texts[row] for row in rows], own))
        uniform = torch.tensor(
            [texts[row].uniforms[len(texts[row].written)] for row in rows], device=logits.device
        )
        for row, token in zip(rows, sampling.choose(own, uniform).tolist(), strict=True):
            found[row] = told(token, logits[row], texts[row].request.alternatives)
    return found


def told(token: int, logits: Float[Tensor, " vocabulary"], alternatives: int | None) -> Drawn:
    """A token, with the probabilities that were asked for."""
    if alternatives is None:
        return Drawn(token)
    logprobs = logits.log_softmax(dim=-1)
    values, tokens = logprobs.topk(min(alternatives, len(logits)))
    return Drawn(token, float(logprobs[token]), tuple(zip(tokens.tolist(), values.tolist(), strict=True)))


def present(texts: Sequence[Text], logits: Float[Tensor, "batch vocabulary"]) -> Tensor:
    """Which tokens of the vocabulary each text holds."""
    seen = torch.zeros_like(logits, dtype=torch.bool)
    for row, text in enumerate(texts):
        seen[row, [*text.request.prompt, *text.written]] = True
    return seen


def continue_tokens(lm: Readable, requests: Sequence[Request], *, cache: bool = True) -> list[list[int]]:
    """What is written for each request, without the token that ended it.

    Args:
        lm: the model.
        requests: the texts; what is written for one does not depend on those beside it.
        cache: keep keys and values; without, every step computes all tokens again.

    Raises:
        BrokenInput: logits are infinite or no numbers.
    """
    decoder = Decoder(lm, cache=cache)
    texts = [decoder.join(request) for request in requests]
    while not all(text.done for text in texts):
        decoder.step()
        for text in texts:
            if text.error is not None:
                raise text.error
    return [text.written for text in texts]
