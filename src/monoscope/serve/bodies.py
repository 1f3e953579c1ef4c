"""What clients send: OpenAI's requests, and the field ``steering``."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from monoscope.errors import UnknownName, WrongUse, nearest

DEEPEST = 32
"""So deep may what is sent be nested."""
HARMLESS = frozenset(
    """user metadata store service_tier safety_identifier prompt_cache_key prompt_cache_retention prediction
    parallel_tool_calls""".split()
)
"""Fields of OpenAI's that change nothing about what is written: they are ignored."""
NEUTRAL: Mapping[str, tuple[Any, ...]] = {
    "audio": (),
    "best_of": (1,),
    "frequency_penalty": (0,),
    "function_call": ("none", "auto"),
    "functions": ([],),
    "logit_bias": ({},),
    "modalities": (["text"],),
    "presence_penalty": (0,),
    "reasoning_effort": (),
    "response_format": ({"type": "text"},),
    "suffix": ("",),
    "tool_choice": ("none", "auto"),
    "tools": ([],),
    "verbosity": (),
    "web_search_options": (),
}
"""Fields of OpenAI's that would change what is written, and are not understood here: with which values they do not."""

Steering = str | dict[str, Any] | list[Any]
"""How a request says what is steered."""

Seed = Annotated[int, Field(ge=-(2**63), lt=2**63)]
Stop = Annotated[str, Field(min_length=1, max_length=200)]


class StreamOptions(BaseModel):
    """About a stream."""

    include_usage: bool = False
    """Tell in a last piece how many tokens were read and written."""


class Body(BaseModel):
    """What both ways of asking have in common."""

    model_config = ConfigDict(extra="allow")

    model: str = Field(max_length=500)
    """Name of the model, or ``NAME:PRESET``."""
    stream: bool = False
    """Send pieces as they are written."""
    stream_options: StreamOptions | None = None
    """About the stream."""
    n: int | None = Field(default=None, ge=1, le=128)
    """Continuations of each prompt."""
    seed: Seed | None = None
    """The same seed writes the same; a random one unless given."""
    temperature: float | None = Field(default=None, ge=0, le=2, allow_inf_nan=False)
    """0 takes the likeliest token every time; 1 unless given."""
    top_p: float | None = Field(default=None, gt=0, le=1, allow_inf_nan=False)
    """Draw among the likeliest tokens that together hold this share."""
    repetition_penalty: float | None = Field(default=None, gt=0, le=100, allow_inf_nan=False)
    """Above 1, makes tokens that are already there less likely. Not OpenAI's."""
    stop: Stop | Annotated[list[Stop], Field(max_length=16)] | None = None
    """The text ends before the first of these."""
    max_tokens: int | None = Field(default=None, ge=1)
    """The longest continuation."""
    steering: Steering | None = None
    """What is steered, in place of what the preset says."""

    @model_validator(mode="before")
    @classmethod
    def _sound(cls, told: Any) -> Any:
        for text in texts(told):
            try:
                text.encode()
            except UnicodeEncodeError as error:
                raise ValueError("a text holds half a character (a lone surrogate)") from error
        return told

    @property
    def stops(self) -> tuple[str, ...]:
        """The stop strings."""
        return (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())

    def refuse_more(self) -> None:
        """Refuse fields that would change the result and are not understood.

        Raises:
            WrongUse: it is one of OpenAI's.
            UnknownName: it is nobody's.
        """
        for name, value in (self.model_extra or {}).items():
            if name in HARMLESS or (name in NEUTRAL and (value is None or value in NEUTRAL[name])):
                continue
            if name in NEUTRAL:
                raise WrongUse(f"{name} is not understood by this server", f"leave out {name}")
            known = [*type(self).model_fields, *HARMLESS, *NEUTRAL]
            raise UnknownName(f"there is no field {name[:80]!r}", nearest(name[:80], known))


class CompletionBody(Body):
    """``POST /v1/completions``: write on from a text."""

    prompt: str | list[str] | list[int] | list[list[int]]
    """What is continued: a text or several, or their tokens."""
    echo: bool = False
    """Give the prompt back before its continuation."""
    logprobs: int | None = Field(default=None, ge=0, le=20)
    """Tell the logarithm of each token's probability, and so many likeliest tokens beside it."""

    @property
    def alternatives(self) -> int | None:
        """How many likeliest tokens are asked for."""
        return self.logprobs


class TextPart(BaseModel):
    """A part of a message."""

    type: Literal["text"]
    text: str


class Message(BaseModel):
    """A part of a conversation."""

    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[TextPart]

    def plain(self) -> dict[str, str]:
        """With its parts as one text."""
        parts = [self.content] if isinstance(self.content, str) else [part.text for part in self.content]
        return {"role": self.role, "content": "".join(parts)}


class ChatBody(Body):
    """``POST /v1/chat/completions``: write the next message."""

    messages: list[Message] = Field(min_length=1, max_length=2000)
    """The conversation so far."""
    max_completion_tokens: int | None = Field(default=None, ge=1)
    """The longest answer; ``max_tokens`` in a newer word."""
    logprobs: bool | None = None
    """Tell the logarithm of each token's probability."""
    top_logprobs: int | None = Field(default=None, ge=0, le=20)
    """And so many likeliest tokens beside it; needs ``logprobs``."""

    @property
    def alternatives(self) -> int | None:
        """How many likeliest tokens are asked for."""
        return (self.top_logprobs or 0) if self.logprobs else None


def texts(told: Any) -> Iterator[str]:
    """All texts in what JSON says, keys included.

    Raises:
        ValueError: it is nested too deeply.
    """
    level = [told]
    for _ in range(DEEPEST):
        if not level:
            return
        yield from (each for each in level if isinstance(each, str))
        inner = [each for value in level if isinstance(value, list) for each in value]
        keyed = [
            each for value in level if isinstance(value, dict) for pair in value.items() for each in pair
        ]
        level = inner + keyed
    if level:
        raise ValueError(f"it is nested more than {DEEPEST} deep")
