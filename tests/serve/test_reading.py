"""What the model is asked to read beside what it writes."""

import threading

import httpx
import pytest
import torch

from monoscope.dictionaries import SparseAutoencoder
from monoscope.errors import WrongUse
from monoscope.features.on import active_features
from monoscope.intervene import Ablate, Clamp, Rule, Scope, steer
from monoscope.intervene.attribution import attribution
from monoscope.models import LanguageModel
from monoscope.models.decoding import Request
from monoscope.serve.engine import Closed, Engine
from serve.conftest import SITE, Running

TEXT = "The old bridge was red and long."


@pytest.fixture
def http(server: Running):
    with server.http() as made:
        yield made


def test_a_run_that_has_just_begun_says_so(http: httpx.Client) -> None:
    assert http.get("/api/run").json()["status"] == "running"
    assert http.get("/api/training").json() == {
        "points": [{"tokens": 100, "fvu": 0.5, "l0": None, "dead_share": None, "loss": None}],
        "running": True,
    }
    for path in ("/api/evaluation", "/api/features", "/api/features/0"):
        answer = http.get(path)
        assert answer.status_code == 404
        assert "yet" in answer.json()["error"]["message"]


def test_the_page_needs_no_token_and_all_else_does(server: Running) -> None:
    with httpx.Client(base_url=server.url) as stranger:
        for path in ("/api/run", "/api/features", "/api/features/1"):
            assert stranger.get(path).status_code == 401
        assert stranger.post("/api/lens", json={"text": "a"}).status_code == 401
        assert stranger.get("/", headers={"Host": "evil.example"}).status_code == 403


def test_the_lens_tells_what_fires(
    http: httpx.Client, tiny_llama: LanguageModel, dictionary: SparseAutoencoder
) -> None:
    told = http.post("/api/lens", json={"text": TEXT, "limit": 5}).json()
    tokens = tiny_llama.tokenize(TEXT)
    (x,) = tiny_llama.activations(tokens[None], [SITE]).values()
    n_special = sum(token in tiny_llama.special_ids for token in tokens.tolist())
    found = active_features(dictionary, x[0, n_special:], 5)
    assert told["tokens"] == tiny_llama.token_strings(tokens[n_special:])
    assert [each["feature"] for each in told["features"]] == [each["feature"] for each in found]
    for ours, theirs in zip(found, told["features"], strict=True):
        assert theirs["activations"] == pytest.approx(ours["activations"], abs=1e-4)
        assert theirs["max_activation"] == pytest.approx(float(dictionary.max_activation[ours["feature"]]))
        assert theirs["description"] is None


@pytest.mark.parametrize(
    "body", [{}, {"text": ""}, {"text": "a", "limit": 0}, {"text": "a", "more": 1}, {"text": "x" * 20_001}]
)
def test_bodies_that_are_none_are_refused(http: httpx.Client, body: dict) -> None:
    assert http.post("/api/lens", json=body).status_code == 400


def test_a_text_is_read_again_as_it_was_written(
    http: httpx.Client, tiny_llama: LanguageModel, dictionary: SparseAutoencoder, live: list[int]
) -> None:
    steering = {"edits": [{"feature": live[0], "clamp": 2}]}
    body = {"prompt": "The old", "text": " bridge was red", "features": live[:2], "steering": steering}
    told = http.post("/api/reread", json=body).json()
    tokens = tiny_llama.tokenize("The old bridge was red")[None]
    plain = tiny_llama.forward(tokens)[0].log_softmax(dim=-1)
    with steer(tiny_llama, dictionary, {live[0]: Clamp(2)}):
        pushed = tiny_llama.forward(tokens)[0].log_softmax(dim=-1)
    by_hand = (pushed.exp() * (pushed - plain)).sum(dim=-1)[told["start"] - 1 : -1]
    assert told["tokens"] == tiny_llama.token_strings(tokens[0])
    assert told["divergence"] == pytest.approx(by_hand.tolist(), abs=1e-4)
    assert max(told["divergence"]) > 1e-3
    # The clamped feature is where it was held; the other is what is read there.
    held = 2 * float(dictionary.max_activation[live[0]])
    assert len(told["activations"][1]) == len(told["tokens"])
    assert max(told["activations"][0]) == pytest.approx(held, rel=0.2)
    unsteered = http.post("/api/reread", json=body | {"steering": None}).json()
    assert unsteered["divergence"] == pytest.approx([0.0] * len(by_hand), abs=1e-6)


