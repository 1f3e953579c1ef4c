"""What cannot be done, in OpenAI's words."""

from collections.abc import Mapping

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from monoscope.errors import BrokenInput, MonoscopeError, UnknownName, WrongUse
from monoscope.serve.answers import Mistake, Refusal
from monoscope.serve.engine import Closed, Full

LONGEST = 1000
"""Characters of a message; what was sent may be longer."""
TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "invalid_request_error",
    405: "invalid_request_error",
    409: "invalid_request_error",
    413: "invalid_request_error",
    429: "rate_limit_error",
}


class Refused(Exception):
    """A request that is refused.

    Args:
        status: of HTTP.
        error: why.
        param: the field that is to blame.
        code: one word for programs.
    """

    def __init__(
        self, status: int, error: MonoscopeError, *, param: str | None = None, code: str | None = None
    ) -> None:
        super().__init__(error.sentence)
        self.status, self.error, self.param, self.code = status, error, param, code


def refused(error: MonoscopeError, *, param: str | None = None) -> Refused:
    """The status and code of an error of ours."""
    if isinstance(error, Full):
        return Refused(429, error, code="too_many_requests")
    if isinstance(error, Closed):
        return Refused(503, error, code="shutting_down")
    if isinstance(error, UnknownName):
        return Refused(400, error, param=param, code="unknown_name")
    if isinstance(error, WrongUse):
        return Refused(400, error, param=param)
    if isinstance(error, BrokenInput) and param is not None:
        return Refused(400, error, param=param, code="not_finite")
    return Refused(500, error)


def refusal(status: int, message: str, *, param: str | None = None, code: str | None = None) -> Refusal:
    """The body of an answer."""
    # What was sent is quoted in messages, and may hold what UTF-8 cannot say.
    message = message.encode("utf-8", "replace").decode()
    if len(message) > LONGEST:
        message = message[: LONGEST - 1] + "…"
    return Refusal(
        error=Mistake(message=message, type=TYPES.get(status, "server_error"), param=param, code=code)
    )


def body_of(refused: Refused) -> Refusal:
    """The body of the answer to a request that is refused."""
    error = refused.error
    message = f"{error.sentence} ({error.hint})" if error.hint else error.sentence
    return refusal(refused.status, message, param=refused.param, code=refused.code)


def answer(status: int, body: Refusal, headers: Mapping[str, str] | None = None) -> Response:
    """An answer of that status."""
    more = {"Retry-After": "1"} if status in (429, 503) else {}
    return Response(
        body.model_dump_json(), status, headers=more | dict(headers or {}), media_type="application/json"
    )


def say_in_openai_words(app: FastAPI) -> None:
    """Whatever goes wrong is told in OpenAI's shape."""

    @app.exception_handler(Refused)
    async def refuse(_: Request, error: Refused) -> Response:
        return answer(error.status, body_of(error))

    @app.exception_handler(MonoscopeError)
    async def fail(_: Request, error: MonoscopeError) -> Response:
        own = refused(error)
        return answer(own.status, body_of(own))

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        place = [str(part)[:80] for part in first["loc"][1:]]
        if first["type"] == "json_invalid":
            return answer(400, refusal(400, "the body is not JSON", code="invalid_json"))
        # Of a union, the branches that were tried are named behind the field.
        param = place[0] if place else None
        return answer(400, refusal(400, f"{'.'.join(place) or 'the body'}: {first['msg']}", param=param))

    @app.exception_handler(HTTPException)
    async def not_found(_: Request, error: HTTPException) -> Response:
        status = error.status_code
        return answer(status, refusal(status, error.detail, code=str(status)), error.headers)

    @app.exception_handler(Exception)
    async def unexpected(_: Request, error: Exception) -> Response:
        return answer(500, refusal(500, f"the server failed: {type(error).__name__}"))
