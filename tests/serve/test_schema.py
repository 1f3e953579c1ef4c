"""The OpenAPI that is served, and requests made from it."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from serve.conftest import TOKEN, Running

PATHS = (
    *("/v1/completions", "/v1/chat/completions", "/v1/models", "/v1/models/{model}", "/health", "/metrics"),
    *("/api/run", "/api/evaluation", "/api/training", "/api/features", "/api/features/{feature}"),
    *("/api/map", "/api/lens", "/api/reread", "/api/attribution", "/api/tour", "/api/forming"),
    *("/api/vectors", "/api/vectors/{name}", "/api/vectors/{name}/reading", "/api/vectors/{name}/file"),
)


DESCRIBED = Path(__file__).parents[2] / "web" / "openapi.json"
"""What the page's own types are made from."""


def test_the_page_s_types_are_made_from_what_is_served(server: Running) -> None:
    """``make types`` writes the file and the types again."""
    with server.http() as http:
        served = http.get("/openapi.json").json()
    if os.environ.get("MONOSCOPE_WRITE_OPENAPI"):
        DESCRIBED.write_text(json.dumps(served, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    assert json.loads(DESCRIBED.read_text(encoding="utf-8")) == served, "make types"


def no_failure(server: Running, examples: int) -> Callable[[], None]:
    """Sends requests that fit the schema, and ones that do not; none may break the server."""
    headers = {"Authorization": f"Bearer {TOKEN}"}
    schema = schemathesis.openapi.from_url(f"{server.url}/openapi.json", headers=headers)
    operations = [result.ok() for result in schema.get_all_operations()]
    assert {operation.path for operation in operations} == set(PATHS)
    cases = st.one_of(
        [
            operation.as_strategy(generation_mode=mode)
            for operation in operations
            for mode in schemathesis.GenerationMode
        ]
    )

    @settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(cases, st.booleans())
    def send(case: schemathesis.Case, proper: bool) -> None:
        if proper and isinstance(case.body, dict) and "model" in case.body:
            # A name of a model gets further than any that is made up.
            case.body["model"] = server.served.lm.name
        answer = case.call(headers=headers)
        assert answer.status_code < 500, answer.text
        if answer.status_code >= 400:
            assert set(answer.json()["error"]) == {"message", "type", "param", "code"}

    return send


# The server's own threads may draw a random number while a request is made up.
DRAWS = pytest.mark.filterwarnings("ignore:Do not use the `random` module")


@DRAWS
def test_requests_by_the_schema_break_nothing(server: Running) -> None:
    no_failure(server, 60)()
    assert server.idle()


@DRAWS
@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_many_requests_by_the_schema_break_nothing(server: Running) -> None:
    no_failure(server, 3000)()
    assert server.idle()


def test_the_schema_names_what_is_asked_and_answered(server: Running) -> None:
    with server.http() as http:
        schema = http.get("/openapi.json").json()
    bodies = schema["components"]["schemas"]
    assert {"CompletionBody", "ChatBody", "Completion", "ChatCompletion", "Refusal"} <= set(bodies)
    assert "steering" in bodies["CompletionBody"]["properties"]
