"""From what a client sent to texts that are to be written."""

import asyncio
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from monoscope.errors import MonoscopeError, UnknownName, WrongUse, nearest
from monoscope.intervene import Rule
from monoscope.models import LanguageModel, Sampling
from monoscope.models.chat import chat_prompt
from monoscope.models.decoding import Request
from monoscope.serve.bodies import Body, ChatBody, CompletionBody, Steering
from monoscope.serve.engine import Engine, Handle
from monoscope.serve.refusals import Refused, refused

Rules = tuple[Rule, ...]
RulesOf = Callable[[str | dict[str, Any] | list[Any]], Rules]
"""Reads a steering; raises :class:`WrongUse` or :class:`UnknownName`."""

SHORT = 16
"""Tokens that the older of the two ways writes unless it is told."""


@dataclass(frozen=True, kw_only=True)
class Served:
    """What is served."""

    lm: LanguageModel
    """The model; the engine's alone to run."""
    engine: Engine
    """Writes the texts."""
    rules_of: RulesOf
    """Reads a request's steering."""
    presets: Callable[[], Mapping[str, Steering]] = dict
    """Name -> steering, as things stand: the model ``NAME:PRESET``."""
    chat_template: str | None = None
    """A Jinja template in place of the tokenizer's own."""
    longest: int | None = None
    """The longest continuation that may be asked for, in tokens; None: what the context holds."""
    created: int = 0
    """When, in seconds since 1970."""

    def __post_init__(self) -> None:
        for name in self.presets():
            self.rules_of_preset(name)

    @cached_property
    def fingerprint(self) -> str:
        """Hash of the model, and of what its dictionary was made from."""
        return f"monoscope_{self.lm.hash}"

    def names(self) -> list[str]:
        """What may be asked for as ``model``."""
        return [self.lm.name, *(f"{self.lm.name}:{preset}" for preset in self.presets())]

    def preset_of(self, model: str) -> str:
        """The preset in a model's name; empty where there is none.

        Raises:
            Refused: there is no such model.
        """
        if model not in self.names():
            error = UnknownName(f"there is no model {model!r}", nearest(model, self.names()))
            raise Refused(404, error, param="model", code="model_not_found")
        return model[len(self.lm.name) + 1 :]

    def rules_of_preset(self, name: str) -> Rules:
        """What a preset steers.

        Raises:
            WrongUse, UnknownName, BrokenInput: it cannot be read, or not be carried out.
        """
        return self._checked(self.presets()[name])

    def rules(self, body: Body) -> Rules:
        """What a request steers.

        Raises:
            Refused: there is no such model, or what is asked for cannot be read or carried out.
        """
        preset = self.preset_of(body.model)
        if body.steering is None:
            return self.rules_of_preset(preset) if preset else ()
        try:
            return self._checked(body.steering)
        except MonoscopeError as error:
            raise refused(error, param="steering") from error

    def _checked(self, told: Steering) -> Rules:
        rules = self.rules_of(told)
        self.engine.check(rules)
        return rules


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Texts that were asked for together."""

    handles: Sequence[Handle]
    """One for each choice."""
    echoes: Sequence[str]
    """What each choice's text begins with."""
    model: str
    """As it was asked for."""
    steered: bool
    """Whether there is anything to steer."""
    prompt_tokens: int
    """Tokens read, each prompt counted once."""

    def cancel(self) -> None:
        """Nobody waits for them any more."""
        for handle in self.handles:
            if not handle.ended:
                handle.cancel()


def ask(served: Served, body: CompletionBody | ChatBody) -> Asked:
    """Have the engine write what a body asks for.

    Raises:
        Refused: it cannot be done, with the status that says so.
    """
    try:
        body.refuse_more()
        rules = served.rules(body)
        prompts, echoes = prompts_of(served, body)
        requests = requests_of(served, body, prompts, rules)
        handles = served.engine.submit_all(requests, body.stops, asyncio.get_running_loop())
    except MonoscopeError as error:
        raise refused(error) from error
    n = body.n or 1
    return Asked(
        handles=handles,
        echoes=[echo for echo in echoes for _ in range(n)],
        model=body.model,
        steered=bool(rules),
        prompt_tokens=sum(map(len, prompts)),
    )


