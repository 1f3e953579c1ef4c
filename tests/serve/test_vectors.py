"""The run's control vectors: learnt over HTTP as on the command line, read along, steered with, taken elsewhere."""

import threading
from pathlib import Path
from typing import get_args

import httpx
import pytest
import torch

from monoscope.dictionaries import SparseAutoencoder
from monoscope.explore.api import Explored
from monoscope.intervene.prompts import story_beginnings
from monoscope.models import LanguageModel
from monoscope.models.decoding import Request
from monoscope.serve.engine import Closed, Engine
from monoscope.serve.vectors.told import MethodName
from monoscope.vectors import (
    METHODS,
    PAIRS,
    contrast_pairs,
    import_gguf,
    import_npz,
    in_features,
    learn_vector,
    load,
    read_pairs,
    reading,
)
from serve.conftest import running, young

PERSONAS = {"positive": ["Joy is a happy feeling."], "negative": ["Sadness is a heavy feeling."]}
TEXT = "The old bridge was red and long."


@pytest.fixture(scope="module")
def explored(tmp_path_factory: pytest.TempPathFactory) -> Explored:
    return young(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def happy(tiny_llama: LanguageModel, dictionary: SparseAutoencoder, explored: Explored):
    """A server with a vector called joy, and what was answered when it was learnt."""
    with running(tiny_llama, dictionary, explored=explored) as made, made.http(timeout=60) as http:
        yield http, http.post("/api/vectors", json={"name": "joy", "personas": PERSONAS}).json()


def same(lm: LanguageModel, **more):
    """The vector that the library learns from the personas."""
    pairs = contrast_pairs(
        "{persona} {suffix}", PERSONAS["positive"], PERSONAS["negative"], story_beginnings()
    )
    return learn_vector(lm, pairs, **more), pairs


def test_methods_are_those_of_the_registry() -> None:
    assert set(get_args(MethodName)) == set(METHODS)


def test_personas_become_the_vector_that_the_library_learns(
    happy: tuple[httpx.Client, dict], explored: Explored, tiny_llama: LanguageModel
) -> None:
    http, told = happy
    ours, pairs = same(tiny_llama)
    assert told["hash"] == ours.hash == load(explored.vectors.folder / "joy").hash
    assert told["n_pairs"] == len(pairs) == 60
    assert told["best_block"] == ours.best_block
    assert [each["block"] for each in told["blocks"]] == list(ours.blocks)
    for block in told["blocks"]:
        known = ours.accuracy[block["block"]]
        assert block["reliability"]["accuracy"] == known.accuracy
        assert block["reliability"]["low"] <= known.accuracy <= block["reliability"]["high"]
    assert read_pairs(explored.vectors.folder / "joy" / PAIRS) == pairs
    assert http.get("/api/vectors").json() == {"vectors": [told]}


def test_one_vector_tells_its_pairs_and_its_features(
    happy: tuple[httpx.Client, dict], tiny_llama: LanguageModel, dictionary: SparseAutoencoder
) -> None:
    http, told = happy
    more = http.get("/api/vectors/joy").json()
    ours, pairs = same(tiny_llama)
    assert more.items() >= told.items()
    assert [pair["positive"] for pair in more["pairs"]] == [pair.positive for pair in pairs]
    found = in_features(ours, dictionary)
    assert [part["feature"] for part in more["made_of"]["parts"]] == [part.feature for part in found.parts]
    assert more["made_of"]["explained"] == pytest.approx(found.parts[-1].explained)


def test_pairs_are_learnt_from_and_a_name_is_kept(happy: tuple[httpx.Client, dict]) -> None:
    http, _ = happy
    pairs = [{"positive": f"The {word} is good", "negative": f"The {word} is bad"} for word in "abcdef"]
    body = {"name": "good", "pairs": pairs, "method": "pca_center", "seed": 3, "held_out": 0}
    told = http.post("/api/vectors", json=body).json()
    assert (told["method"], told["seed"], told["held_out"], told["best_block"]) == ("pca_center", 3, 0, None)
    assert all(block["reliability"] is None for block in told["blocks"])
    again = http.post("/api/vectors", json=body)
    assert (again.status_code, again.json()["error"]["code"]) == (409, "exists")
    other = http.post("/api/vectors", json=body | {"overwrite": True, "pairs": pairs[:4]}).json()
    assert other["n_pairs"] == 4
    assert http.get("/api/vectors/good").json()["n_pairs"] == 4


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"name": "412", "personas": PERSONAS}, "no name of a vector"),
        ({"name": "../joy", "personas": PERSONAS}, "no name of a vector"),
        ({"name": ".hidden", "personas": PERSONAS}, "no name of a vector"),
        ({"name": "none"}, "no pairs"),
        ({"name": "both", "personas": PERSONAS, "pairs": [{"positive": "a", "negative": "b"}]}, "both"),
        ({"name": "same", "pairs": [{"positive": "a", "negative": "a"}]}, "both sides"),
        ({"name": "uneven", "personas": PERSONAS | {"negative": ["a", "b"]}}, "do not pair up"),
        ({"name": "bare", "personas": PERSONAS | {"template": "nothing"}}, "{persona}"),
        (
            {"name": "long", "held_out": 0, "pairs": [{"positive": "word " * 3000, "negative": "b"}]},
            "context",
        ),
    ],
)
def test_what_cannot_be_learnt_is_refused_and_nothing_is_written(
    happy: tuple[httpx.Client, dict], explored: Explored, body: dict, words: str
) -> None:
    http, _ = happy
    before = sorted(explored.vectors.folder.rglob("*"))
    answer = http.post("/api/vectors", json=body)
    assert answer.status_code == 400
    assert words in answer.json()["error"]["message"]
    assert sorted(explored.vectors.folder.rglob("*")) == before


