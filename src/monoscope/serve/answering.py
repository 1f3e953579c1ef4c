"""From texts that are being written to what a client gets, whole or in pieces."""

import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from time import time
from typing import Any

from pydantic import BaseModel

from monoscope.errors import MonoscopeError
from monoscope.models import LanguageModel
from monoscope.models.decoding import Drawn
from monoscope.models.streaming import token_bytes
from monoscope.models.writing import Step
from monoscope.serve.answers import (
    Answer,
    ChatChoice,
    ChatCompletion,
    ChatCompletionChunk,
    ChatLogprobs,
    ChatPiece,
    ChatToken,
    Completion,
    CompletionChoice,
    CompletionLogprobs,
    Delta,
    Finish,
    Likely,
    Usage,
)
from monoscope.serve.asking import Asked, Served
from monoscope.serve.refusals import Refused, body_of, refused
from monoscope.serve.streams import merged


@dataclass
class Choice:
    """A text, as far as it is told."""

    text: str = ""
    written: list[Step] = field(default_factory=list)
    """Steps that brought tokens."""
    finish: Finish | None = None

    def add(self, step: Step) -> None:
        """Go on."""
        self.text += step.text
        if step.drawn is not None:
            self.written.append(step)
        self.finish = step.finish or None


def usage(asked: Asked, n_written: int) -> Usage:
    """Tokens read and written."""
    return Usage(
        prompt_tokens=asked.prompt_tokens,
        completion_tokens=n_written,
        total_tokens=asked.prompt_tokens + n_written,
    )


def blamed(asked: Asked, error: MonoscopeError) -> Refused:
    """Logits that are no numbers are the steering's fault where there is one."""
    return refused(error, param="steering" if asked.steered else None)


@dataclass(frozen=True)
class Teller:
    """Tells one request's texts."""

    served: Served
    asked: Asked
    chat: bool
    """As messages, or as continuations."""
    logprobs: bool
    """With the tokens and their probabilities."""
    first: Callable[[], None]
    """Called when the first token is there."""

    async def whole(self) -> Completion | ChatCompletion:
        """Everything, when it is written.

        Raises:
            Refused: a text failed.
        """
        choices = [Choice() for _ in self.asked.handles]
        try:
            for choice, handle in zip(choices, self.asked.handles, strict=True):
                async for step in handle:
                    self.first()
                    choice.add(step)
        except MonoscopeError as error:
            raise blamed(self.asked, error) from error
        finally:
            self.asked.cancel()
        n_written = sum(len(choice.written) for choice in choices)
        if self.chat:
            return ChatCompletion(
                **self.head("chatcmpl"),
                choices=[self.message(number, choice) for number, choice in enumerate(choices)],
                usage=usage(self.asked, n_written),
            )
        return Completion(
            **self.head("cmpl"),
            choices=[
                self.continuation(number, choice, self.asked.echoes[number])
                for number, choice in enumerate(choices)
            ],
            usage=usage(self.asked, n_written),
        )

    async def pieces(self, include_usage: bool) -> AsyncIterator[str]:
        """Events of a stream: a piece as soon as there is one, and at the end ``[DONE]``."""
        head = self.head("chatcmpl" if self.chat else "cmpl")
        n_written = 0

        def event(choices: Sequence[Any], told: Usage | None = None) -> str:
            made = ChatCompletionChunk if self.chat else Completion
            chunk = made(**head, choices=list(choices), usage=told)
            omitted = None if include_usage else {"usage"}
            return sent(chunk, omitted)

        try:
            for number, echo in enumerate(self.asked.echoes):
                if self.chat:
                    yield event([ChatPiece(index=number, delta=Delta(role="assistant", content=""))])
                elif echo:
                    yield event([CompletionChoice(index=number, text=echo)])
            async for number, step in merged(self.asked.handles):
                self.first()
                n_written += step.drawn is not None
                if step.text or step.finish or self.logprobs:
                    yield event([self.piece(number, step)])
            if include_usage:
                yield event([], usage(self.asked, n_written))
            yield "data: [DONE]\n\n"
        except MonoscopeError as error:
            yield sent(body_of(blamed(self.asked, error)))
        finally:
            self.asked.cancel()

    def head(self, kind: str) -> dict[str, Any]:
        """What every object says of itself."""
        return {
            "id": f"{kind}-{secrets.token_hex(12)}",
            "created": int(time()),
            "model": self.asked.model,
            "system_fingerprint": self.served.fingerprint,
            "steered": self.asked.steered,
        }

    def message(self, number: int, choice: Choice) -> ChatChoice:
        """A text as a message."""
        assert choice.finish is not None, "it is written"
        return ChatChoice(
            index=number,
            message=Answer(content=choice.text),
            logprobs=chat_logprobs(self.served.lm, choice.written) if self.logprobs else None,
            finish_reason=choice.finish,
        )

    def continuation(self, number: int, choice: Choice, echo: str = "") -> CompletionChoice:
        """A text as a continuation."""
        return CompletionChoice(
            index=number,
            text=echo + choice.text,
            logprobs=completion_logprobs(self.served.lm, choice.written) if self.logprobs else None,
            finish_reason=choice.finish,
        )

    def piece(self, number: int, step: Step) -> ChatPiece | CompletionChoice:
        """One step."""
        choice = Choice()
        choice.add(step)
        if not self.chat:
            return self.continuation(number, choice)
        return ChatPiece(
            index=number,
            delta=Delta(content=step.text) if step.text or not step.finish else Delta(),
            logprobs=chat_logprobs(self.served.lm, choice.written) if self.logprobs else None,
            finish_reason=choice.finish,
        )


def sent(told: BaseModel, omitted: set[str] | None = None) -> str:
    """An object as an event of a stream."""
    return f"data: {told.model_dump_json(exclude=omitted)}\n\n"


def completion_logprobs(lm: LanguageModel, steps: Sequence[Step]) -> CompletionLogprobs:
    """Tokens and their probabilities, as ``/v1/completions`` tells them."""
    drawn = [step.drawn for step in steps if step.drawn is not None]
    return CompletionLogprobs(
        tokens=lm.token_strings([each.token for each in drawn]),
        token_logprobs=[known(each) for each in drawn],
        top_logprobs=[
            dict(
                zip(
                    lm.token_strings([token for token, _ in each.alternatives]),
                    (logprob for _, logprob in each.alternatives),
                    strict=True,
                )
            )
            for each in drawn
        ],
        text_offset=[step.offset for step in steps if step.drawn is not None],
    )


def chat_logprobs(lm: LanguageModel, steps: Sequence[Step]) -> ChatLogprobs:
    """Tokens and their probabilities, as ``/v1/chat/completions`` tells them."""
    return ChatLogprobs(
        content=[
            ChatToken(
                **likely(lm, each.token, known(each)).model_dump(),
                top_logprobs=[likely(lm, token, logprob) for token, logprob in each.alternatives],
            )
            for step in steps
            if (each := step.drawn) is not None
        ]
    )


def likely(lm: LanguageModel, token: int, logprob: float) -> Likely:
    """A token and its probability."""
    raw = token_bytes(lm, token)
    return Likely(
        token=lm.token_strings([token])[0], logprob=logprob, bytes=None if raw is None else list(raw)
    )


def known(drawn: Drawn) -> float:
    """The logarithm of the probability, which was asked for."""
    assert drawn.logprob is not None, "it was asked for"
    return drawn.logprob
