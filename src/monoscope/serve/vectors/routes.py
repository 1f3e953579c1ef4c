"""The addresses under ``/api/vectors``."""

import asyncio
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Literal

from fastapi import FastAPI, Query
from fastapi.responses import Response

from monoscope.errors import MonoscopeError, UnknownName, WrongUse, nearest
from monoscope.explore.api import Explored
from monoscope.intervene.prompts import story_beginnings
from monoscope.models import LanguageModel
from monoscope.serve.asking import Served
from monoscope.serve.engine import Engine
from monoscope.serve.refusals import Refused, refused
from monoscope.serve.vectors.told import (
    LearnBody,
    ReadAnswer,
    ReadBody,
    VectorDetails,
    VectorList,
    VectorTold,
    details,
    told,
)
from monoscope.vectors import (
    METHODS,
    PAIRS,
    ContrastPair,
    ControlVector,
    Shelf,
    contrast_pairs,
    export_gguf,
    export_npz,
    is_name,
    learn_vector,
    read_pairs,
    reading,
)

BYTES = "application/octet-stream"


def add_vectors(app: FastAPI, served: Served, explored: Explored) -> None:
    """What a page does with control vectors.

    Args:
        app: what answers.
        served: the model.
        explored: the run that they lie with.
    """
    add_learning(app, served, explored)
    add_looking(app, served, explored)


def add_learning(app: FastAPI, served: Served, explored: Explored) -> None:
    """The vectors that there are, and a further one."""

    @app.get("/api/vectors")
    def vectors() -> VectorList:
        """The vectors of the run."""
        return VectorList(vectors=[told(name, vector) for name, vector in explored.vectors.items()])

    @app.post("/api/vectors")
    async def learn(body: LearnBody) -> VectorTold:
        """Learn a vector and leave it with the run; the texts of others are written on meanwhile."""
        check_name(body, explored.vectors)
        try:
            pairs = pairs_of(body)
            vector = await served.engine.done(partial(learnt, served.engine, served.lm, body, pairs))
            await asyncio.to_thread(explored.keep, vector, pairs, explored.vectors.folder / body.name)
        except MonoscopeError as error:
            raise refused(error, param="personas" if body.personas else "pairs") from error
        return told(body.name, vector)


def add_looking(app: FastAPI, served: Served, explored: Explored) -> None:
    """One vector: what it is, what it reads, and its file."""
    shelf = explored.vectors

    @app.get("/api/vectors/{name}")
    def vector(name: str) -> VectorDetails:
        """Everything that is known of a vector."""
        found, pairs = vector_of(shelf, name), shelf.folder / name / PAIRS
        steered = served.engine.steered
        return details(
            name,
            found,
            read_pairs(pairs) if pairs.is_file() else None,
            steered.dictionary if steered else None,
            explored.index(),
        )

    @app.post("/api/vectors/{name}/reading")
    async def read(name: str, body: ReadBody) -> ReadAnswer:
        """Where each token of a text lies along a vector."""
        found = vector_of(shelf, name)
        best = found.best_block if found.accuracy else found.blocks[0]
        block = best if body.block is None else body.block
        try:
            at = found.at([block])
            scores = await served.engine.done(lambda: reading(served.lm, at, body.text))
        except MonoscopeError as error:
            raise refused(error, param="block") from error
        return ReadAnswer(block=block, tokens=scores.tokens, scores=scores.scores[0].tolist())

    @app.get(
        "/api/vectors/{name}/file",
        response_class=Response,
        responses={200: {"content": {BYTES: {}}, "description": "The file"}},
    )
    def file(
        name: str,
        kind: Annotated[Literal["gguf", "npz"], Query(alias="format")] = "gguf",
        strength: Annotated[float, Query(allow_inf_nan=False)] = 1.0,
    ) -> Response:
        """A vector as one file; of a .gguf, llama.cpp's scale 1 is the strength that is told."""
        found = vector_of(shelf, name)
        with TemporaryDirectory() as place:
            path = Path(place) / f"{name}.{kind}"
            try:
                if kind == "gguf":
                    export_gguf(found, path, scale=strength)
                else:
                    export_npz(found, path)
            except MonoscopeError as error:
                raise refused(error, param="strength") from error
            return Response(path.read_bytes(), media_type=BYTES)


def check_name(body: LearnBody, shelf: Shelf) -> None:
    """Refuse a name that a vector cannot have, or that one has that is not to be replaced.

    Raises:
        Refused: it is one of these.
    """
    if not is_name(body.name):
        error = WrongUse(f"{body.name!r} is no name of a vector", "call it by a word, for instance honest")
        raise Refused(400, error, param="name")
    if body.name in shelf and not body.overwrite:
        error = WrongUse(f"there is a vector {body.name} already", "choose another name, or replace it")
        raise Refused(409, error, param="name", code="exists")


def pairs_of(body: LearnBody) -> list[ContrastPair]:
    """The pairs that were given, or those of the personas.

    Raises:
        WrongUse: both were given, or neither, or the personas do not pair up.
    """
    if bool(body.pairs) == (body.personas is not None):
        said = "pairs and personas were both given" if body.pairs else "there are no pairs to learn from"
        raise WrongUse(said, "give one of them")
    if body.personas is None:
        return [ContrastPair(pair.positive, pair.negative) for pair in body.pairs]
    told = body.personas
    return contrast_pairs(told.template, told.positive, told.negative, story_beginnings())


def learnt(
    engine: Engine, lm: LanguageModel, body: LearnBody, pairs: Sequence[ContrastPair]
) -> ControlVector:
    """The vector; a job of the engine, which writes on between the texts that are read for it."""
    return learn_vector(
        lm,
        pairs,
        method=METHODS[body.method](),
        held_out=body.held_out,
        seed=body.seed,
        progress=lambda done, total: engine.breathe(),
    )


def vector_of(shelf: Shelf, name: str) -> ControlVector:
    """A vector of the run, or 404.

    Raises:
        Refused: there is none of that name.
        BrokenInput: it cannot be read.
    """
    if name not in shelf:
        known = list(shelf)
        error = UnknownName(f"there is no vector {name!r}", nearest(name, known) if known else "")
        raise Refused(404, error, param="name", code="unknown_name")
    return shelf[name]
