"""``monoscope serve``, from the command line to its end."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from starlette.testclient import TestClient

from monoscope.commands.exploring import explored
from monoscope.commands.offered import Offered
from monoscope.commands.open_run import OpenRun
from monoscope.commands.progress import Reporter
from monoscope.commands.run_folder import RunFolder, read_record
from monoscope.dictionaries.files import load
from monoscope.intervene import Clamp, EachSteered, steer
from monoscope.models import load_model
from monoscope.serve.app import make_app
from monoscope.serve.asking import Served
from monoscope.serve.engine import Engine
from monoscope.serve.guard import GuardOptions

from .conftest import Line


def test_a_run_is_served_until_ctrl_c(complete_run: RunFolder, tmp_path: Path) -> None:
    presets = tmp_path / "presets.toml"
    presets.write_text('off = "!3"\n[two]\nedits = [{feature = 3, add = 1.5}]\n', encoding="utf-8")
    words = ["serve", complete_run.path, "--port", "0", "--dtype", "float32", "--presets", presets, "--json"]
    process = subprocess.Popen(
        [sys.executable, "-m", "monoscope", *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        said.append(line.strip())
        if line.startswith("Ctrl-C"):
            break
    page = said[0].removeprefix("the page: ")
    address = said[1].split()[2].rstrip(";")
    token = said[2].removeprefix("token: ")
    assert len(token) > 24
    assert token in said[3]
    assert page == f"{address.removesuffix('/v1')}/#token={token}"
    shown = read_record(complete_run.showcase / "showcase.json")
    preset = "-".join(shown["query"].lower().split()[:2])
    multiple = shown["shown"] if shown["recommended"] is None else shown["recommended"]
    with httpx.Client(headers={"Authorization": f"Bearer {token}"}) as http:
        names = [model["id"] for model in http.get(f"{address}/models").json()["data"]]
        name = names[0]
        assert names == [name, f"{name}:{preset}", f"{name}:off", f"{name}:two"]
        body = {"prompt": "the old", "max_tokens": 8, "seed": 3, "temperature": 0.8}
        texts = [
            http.post(f"{address}/completions", json=body | {"model": name} | more).json()["choices"][0][
                "text"
            ]
            for more in (
                {"model": f"{name}:{preset}"},
                {"steering": f"{multiple}*{shown['feature']}"},
                {"steering": preset},
            )
        ]
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert err == ""
    assert json.loads(out) == {"address": address[: -len("/v1")], "models": names, "tokens_written": 24}
    lm = load_model(complete_run.recipe().model, dtype="float32")
    with steer(lm, load(complete_run.dictionary), {shown["feature"]: Clamp(multiple)}):
        assert texts == [lm.generate("the old", n_tokens=8, seed=3)] * 3


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["--token", "a", "--no-token"], 2, "--token and --no-token were given"),
        (["--port", "70000"], 2, "--port 70000 is no port"),
        (["--slots", "0"], 2, "slots=0"),
        (["--longest", "-1"], 2, "--longest -1"),
        (["--host", "256.0.0.1", "--port", "0"], 2, "256.0.0.1:0 cannot be listened on"),
        (["--port", "0", "--presets", "nowhere.toml"], 2, "there is no file nowhere.toml"),
    ],
)
def test_what_cannot_be_served_is_refused(
    complete_run: RunFolder, line: Line, words: list[str], code: int, sentence: str
) -> None:
    assert sentence in line.refused(code, "serve", complete_run.path, *words)[0]


@pytest.mark.parametrize(
    ("text", "code", "sentence"),
    [
        ("calm = ", 1, "is no TOML"),
        ("calm = 3", 1, "the preset calm in"),
        ('calm = "2*9999"', 2, "the preset calm cannot be carried out: 9999 is no feature"),
        ('calm = "2*nobody"', 2, "the preset calm cannot be carried out: 'nobody'"),
    ],
)
def test_presets_that_are_none_are_refused(
    complete_run: RunFolder, line: Line, tmp_path: Path, text: str, code: int, sentence: str
) -> None:
    path = tmp_path / "presets.toml"
    path.write_text(text, encoding="utf-8")
    said = line.refused(code, "serve", complete_run.path, "--port", "0", "--presets", path)
    assert sentence in said[0]


def test_a_port_that_is_taken_is_told(complete_run: RunFolder, line: Line) -> None:
    from monoscope.serve.server import listen

    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        sentence, hint = line.refused(2, "serve", complete_run.path, "--port", port)
    assert f"127.0.0.1:{port} cannot be listened on" in sentence
    assert "--port 0" in hint


def test_without_a_run_there_is_nothing_to_serve(line: Line, tmp_path: Path) -> None:
    line.refused(2, "serve", tmp_path / "nowhere")


def test_a_run_that_still_learns_is_served_and_grows(run_copy: RunFolder) -> None:
    """The page asks how far it is; as soon as there is a dictionary, the model reads with it."""
    hidden = run_copy.path.with_name("hidden")
    hidden.mkdir()
    parts = [run_copy.dictionary, run_copy.features, run_copy.evaluation, run_copy.showcase]
    for part in parts:
        part.rename(hidden / part.name)
    run_copy.record(status="running", stages={"harvest": 1.0})
    opened = OpenRun.at(run_copy.path, Reporter())
    steered = EachSteered(opened.lm, None)
    with Engine(opened.lm, steered) as engine:
        offered = Offered(opened, steered, engine)
        served = Served(lm=opened.lm, engine=engine, rules_of=offered.rules, presets=offered.presets)
        seen = explored(opened, offered.presets, before=offered.renew)
        with TestClient(
            make_app(served, GuardOptions(token=None), seen), base_url="http://localhost"
        ) as page:
            assert page.get("/api/run").json()["status"] == "stopped"
            with run_copy.held():
                told = page.get("/api/run").json()
            assert told["status"] == "running"
            assert [stage["done"] for stage in told["stages"]] == [True, False, False, False, False]
            assert [name for name, there in told["has"].items() if there] == ["glimpse"]
            assert told["presets"] == []
            assert served.names() == [served.lm.name]
            assert page.get("/api/features").status_code == 404
            answer = page.post("/api/lens", json={"text": "the old dog"})
            assert answer.status_code == 409
            assert "yet" in answer.json()["error"]["message"]
            for part in parts:
                (hidden / part.name).rename(part)
            told = page.get("/api/run").json()
            assert told["has"]["model"]
            shown = read_record(run_copy.showcase / "showcase.json")
            assert [each["steering"]["edits"][0]["feature"] for each in told["presets"]] == [shown["feature"]]
            assert page.get("/api/features").json()["total"] > 0
            assert page.post("/api/lens", json={"text": "the old dog"}).json()["features"]
            body = {"model": served.lm.name, "prompt": "the", "max_tokens": 3, "steering": "2*3"}
            assert page.post("/v1/completions", json=body).status_code == 200
            preset = f"{served.lm.name}:{told['presets'][0]['name']}"
            assert (
                page.post("/v1/completions", json=body | {"model": preset, "steering": None}).status_code
                == 200
            )
