"""What the server does with requests that are not as they should be, and with many of them."""

import json
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import openai
import pytest

from monoscope.dictionaries import SparseAutoencoder
from monoscope.models import LanguageModel
from monoscope.serve.engine import EngineOptions
from monoscope.serve.guard import GuardOptions
from serve.conftest import TOKEN, Running, running, soon

JSON = {"Content-Type": "application/json"}


@pytest.fixture
def http(server: Running) -> Iterator[httpx.Client]:
    with server.http() as made:
        yield made


def refused(answer: httpx.Response, status: int) -> dict[str, Any]:
    """The error in OpenAI's shape."""
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["message"]
    return error


def asked(server: Running, **more: Any) -> dict[str, Any]:
    return {"model": server.served.lm.name, "prompt": "The old", "max_tokens": 4} | more


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Authorization": ""}, 401),
        ({"Authorization": "Bearer wrong"}, 401),
        ({"Authorization": "Basic " + TOKEN}, 401),
        ({"Authorization": "Bearer ü"}, 401),
        ({"Host": "evil.example"}, 403),
        ({"Host": "evil.example:80"}, 403),
        ({"Host": "127.0.0.1.evil.example"}, 403),
        ({"Host": "evil.example/@127.0.0.1"}, 403),
        ({"Host": "10.0.0.1"}, 403),
        ({"Host": ""}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://localhost:3000"}, 403),
        ({"Host": "localhost:8000"}, 200),
        ({"Host": "LOCALHOST"}, 200),
        ({"Host": "[::1]:8000"}, 200),
        ({"Host": "localhost:8000", "Origin": "http://localhost:8000"}, 200),
    ],
)
def test_only_those_who_may_are_answered(http: httpx.Client, headers: dict[str, str], status: int) -> None:
    raw = {name: value.encode() for name, value in headers.items()}
    answer = http.get("/v1/models", headers=raw)
    assert answer.status_code == status
    if status != 200:
        refused(answer, status)
    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_without_a_token_only_health_is_told(server: Running) -> None:
    with httpx.Client(base_url=server.url) as stranger:
        assert stranger.get("/health").json() == {"status": "ok"}
        for path in ("/v1/models", "/metrics", "/openapi.json", "/nowhere"):
            assert refused(stranger.get(path), 401)["code"] == "invalid_api_key"


def test_addresses_are_no_names_where_all_of_them_are_listened_on() -> None:
    everywhere = GuardOptions(token=None, host="0.0.0.0", names=("box.example",))
    assert everywhere.knows("10.0.0.1")
    assert everywhere.knows("box.example")
    assert not everywhere.knows("evil.example")


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"",
        b"nothing",
        b"[" * 100_000,
        b'{"prompt": "' + b"x" * 1000,
        b'{"model": "x", "prompt": "\xff"}',
        b'{"model": "x", "seed": ' + b"9" * 5000 + b"}",
        b'"text"',
        b"null",
    ],
)
@pytest.mark.parametrize("path", ["/v1/completions", "/v1/chat/completions"])
def test_what_is_no_json_is_refused(http: httpx.Client, path: str, body: bytes) -> None:
    answer = http.post(path, content=body, headers=JSON)
    assert refused(answer, 400)["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    "more",
    [
        {"prompt": "\ud800"},
        {"steering": {"edits": [{"feature": "\udfff"}]}},
        {"steering": json.loads("[" * 200 + "]" * 200)},
        {"prompt": []},
        {"prompt": [[]]},
        {"prompt": [[5], []]},
        {"prompt": [2**70]},
        {"prompt": [-1]},
        {"seed": 2**64},
        {"n": 100, "prompt": ["a"] * 100},
        {"\ud800": 1},
        {"model": "\udfff"},
    ],
)
def test_sound_json_of_unsound_things_is_refused(
    http: httpx.Client, server: Running, more: dict[str, Any]
) -> None:
    answer = http.post("/v1/completions", content=json.dumps(asked(server, **more)), headers=JSON)
    error = refused(answer, 400)
    assert "body: Input should" not in error["message"]


def test_numbers_that_are_none_are_refused(http: httpx.Client, server: Running) -> None:
    for name in ("temperature", "top_p"):
        answer = http.post(
            "/v1/completions", content=json.dumps(asked(server, **{name: float("nan")})), headers=JSON
        )
        assert refused(answer, 400)["param"] == name


def test_large_bodies_are_not_read(server: Running) -> None:
    body = json.dumps(asked(server, prompt="x" * 10_000_000)).encode()
    with server.http() as http:
        assert refused(http.post("/v1/completions", content=body), 413)["code"] == "body_too_large"

    def chunks() -> Iterator[bytes]:
        for start in range(0, 1_200_000, 100_000):
            yield body[start : start + 100_000]

    with server.http() as http:
        assert refused(http.post("/v1/completions", content=chunks()), 413)["code"] == "body_too_large"


