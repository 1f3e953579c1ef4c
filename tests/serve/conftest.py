"""An engine and a server of the tiny Llama, with a random dictionary."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
import torch

from monoscope.commands.vector.train import keep
from monoscope.dictionaries import AutoencoderOptions, SparseAutoencoder, TopK
from monoscope.errors import UnknownName, WrongUse
from monoscope.explore.api import Explored
from monoscope.intervene import Ablate, Add, Clamp, EachSteered, Rule, Scale, Scope
from monoscope.models import LanguageModel
from monoscope.serve.app import make_app
from monoscope.serve.asking import Served
from monoscope.serve.engine import Engine, EngineOptions
from monoscope.serve.guard import GuardOptions
from monoscope.serve.server import listen, make_server
from monoscope.vectors import Shelf

SITE = "blocks.1.resid_post"
N_FEATURES = 96
TOKEN = "a-token-of-the-tests"


@pytest.fixture(scope="session")
def dictionary(tiny_llama: LanguageModel) -> SparseAutoencoder:
    """A random dictionary of the tiny Llama that knows its activations."""
    generator = torch.Generator().manual_seed(0)
    made = SparseAutoencoder.initialise(
        tiny_llama.width(SITE),
        AutoencoderOptions(n_features=N_FEATURES, sparsifier=TopK(6)),
        seed=0,
        site=SITE,
        model_hash=tiny_llama.hash,
    )
    made.encoder += 0.1 * torch.randn(made.encoder.shape, generator=generator)
    tokens = torch.randint(2, tiny_llama.vocabulary_size, (16, 32), generator=generator)
    (x,) = tiny_llama.activations(tokens, [tiny_llama.resolve(SITE)]).values()
    made.max_activation.copy_(made.encode(x).amax((0, 1)))
    return made


@pytest.fixture(scope="session")
def live(dictionary: SparseAutoencoder) -> list[int]:
    """Features that fire, the strongest first."""
    order = dictionary.max_activation.argsort(descending=True).tolist()
    return [feature for feature in order if dictionary.max_activation[feature] > 0]


@pytest.fixture
def engine(tiny_llama: LanguageModel, dictionary: SparseAutoencoder) -> Iterator[Engine]:
    with Engine(tiny_llama, EachSteered(tiny_llama, dictionary)) as made:
        yield made


def rules_of(told: str | dict[str, Any] | list[Any]) -> tuple[Rule, ...]:
    """A small language for the tests: ``{"edits": [{"feature": 4, "clamp": 2, "scope": "generated"}]}``."""
    if not isinstance(told, dict) or not isinstance(told.get("edits"), list):
        raise WrongUse(f"{told!r} is no steering", 'give {"edits": [...]}')
    return tuple(_rule(each) for each in told["edits"])


def _rule(told: Any) -> Rule:
    if not isinstance(told, dict) or not isinstance(told.get("feature"), int):
        raise WrongUse(f"{told!r} is no edit", "name a feature")
    kinds = {"clamp": Clamp, "add": Add, "scale": Scale}
    given = [kind for kind in kinds if isinstance(told.get(kind), int | float)]
    if "ablate" not in told and not given:
        raise UnknownName(f"{sorted(told)} names no change", "there are clamp, add, scale, ablate")
    made = kinds[given[0]](told[given[0]]) if given else Ablate()
    scope = Scope.parse(str(told.get("scope", "all")))
    return Rule(edit=made, features={told["feature"]: 1.0}, scope=scope)


@dataclass(frozen=True)
class Running:
    """A server that runs in a thread."""

    served: Served
    app: Any
    url: str

    @property
    def engine(self) -> Engine:
        return self.served.engine

    def client(self, **more: Any) -> openai.OpenAI:
        """The official client."""
        return openai.OpenAI(**({"base_url": f"{self.url}/v1", "api_key": TOKEN, "max_retries": 0} | more))

    def http(self, **more: Any) -> httpx.Client:
        """A plain client that has the token."""
        return httpx.Client(base_url=self.url, headers={"Authorization": f"Bearer {TOKEN}"}, **more)

    def idle(self) -> bool:
        """Whether nothing is written soon."""
        return soon(lambda: not self.engine.writing and not self.engine.waiting)


def soon(holds: Any, seconds: float = 20) -> bool:
    """Whether it becomes true."""
    end = time.monotonic() + seconds
    while not (found := holds()) and time.monotonic() < end:
        time.sleep(0.005)
    return bool(found)


FACTS = {
    "name": "young",
    "address": f"tiny/{SITE}/young",
    "status": "running",
    "site": SITE,
    "model": {"name": "tiny", "hash": "0"},
    "dictionary": {"n_features": N_FEATURES, "sparsifier": "topk", "k": 6, "d_model": 32, "hash": None},
    "corpus": "builtin",
    "n_tokens": 1000,
    "seed": 0,
    "stages": [{"name": "harvest", "seconds": 1.5, "done": True}],
    "has": {"index": False, "labels": False, "evaluation": False, "model": True, "glimpse": False},
    "showcase": None,
    "presets": [],
    "strengths": {},
    "vectors": [],
}


def young(place: Path) -> Explored:
    """A run that has just been begun; its vectors are written to a folder."""
    return Explored(
        facts=lambda: FACTS,
        curve=lambda: [{"step": 1, "tokens": 100, "fvu": 0.5}],
        record=lambda name: None,
        forming=lambda: {"feature": None, "snapshots": []},
        index=lambda: None,
        labels=lambda index: None,
        map=lambda: None,
        vectors=Shelf(place / "vectors"),
        keep=keep,
    )


@contextmanager
def running(
    lm: LanguageModel,
    dictionary: SparseAutoencoder | None,
    options: EngineOptions | None = None,
    explored: Explored | None = None,
    **served: Any,
) -> Iterator[Running]:
    """A server on a free port."""
    steered = None if dictionary is None else EachSteered(lm, dictionary)
    with Engine(lm, steered, options) as engine:
        made = Served(lm=lm, engine=engine, rules_of=rules_of, **served)
        app = make_app(made, GuardOptions(token=TOKEN), explored)
        server, listening = make_server(app), listen("127.0.0.1", 0)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            assert soon(lambda: server.started)
            yield Running(made, app, f"http://127.0.0.1:{listening.getsockname()[1]}")
        finally:
            server.should_exit = True
            thread.join()
            listening.close()


@pytest.fixture(scope="session")
def server(
    tiny_llama: LanguageModel,
    dictionary: SparseAutoencoder,
    live: list[int],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Running]:
    """A server with a preset ``loud``."""
    presets = {"loud": {"edits": [{"feature": live[0], "clamp": 20}]}}
    with running(
        tiny_llama, dictionary, presets=lambda: presets, explored=young(tmp_path_factory.mktemp("run"))
    ) as made:
        yield made


@pytest.fixture
def client(server: Running) -> Iterator[openai.OpenAI]:
    """The official client of that server."""
    with server.client() as made:
        yield made
