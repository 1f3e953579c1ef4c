"""Texts that are being written, as text: token by token, cut before stop strings."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, final, runtime_checkable

from jaxtyping import Int
from torch import Tensor

from monoscope.errors import MonoscopeError, WrongUse
from monoscope.models.decoding import Around, Decoder, Drawn, Readable, Request, Text, continue_tokens
from monoscope.models.sampling import Sampling
from monoscope.models.streaming import Decodes, TextStream


@runtime_checkable
class Writes(Readable, Decodes, Protocol):
    """What writing text needs of a language model: its weights and its tokenizer."""

    name: str
    context: int
    ends: frozenset[int]

    def tokenize(self, text: str) -> Int[Tensor, " token"]:
        """The tokens of a text, with the beginning-of-text token in front where there is one."""
        ...

    def check_length(self, length: int, advice: str) -> None:
        """Refuse more tokens than the model can read; the advice says what to do."""
        ...


def requests_for(
    lm: Writes,
    prompts: Sequence[str | Sequence[int]],
    *,
    n_tokens: int,
    sampling: Sampling,
    seed: int,
    first_index: int = 0,
) -> list[Request]:
    """Prompts, texts or their tokens, as what is asked of a decoder.

    Sample ``i`` has dice of its own, seeded by ``(seed, first_index + i)``.

    Raises:
        WrongUse: a prompt is empty, does not fit the context with its continuation, or a number is out of range.
    """
    if n_tokens < 1 or seed < 0:
        raise WrongUse(f"n_tokens={n_tokens}, seed={seed}", "n_tokens is at least 1 and seed at least 0")
    rows = [lm.tokenize(each).tolist() if isinstance(each, str) else list(each) for each in prompts]
    if not all(rows):
        raise WrongUse("the prompt is empty", f"{lm.name} has no beginning-of-text token: give some text")
    longest = max(map(len, rows), default=0)
    room = f"shorten the prompt, or ask for at most {max(0, lm.context - longest)} tokens"
    lm.check_length(longest + n_tokens if rows else 0, room)
    return [
        Request(prompt=row, n_tokens=n_tokens, sampling=sampling, seed=(seed, first_index + i), ends=lm.ends)
        for i, row in enumerate(rows)
    ]


def written_texts(
    lm: Writes, requests: Sequence[Request], stop: Sequence[str] = (), *, cache: bool = True
) -> list[str]:
    """The whole continuation of each request, cut before the first stop string.

    Raises:
        BrokenInput: logits are infinite or no numbers.
    """
    if not stop:
        # Decoded with the prompt, because decoders drop the space before a text's first token.
        return [
            lm.decode([*each.prompt, *new])[len(lm.decode(each.prompt)) :]
            for each, new in zip(requests, continue_tokens(lm, requests, cache=cache), strict=True)
        ]
    continuations = [""] * len(requests)
    for number, step in write(lm, requests, stop, cache=cache):
        continuations[number] += step.text
    return continuations


@dataclass(frozen=True, slots=True)
class Step:
    """What a step brought to a text."""

    text: str
    """The text that is certain now and was not before; often empty."""
    drawn: Drawn | None = None
    """The token; None at the end, when only text comes that was held back."""
    offset: int = 0
    """Where in the continuation the token's text begins."""
    finish: Literal["", "stop", "length"] = ""
    """Why nothing more comes."""


@final
class Writer:
    """A decoder whose texts are told as text.

    Args:
        lm: the model.
        around: entered around every run of the model, as :class:`monoscope.models.decoding.Decoder` says.
        cache: keep keys and values.
    """

    def __init__(self, lm: Writes, *, around: Around | None = None, cache: bool = True) -> None:
        self.lm = lm
        self.decoder = Decoder(lm, cache=cache, around=around)
        self.streams: dict[Text, TextStream] = {}

    def join(self, request: Request, stop: Sequence[str] = ()) -> Text:
        """Add a text, which ends before the first of the stop strings; its first token comes with the next step."""
        stream = TextStream(self.lm, request.prompt, stop)
        text = self.decoder.join(request)
        self.streams[text] = stream
        return text

    def leave(self, text: Text) -> None:
        """Write no more of a text; its place is free before the next step."""
        text.leave()
        self.streams.pop(text, None)

    def rest(self) -> None:
        """Free the places of texts that were left, while there is nothing to write."""
        self.decoder.leave_done()

    def step(self) -> list[tuple[Text, Step | MonoscopeError]]:
        """What one token more brings to every text; the last thing told of one is a ``finish`` or an error."""
        told: list[tuple[Text, Step | MonoscopeError]] = []
        for text, drawn in self.decoder.step():
            stream = self.streams[text]
            offset, piece = stream.length, stream.take(drawn.token)
            if stream.stopped:
                text.finish = "stop"
            elif text.done:
                piece += stream.finish()
            told.append((text, Step(piece, drawn, offset, _reason(text))))
            if text.done:
                del self.streams[text]
        # Ended by a token that belongs to no text, or by logits that are none.
        for text in [text for text in self.streams if text.done]:
            rest = self.streams.pop(text).finish()
            told.append((text, text.error or Step(rest, finish=_reason(text))))
        return told


def write(
    lm: Writes,
    requests: Sequence[Request],
    stop: Sequence[str] = (),
    *,
    around: Around | None = None,
    cache: bool = True,
) -> Iterator[tuple[int, Step]]:
    """Write texts together, and tell each step with the number of its text.

    Args:
        lm: the model.
        requests: the texts.
        stop: strings before which each ends.
        around: entered around every run of the model.
        cache: keep keys and values.

    Raises:
        BrokenInput: logits are infinite or no numbers.
    """
    writer = Writer(lm, around=around, cache=cache)
    numbers = {writer.join(request, stop): number for number, request in enumerate(requests)}
    while writer.streams:
        for text, told in writer.step():
            if isinstance(told, MonoscopeError):
                raise told
            yield numbers[text], told


def _reason(text: Text) -> Literal["", "stop", "length"]:
    """Why a text ended, to whoever has not left it."""
    return "" if text.finish == "left" else text.finish
