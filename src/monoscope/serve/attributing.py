"""Why the model says a token here: features that speak for it rather than for its rival."""

from typing import Annotated

import torch
from fastapi import FastAPI
from pydantic import BaseModel, Field

from monoscope.dictionaries import SparseAutoencoder
from monoscope.errors import MonoscopeError, WrongUse
from monoscope.explore.api import Explored
from monoscope.intervene.attribution import attribution, falls_without
from monoscope.models import LanguageModel
from monoscope.serve.asking import Served
from monoscope.serve.reading import LONGEST_TEXT, Strict, dictionary_of
from monoscope.serve.refusals import refused


class AttributionBody(Strict):
    """A place in a text."""

    text: Annotated[str, Field(min_length=1, max_length=LONGEST_TEXT)]
    position: Annotated[int, Field(ge=1, le=LONGEST_TEXT)]
    """Place of the token that is asked about, special tokens left out; the text's length asks what comes after it."""
    limit: Annotated[int, Field(ge=1, le=50)] = 12
    """Features at most, those of the largest attribution either way."""


class Attributed(BaseModel):
    """A feature's part in it."""

    feature: int
    description: str | None = None
    attribution: float
    """In logits, to first order; above 0 it speaks for the token."""
    ablation: float
    """How much the difference of logits falls when it is switched off, measured."""


class AttributionAnswer(BaseModel):
    """Why this token and not its rival."""

    token: str
    probability: float
    against: str
    """The likeliest other token."""
    against_probability: float
    difference: float
    """Of their logits."""
    rest: float
    """What the features leave unexplained, to first order."""
    features: list[Attributed]


def add_attributing(app: FastAPI, served: Served, explored: Explored) -> None:
    """The way to ask why.

    Args:
        app: what answers.
        served: the model.
        explored: the run, which describes features.
    """

    @app.post("/api/attribution")
    async def why(body: AttributionBody) -> AttributionAnswer:
        """Which features speak for a token of a text rather than for the likeliest other one."""
        dictionary = dictionary_of(served)
        try:
            found = await served.engine.done(lambda: attributed(served.lm, dictionary, body))
        except MonoscopeError as error:
            raise refused(error, param="text") from error
        index = explored.index()
        for each in found.features:
            each.description = index.description(each.feature) if index else None
        return found


def attributed(lm: LanguageModel, dictionary: SparseAutoencoder, body: AttributionBody) -> AttributionAnswer:
    """The answer, without descriptions.

    Raises:
        WrongUse: the text has no such place, or what is before it does not fit the context.
    """
    tokens = lm.tokenize(body.text)
    # Counted as the lens shows them; behind the last comes what is not there yet.
    shown = [place for place, token in enumerate(tokens.tolist()) if token not in lm.special_ids]
    if body.position > len(shown):
        raise WrongUse(
            f"the text has {len(shown)} tokens, and {body.position} is beyond them",
            "ask for one of them, or for what comes after the last",
        )
    place = [*shown, len(tokens)][body.position]
    before = tokens[:place]
    if place > lm.context:
        raise WrongUse(
            f"{place} tokens do not fit the context of {lm.name}, {lm.context}", "shorten the text"
        )
    with torch.no_grad():
        probabilities = lm.forward(before[None])[0, -1].float().softmax(dim=-1).cpu()
    likeliest = probabilities.topk(2).indices.tolist()
    token = int(tokens[place]) if place < len(tokens) else likeliest[0]
    rival = next(each for each in likeliest if each != token)
    given = attribution(lm, dictionary, before, token, rival)
    score = given.by_feature()
    chosen = score.abs().topk(min(body.limit, len(score))).indices
    chosen = chosen[score[chosen] != 0].tolist()
    falls = falls_without(lm, dictionary, before, chosen, token, rival).tolist()
    named, other = lm.token_strings(torch.tensor([token, rival]))
    return AttributionAnswer(
        token=named,
        probability=float(probabilities[token]),
        against=other,
        against_probability=float(probabilities[rival]),
        difference=given.difference,
        rest=given.rest,
        features=[
            Attributed(feature=feature, attribution=float(score[feature]), ablation=fall)
            for feature, fall in zip(chosen, falls, strict=True)
        ],
    )