def test_why_a_token_is_said_is_what_attribution_finds(
    http: httpx.Client, tiny_llama: LanguageModel, dictionary: SparseAutoencoder
) -> None:
    shown = http.post("/api/lens", json={"text": TEXT}).json()["tokens"]
    told = http.post("/api/attribution", json={"text": TEXT, "position": 5, "limit": 6}).json()
    tokens = tiny_llama.tokenize(TEXT)
    (place,) = {len(tokens) - len(shown) + 5}
    assert told["token"] == shown[5]
    probabilities = tiny_llama.forward(tokens[None, :place])[0, -1].softmax(dim=-1)
    token = int(tokens[place])
    assert told["probability"] == pytest.approx(float(probabilities[token]), rel=1e-3)
    rival = next(each for each in probabilities.topk(2).indices.tolist() if each != token)
    given = attribution(tiny_llama, dictionary, tokens[:place], token, rival)
    score = given.by_feature()
    assert told["difference"] == pytest.approx(given.difference, abs=1e-4)
    assert len(told["features"]) <= 6
    for each in told["features"]:
        assert each["attribution"] == pytest.approx(float(score[each["feature"]]), abs=1e-4)
        # Switched off by hand at every token, the difference falls by what is told.
        off = Rule(edit=Ablate(), features={each["feature"]: 1.0}, scope=Scope(skip_special=True))
        with steer(tiny_llama, dictionary, [off]):
            logits = tiny_llama.forward(tokens[None, :place])[0, -1]
        fall = given.difference - float(logits[token] - logits[rival])
        assert each["ablation"] == pytest.approx(fall, abs=1e-3)
    # A special token in the text is not shown, and is not counted.
    special = tiny_llama.tokenizer.decode(sorted(tiny_llama.special_ids)[:1])
    seen = http.post("/api/lens", json={"text": f"The {special} old bridge"}).json()["tokens"]
    for place in range(1, len(seen)):
        asked = {"text": f"The {special} old bridge", "position": place}
        assert http.post("/api/attribution", json=asked).json()["token"] == seen[place]
    behind = http.post(
        "/api/attribution",
        json={"text": TEXT, "position": len(shown)},
    ).json()
    assert behind["probability"] >= behind["against_probability"]
    assert http.post("/api/attribution", json={"text": TEXT, "position": 999}).status_code == 400
    assert http.post("/api/attribution", json={"text": "word " * 4000, "position": 3000}).status_code == 400


def test_nothing_written_is_nothing_to_tell(http: httpx.Client) -> None:
    told = http.post("/api/reread", json={"prompt": "The", "text": "", "features": [1]}).json()
    assert told == {"tokens": [], "start": 0, "activations": [[]], "divergence": []}


@pytest.mark.parametrize(
    "body",
    [
        {"features": [10**6]},
        {"steering": "nonsense"},
        {"steering": {"edits": [{"feature": 0, "clamp": 1e300}]}},
    ],
)
def test_readings_that_cannot_be_done_are_refused(http: httpx.Client, body: dict) -> None:
    answer = http.post("/api/reread", json={"prompt": "The", "text": " old bridge"} | body)
    assert answer.status_code == 400
    assert answer.json()["error"]["message"]


def test_jobs_are_done_between_steps_and_change_no_text(tiny_llama: LanguageModel) -> None:
    request = Request(prompt=tiny_llama.tokenize("Once").tolist(), n_tokens=40)
    seen = []
    with Engine(tiny_llama) as engine:
        alone = [step.text for step in engine.submit(request)]
        handle = engine.submit(request)

        def look() -> int:
            seen.append(threading.current_thread().name)
            tiny_llama.forward(torch.tensor([[1, 2, 3]]))
            return len(seen)

        futures = [engine.do(look) for _ in range(5)]
        assert [step.text for step in handle] == alone
        assert [future.result(10) for future in futures] == [1, 2, 3, 4, 5]
        assert set(seen) == {"monoscope engine"}

        def fail() -> None:
            raise WrongUse("no", "never")

        with pytest.raises(WrongUse):
            engine.do(fail).result(10)
        assert engine.do(lambda: 7).result(10) == 7, "a job that fails takes nothing with it"
    with pytest.raises(Closed):
        engine.do(look)
