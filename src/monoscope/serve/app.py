"""The addresses: OpenAI's, and those for whoever runs the server."""

from collections.abc import Callable, Mapping
from time import perf_counter
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import Response, StreamingResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from monoscope.explore.api import Explored, add_exploring, add_page
from monoscope.serve.answering import Teller
from monoscope.serve.answers import (
    ChatCompletion,
    Completion,
    Health,
    ModelCard,
    ModelList,
    Refusal,
)
from monoscope.serve.asking import Served, ask
from monoscope.serve.attributing import add_attributing
from monoscope.serve.bodies import ChatBody, CompletionBody
from monoscope.serve.guard import Guard, GuardOptions
from monoscope.serve.metrics import Metrics
from monoscope.serve.reading import add_reading
from monoscope.serve.refusals import say_in_openai_words
from monoscope.serve.streams import HungUp, unless_hung_up
from monoscope.serve.vectors import add_vectors

REFUSALS: Mapping[int | str, dict[str, Any]] = {
    status: {"model": Refusal, "description": said}
    for status, said in {
        400: "The request cannot be carried out",
        401: "The token is missing or wrong",
        403: "The request is for another name, or from another site",
        404: "There is no such model",
        409: "There is no dictionary yet",
        413: "The body is too large",
        429: "Too many texts wait",
        503: "The server is being shut down",
    }.items()
}
STREAM: Mapping[int | str, dict[str, Any]] = {
    200: {
        "description": "A text, or with `stream` its pieces as events",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    }
}
HUNG_UP = 499
"""Status of a request that nobody waits for; told to nobody but the metrics."""


def make_app(
    served: Served, guard: GuardOptions, explored: Explored | None = None, *, context: int | None = None
) -> ASGIApp:
    """The server as an ASGI application.

    Args:
        served: what is served.
        guard: who may ask, and how much.
        explored: the run that a page shows; None: there is no page.
        context: tokens in a window of a text that the page asks about; None: the model's context.
    """
    app = FastAPI(title="monoscope", docs_url=None, redoc_url=None, responses=dict(REFUSALS))
    metrics = Metrics(served.engine)
    say_in_openai_words(app)
    add_writing(app, served, metrics)
    add_models(app, served)
    if explored is not None:
        add_page(app)
        add_exploring(app, explored)
        add_reading(app, served, explored, context or served.lm.context)
        add_attributing(app, served, explored)
        add_vectors(app, served, explored)

    @app.get("/health")
    async def health() -> Health:
        """Whether the model writes."""
        return Health()

    @app.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
    async def told() -> Response:
        """What is counted, for Prometheus."""
        return Response(metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    paths = {getattr(route, "path", "") for route in app.routes}
    return Counted(Guard(app, guard), metrics, frozenset(paths))


def add_writing(app: FastAPI, served: Served, metrics: Metrics) -> None:
    """The two ways to have a text written."""

    async def write(request: Request, body: CompletionBody | ChatBody) -> Response:
        began = perf_counter()
        asked = ask(served, body)
        teller = Teller(
            served=served,
            asked=asked,
            chat=isinstance(body, ChatBody),
            logprobs=body.alternatives is not None,
            first=once(lambda: metrics.first_token.observe(perf_counter() - began)),
        )
        if body.stream:
            include_usage = body.stream_options is not None and body.stream_options.include_usage
            return StreamingResponse(
                teller.pieces(include_usage),
                media_type="text/event-stream",
                headers={"Cache-Control": "no-store"},
            )
        try:
            whole = await unless_hung_up(request, teller.whole)
        except HungUp:
            return Response(status_code=HUNG_UP)
        return Response(whole.model_dump_json(), media_type="application/json")

    @app.post("/v1/completions", response_model=Completion, responses=dict(STREAM))
    async def completions(request: Request, body: CompletionBody) -> Response:
        """Write on from a text."""
        return await write(request, body)

    @app.post("/v1/chat/completions", response_model=ChatCompletion, responses=dict(STREAM))
    async def chat_completions(request: Request, body: ChatBody) -> Response:
        """Write the next message."""
        return await write(request, body)


def add_models(app: FastAPI, served: Served) -> None:
    """What may be asked for as ``model``."""

    def card(name: str) -> ModelCard:
        preset = served.preset_of(name)
        return ModelCard(
            id=name,
            created=served.created,
            max_model_len=served.lm.context,
            steering=served.presets()[preset] if preset else None,
        )

    @app.get("/v1/models")
    async def models() -> ModelList:
        """The model, and the model with each preset."""
        return ModelList(data=[card(name) for name in served.names()])

    @app.get("/v1/models/{model:path}")
    async def model(model: str) -> ModelCard:
        """One of them."""
        return card(model)


def once(act: Callable[[], object]) -> Callable[[], None]:
    """The same, the first time only."""
    done = False

    def first() -> None:
        nonlocal done
        if not done:
            done = True
            act()

    return first


class Counted:
    """Counts requests by path and status, as ASGI has it."""

    def __init__(self, app: ASGIApp, metrics: Metrics, paths: frozenset[str]) -> None:
        self.app, self.metrics, self.paths = app, metrics, paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def count(message: Message) -> None:
            if message["type"] == "http.response.start":
                # Unknown paths share a name: a caller cannot make the table grow.
                path = scope["path"] if scope["path"] in self.paths else "other"
                self.metrics.requests.labels(path, str(message["status"])).inc()
            await send(message)

        await self.app(scope, receive, count)
