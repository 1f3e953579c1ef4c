"""What clients get: OpenAI's objects."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

Finish = Literal["stop", "length"]


class Usage(BaseModel):
    """Tokens read and written."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class CompletionLogprobs(BaseModel):
    """Tokens and their probabilities, as the older of the two ways tells them."""

    tokens: list[str]
    token_logprobs: list[float]
    top_logprobs: list[dict[str, float]]
    text_offset: list[int]
    """Where each token's text begins in the choice's text, stop strings not yet cut."""


class CompletionChoice(BaseModel):
    """A continuation, or a piece of one."""

    index: int
    text: str
    logprobs: CompletionLogprobs | None = None
    finish_reason: Finish | None = None


class Likely(BaseModel):
    """A token that could have been written."""

    token: str
    logprob: float
    bytes: list[int] | None
    """None where they are not whole characters."""


class ChatToken(Likely):
    """A token that was written."""

    top_logprobs: list[Likely]


class ChatLogprobs(BaseModel):
    """Tokens and their probabilities."""

    content: list[ChatToken]
    refusal: None = None


class Answer(BaseModel):
    """A message."""

    role: Literal["assistant"] = "assistant"
    content: str
    refusal: None = None


class ChatChoice(BaseModel):
    """A message and why it ended."""

    index: int
    message: Answer
    logprobs: ChatLogprobs | None = None
    finish_reason: Finish


class Delta(BaseModel):
    """What is new in a message."""

    role: Literal["assistant"] | None = None
    content: str | None = None


class ChatPiece(BaseModel):
    """A piece of a message."""

    index: int
    delta: Delta
    logprobs: ChatLogprobs | None = None
    finish_reason: Finish | None = None


class Head(BaseModel):
    """What every object says of itself."""

    id: str
    created: int
    model: str
    system_fingerprint: str
    """Hashes of the model and the dictionary."""
    steered: bool
    """Whether the model was steered. Not OpenAI's."""


class Completion(Head):
    """Continuations, or a piece of one."""

    object: Literal["text_completion"] = "text_completion"
    choices: list[CompletionChoice]
    usage: Usage | None = None


class ChatCompletion(Head):
    """Messages."""

    object: Literal["chat.completion"] = "chat.completion"
    choices: list[ChatChoice]
    usage: Usage


class ChatCompletionChunk(Head):
    """A piece of a message."""

    object: Literal["chat.completion.chunk"] = "chat.completion.chunk"
    choices: list[ChatPiece]
    usage: Usage | None = None


class ModelCard(BaseModel):
    """A model, or a model with a preset."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str = "monoscope"
    max_model_len: int
    """The longest text, in tokens."""
    steering: Any = None
    """What the preset steers."""


class ModelList(BaseModel):
    """All models."""

    object: Literal["list"] = "list"
    data: list[ModelCard]


class Mistake(BaseModel):
    """What is wrong."""

    message: str
    type: str
    param: str | None = None
    code: str | None = None


class Refusal(BaseModel):
    """The answer to what cannot be done."""

    model_config = ConfigDict(frozen=True)

    error: Mistake


class Health(BaseModel):
    """Whether the model writes."""

    status: Literal["ok"] = "ok"