def prompts_of(served: Served, body: CompletionBody | ChatBody) -> tuple[list[list[int]], list[str]]:
    """The tokens to be continued, and what is to be given back before each continuation.

    Raises:
        WrongUse: there are none, they are no tokens of this model, or the fields contradict each other.
    """
    lm = served.lm
    if isinstance(body, ChatBody):
        if body.top_logprobs and not body.logprobs:
            raise WrongUse("top_logprobs is given without logprobs", "give logprobs true")
        messages = [message.plain() for message in body.messages]
        return [chat_prompt(lm, messages, template=served.chat_template)], [""]
    if body.echo and body.logprobs is not None:
        raise WrongUse("echo with logprobs is not offered", "leave one of them out")
    told = body.prompt
    several = (
        [told] if isinstance(told, str) or (told and isinstance(told[0], int)) else list(told)  # type: ignore[arg-type]
    )
    if not several:
        raise WrongUse("there is no prompt", "give a text")
    rows = [lm.tokenize(each).tolist() if isinstance(each, str) else list(each) for each in several]  # type: ignore[arg-type]
    for row in rows:
        check_tokens(lm, row)
    echoes = [each if isinstance(each, str) else lm.decode(each) for each in several]  # type: ignore[arg-type]
    return rows, echoes if body.echo else [""] * len(rows)


def check_tokens(lm: LanguageModel, tokens: Sequence[int]) -> None:
    """Refuse what the model cannot read.

    Raises:
        WrongUse: nothing, or a number that no token has.
    """
    if not tokens:
        raise WrongUse("the prompt is empty", f"{lm.name} has no beginning-of-text token: give some text")
    for token in (min(tokens), max(tokens)):
        if not 0 <= token < lm.vocabulary_size:
            raise WrongUse(f"{token} is no token of {lm.name}", f"it has {lm.vocabulary_size}")


def requests_of(
    served: Served, body: CompletionBody | ChatBody, prompts: Sequence[Sequence[int]], rules: Rules
) -> list[Request]:
    """Every choice of every prompt.

    Raises:
        Refused: a prompt does not fit the context with its continuation.
        WrongUse: more texts than the server ever has room for.
    """
    n, room = body.n or 1, served.engine.options.slots + served.engine.options.queue
    if n * len(prompts) > room:
        raise WrongUse(
            f"{n * len(prompts)} texts are asked for at once, and there is room for {room}",
            "ask for fewer at a time",
        )
    seed = secrets.randbits(63) if body.seed is None else body.seed % 2**64
    sampling = Sampling(
        temperature=1.0 if body.temperature is None else body.temperature,
        top_p=1.0 if body.top_p is None else body.top_p,
        repetition_penalty=1.0 if body.repetition_penalty is None else body.repetition_penalty,
    )
    return [
        Request(
            prompt=prompt,
            n_tokens=length(served, body, len(prompt)),
            sampling=sampling,
            seed=(seed, number * n + choice),
            ends=served.lm.ends,
            alternatives=body.alternatives,
            tag=rules,
        )
        for number, prompt in enumerate(prompts)
        for choice in range(n)
    ]


def length(served: Served, body: CompletionBody | ChatBody, n_prompt: int) -> int:
    """How long the continuation of a prompt may be.

    Raises:
        Refused: the context does not hold it.
    """
    room = served.lm.context - n_prompt
    most = room if served.longest is None else min(room, served.longest)
    if isinstance(body, ChatBody):
        asked, default = body.max_completion_tokens or body.max_tokens, most
    else:
        asked, default = body.max_tokens, SHORT
    if room < 1 or (asked or 1) > room:
        wanted = f" and {asked} to be written" if asked else ""
        error = WrongUse(
            f"the prompt's {n_prompt} tokens{wanted} do not fit the context of {served.lm.name}, "
            f"{served.lm.context} tokens",
            "shorten the prompt, or ask for fewer tokens",
        )
        raise Refused(400, error, param="prompt", code="context_length_exceeded")
    if asked and asked > most:
        raise WrongUse(f"{asked} tokens are asked for, and at most {most} are written", "ask for fewer")
    return min(asked or default, most)
