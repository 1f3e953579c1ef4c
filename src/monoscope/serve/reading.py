"""What a page asks the model to read: what fires on a text, and what an edit did to one that was written."""

from typing import Annotated, Any

from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict, Field

from monoscope.dictionaries import SparseAutoencoder
from monoscope.errors import MonoscopeError, WrongUse
from monoscope.explore.api import Explored
from monoscope.features.on import strongest
from monoscope.features.texts import read_texts
from monoscope.intervene import steer
from monoscope.intervene.edits import check_features
from monoscope.intervene.reread import reread
from monoscope.serve.asking import Served
from monoscope.serve.bodies import Steering
from monoscope.serve.refusals import Refused, refused

LONGEST_TEXT = 20_000
"""Characters."""


class Strict(BaseModel):
    """A body; what it does not know is refused."""

    model_config = ConfigDict(extra="forbid")


class LensBody(Strict):
    """A text to be looked at."""

    text: Annotated[str, Field(min_length=1, max_length=LONGEST_TEXT)]
    limit: Annotated[int, Field(ge=1, le=200)] = 20
    """Features at most, those with the largest peak first."""


class LensFeature(BaseModel):
    """A feature that fires on the text."""

    feature: int
    description: str | None
    max_activation: float
    """The largest activation seen on the corpus; 0 where it is not known."""
    activations: list[float]
    """One for each token."""


class Lens(BaseModel):
    """What fires on a text."""

    tokens: list[str]
    features: list[LensFeature]


class RereadBody(Strict):
    """A text that was written, and how."""

    prompt: Annotated[str, Field(max_length=LONGEST_TEXT)]
    text: Annotated[str, Field(max_length=LONGEST_TEXT)]
    """What was written behind the prompt."""
    features: Annotated[list[Annotated[int, Field(ge=0, le=2**53)]], Field(max_length=64)] = []
    steering: Steering | None = None


class RereadAnswer(BaseModel):
    """What the edit did, token by token."""

    tokens: list[str]
    start: int
    """Place of the first token that was written."""
    activations: list[list[float]]
    """Of each feature that was asked for, one for each token, behind the edit."""
    divergence: list[float]
    """Of each written token KL(steered || unsteered), in nats."""


def dictionary_of(served: Served) -> SparseAutoencoder:
    """What a server steers with, on the model's device.

    Raises:
        Refused: there is none, or not yet.
    """
    steered = served.engine.steered
    if steered is None or steered.dictionary is None:
        error = WrongUse("there is no dictionary yet", "ask again when the run has learnt one")
        raise Refused(409, error, code="no_dictionary")
    return steered.dictionary


def add_reading(app: FastAPI, served: Served, explored: Explored, context: int) -> None:
    """The two ways to have the model read.

    Args:
        app: what answers.
        served: the model.
        explored: the run, which describes features.
        context: tokens in a window of a long text.
    """
    add_lens(app, served, explored, context)
    add_rereading(app, served)


def add_lens(app: FastAPI, served: Served, explored: Explored, context: int) -> None:
    """What fires on a text."""
    lm = served.lm

    @app.post("/api/lens")
    async def lens(body: LensBody) -> Lens:
        """What fires on a text, and how strongly on each of its tokens."""
        dictionary = dictionary_of(served)

        def look() -> tuple[list[str], list[dict[str, Any]]]:
            (read,) = read_texts(lm, dictionary, [body.text], context=context)
            return lm.token_strings(read.tokens), strongest(read.codes, dictionary.n_features, body.limit)

        tokens, found = await served.engine.done(look)
        index = explored.index()
        return Lens(
            tokens=tokens,
            features=[
                LensFeature(
                    description=index.description(each["feature"]) if index else None,
                    max_activation=float(dictionary.max_activation[each["feature"]]),
                    **each,
                )
                for each in found
            ],
        )


def add_rereading(app: FastAPI, served: Served) -> None:
    """What an edit did to a text."""
    lm = served.lm

    @app.post("/api/reread")
    async def again(body: RereadBody) -> RereadAnswer:
        """What fired while a text was written, and how far the edit took the model at each token."""
        dictionary = dictionary_of(served)
        try:
            check_features(dictionary, body.features)
            rules = served.rules_of(body.steering) if body.steering is not None else ()
            served.engine.check(rules)
            found = await served.engine.done(
                lambda: reread(
                    lm,
                    dictionary,
                    body.prompt,
                    body.text,
                    body.features,
                    lambda: steer(lm, dictionary, rules),
                )
            )
        except MonoscopeError as error:
            raise refused(error, param="steering") from error
        if found is None:
            return RereadAnswer(tokens=[], start=0, activations=[[] for _ in body.features], divergence=[])
        return RereadAnswer(
            tokens=lm.token_strings(found.tokens),
            start=found.start,
            activations=found.codes.T.tolist(),
            divergence=found.divergence.tolist(),
        )