def test_other_paths_and_methods(http: httpx.Client) -> None:
    refused(http.get("/v1/nothing"), 404)
    refused(http.get("/v1/completions"), 405)
    refused(http.get("/v1/models/../../etc/passwd"), 404)
    refused(http.get("/v1/models/%2e%2e%2f%2e%2e%2fetc%2fpasswd"), 404)
    refused(http.get("/docs"), 404)


def test_a_client_that_hangs_up_frees_its_slot(server: Running) -> None:
    for stream in (True, False):
        before = server.engine.n_tokens
        many = asked(server, max_tokens=120, n=8, stream=stream)
        body = json.dumps(many).encode()
        head = f"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n"
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        with socket.create_connection(("127.0.0.1", int(server.url.rsplit(":", 1)[1]))) as caller:
            caller.sendall(head.encode() + body)
            assert soon(lambda before=before: server.engine.n_tokens > before + 8)
        assert server.idle()
        assert server.engine.n_tokens < before + 8 * 120


def test_too_many_are_told_to_come_back(tiny_llama: LanguageModel, dictionary: SparseAutoencoder) -> None:
    with (
        running(tiny_llama, dictionary, EngineOptions(slots=1, queue=1)) as narrow,
        narrow.client() as client,
    ):
        options = {"model": tiny_llama.name, "prompt": "The old", "max_tokens": 100, "stream": True}
        streams = [client.completions.create(**options) for _ in range(2)]
        with pytest.raises(openai.RateLimitError) as error:
            client.completions.create(**options)
        assert error.value.response.headers["retry-after"] == "1"
        assert error.value.code == "too_many_requests"
        for stream in streams:
            stream.close()
        assert narrow.idle()
        assert client.completions.create(model=tiny_llama.name, prompt="The", max_tokens=2)


def test_many_clients_with_steerings_of_their_own(server: Running, live: list[int]) -> None:
    def steering(number: int) -> dict[str, Any]:
        return {"edits": [{"feature": live[number % len(live)], "clamp": 3 + number % 7}]}

    with server.client() as client:

        def write(number: int, stream: bool) -> str:
            told = client.completions.create(
                model=server.served.lm.name,
                prompt="The old bridge",
                max_tokens=8,
                seed=number,
                stream=stream,
                extra_body={"steering": steering(number)},
            )
            pieces = told if stream else [told]
            return "".join(piece.choices[0].text for piece in pieces)

        alone = [write(number, False) for number in range(24)]
        with ThreadPoolExecutor(24) as callers:
            together = list(callers.map(lambda number: write(number, True), range(24)))
    assert together == alone
    assert len(set(alone)) > 16


def test_what_fails_while_it_is_streamed_is_told(
    server: Running, http: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server.engine.lm, "model", None)
    options = {"model": server.served.lm.name, "prompt": "x"}
    with server.client() as client:
        with pytest.raises(openai.InternalServerError, match="the model failed"):
            client.completions.create(**options)
        with pytest.raises(openai.APIError, match="the model failed"):
            list(client.completions.create(**options, stream=True))
    monkeypatch.undo()
    assert http.post("/v1/completions", json=asked(server)).status_code == 200


def test_metrics_are_told(tiny_llama: LanguageModel) -> None:
    from prometheus_client.parser import text_string_to_metric_families

    with running(tiny_llama, None) as server, server.http() as http:
        for _ in range(3):
            assert http.post("/v1/completions", json=asked(server)).status_code == 200
        http.get("/nowhere")
        http.post("/v1/completions", json={})
        found = {
            (sample.name, *sorted(sample.labels.values())): sample.value
            for family in text_string_to_metric_families(http.get("/metrics").text)
            for sample in family.samples
        }
        assert server.engine.n_tokens == 12
    assert found["monoscope_tokens_written_total",] == 12
    assert found["monoscope_requests_total", "/v1/completions", "200"] == 3
    assert found["monoscope_requests_total", "/v1/completions", "400"] == 1
    assert found["monoscope_requests_total", "404", "other"] == 1
    assert found["monoscope_time_to_first_token_seconds_count",] == 3
    assert found["monoscope_texts",] == found["monoscope_texts_waiting",] == 0


def test_closing_the_engine_ends_streams(tiny_llama: LanguageModel) -> None:
    with running(tiny_llama, None) as server, server.client() as client:
        stream = iter(
            client.completions.create(
                model=tiny_llama.name, prompt="The old", max_tokens=120, stream=True, n=4
            )
        )
        next(stream)
        server.engine.close()
        with pytest.raises(openai.APIError, match="shut down"):
            list(stream)
        with pytest.raises(openai.InternalServerError, match="shut down") as error:
            client.completions.create(model=tiny_llama.name, prompt="x")
        assert error.value.status_code == 503