def test_a_text_is_read_along_a_vector(happy: tuple[httpx.Client, dict], tiny_llama: LanguageModel) -> None:
    http, told = happy
    ours, _ = same(tiny_llama)
    for block in (None, 0):
        answer = http.post("/api/vectors/joy/reading", json={"text": TEXT, "block": block}).json()
        where = told["best_block"] if block is None else block
        scores = reading(tiny_llama, ours.at([where]), TEXT)
        assert (answer["block"], answer["tokens"]) == (where, scores.tokens)
        assert answer["scores"] == pytest.approx(scores.scores[0].tolist(), abs=1e-5)
    refused = http.post("/api/vectors/joy/reading", json={"text": TEXT, "block": 99})
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "block")


def test_files_hold_the_vector(
    happy: tuple[httpx.Client, dict], tmp_path: Path, tiny_llama: LanguageModel
) -> None:
    http, told = happy
    ours, _ = same(tiny_llama)
    (tmp_path / "a.npz").write_bytes(http.get("/api/vectors/joy/file?format=npz").content)
    assert import_npz(tmp_path / "a.npz").hash == told["hash"]
    (tmp_path / "a.gguf").write_bytes(http.get("/api/vectors/joy/file?strength=0.5").content)
    back, _ = import_gguf(tmp_path / "a.gguf")
    for block in back.blocks:
        assert torch.equal(back.directions[block], ours.directions[block])
    assert http.get("/api/vectors/joy/file?strength=0").status_code == 400
    assert http.get("/api/vectors/nobody/file").status_code == 404
    assert http.get("/api/vectors/nobody").json()["error"]["code"] == "unknown_name"


def test_texts_are_written_on_while_a_vector_is_learnt(engine: Engine, tiny_llama: LanguageModel) -> None:
    """The same text as without; and it does not wait for the job."""
    request = Request(prompt=tiny_llama.tokenize(TEXT).tolist(), n_tokens=12)
    alone = "".join(step.text for step in engine.submit(request))
    written, ended = threading.Event(), threading.Event()

    def job() -> bool:
        while not written.wait(0.001):
            engine.breathe()
        return ended.is_set()

    future = engine.do(job)
    text = "".join(step.text for step in engine.submit(request))
    written.set()
    assert not future.result(20)
    assert text == alone


def test_a_job_that_breathes_ends_with_the_server(tiny_llama: LanguageModel) -> None:
    began = threading.Event()

    def job() -> None:
        while True:
            began.set()
            engine.breathe()

    engine = Engine(tiny_llama)
    future = engine.do(job)
    assert began.wait(20)
    engine.close()
    with pytest.raises(Closed):
        future.result(20)
