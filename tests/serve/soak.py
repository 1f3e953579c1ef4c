"""A server under load in a process of its own, without the checks of shapes, which keep something for each call.

``python soak.py MODEL_FOLDER REQUESTS`` prints the bytes that are held after each of four equal parts of the load.
"""

import gc
import json
import sys
import threading
import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from random import Random

import httpx
import torch

from monoscope.dictionaries import AutoencoderOptions, SparseAutoencoder, TopK
from monoscope.intervene import EachSteered
from monoscope.intervene.plan import parse_plan
from monoscope.models import load_model
from monoscope.serve.app import make_app
from monoscope.serve.asking import Served
from monoscope.serve.engine import Engine
from monoscope.serve.guard import GuardOptions
from monoscope.serve.server import listen, make_server


def one(http: httpx.Client, model: str, number: int) -> None:
    """A stream or a whole answer, steered; a mistake; or a client that hangs up."""
    random = Random(number)
    body = {
        "model": model,
        "prompt": random.choice(["The old", "Fog comes in from the sea"]),
        "max_tokens": random.randint(1, 40) if random.random() < 0.9 else 0,
        "stop": random.choice([None, ["e", "the"]]),
        "logprobs": random.choice([None, 2]),
        "stream": random.random() < 0.7,
        "steering": f"2*{random.randrange(40)}@generated",
    }
    with http.stream("POST", "/v1/completions", json=body) as answer:
        for piece in answer.iter_lines():
            if piece and random.random() < 0.05:
                break


def main(folder: str, requests: int) -> None:
    torch.set_num_threads(1)
    lm = load_model(folder, device="cpu", dtype="float32")
    options = AutoencoderOptions(n_features=40, sparsifier=TopK(6))
    dictionary = SparseAutoencoder.initialise(lm.d_model, options, seed=0, site="blocks.1.resid_post")
    dictionary.max_activation.fill_(1)
    with Engine(lm, EachSteered(lm, dictionary)) as engine, listen("127.0.0.1", 0) as listening:
        served = Served(lm=lm, engine=engine, rules_of=parse_plan)
        server = make_server(make_app(served, GuardOptions(token=None)))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        while not server.started:
            time.sleep(0.01)
        held = []
        with httpx.Client(base_url=f"http://127.0.0.1:{listening.getsockname()[1]}", timeout=60) as http:
            for part in range(4):
                with ThreadPoolExecutor(8) as callers:
                    numbers = range(part * requests, (part + 1) * requests)
                    list(callers.map(lambda number: one(http, lm.name, number), numbers))
                while engine.writing or engine.waiting:
                    time.sleep(0.01)
                if not part:
                    tracemalloc.start()
                gc.collect()
                held.append(tracemalloc.get_traced_memory()[0])
        server.should_exit = True
        thread.join()
    sys.stdout.write(json.dumps(held))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
